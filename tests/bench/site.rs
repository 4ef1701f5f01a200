//! Where contestants meet: private servers, one or three, with the real service as a process beside them.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use async_nats::{Client, jetstream};
use bytes::Bytes;
use keepsake_cli::commander::{self, Outcome};
use keepsake_tests::harness::{Processes, Service, World};
use proto::Reply;
use proto::subject::LOG_STREAM;

use crate::contestant::FSYNC;
use crate::contestant::command::TENANT;
use crate::progress::Progress;
use crate::relay;

/// Callers share one connection up to here, and all of them beyond.
const CALLERS_ON_ONE_CONNECTION: usize = 64;
const CONNECTIONS: usize = 4;
/// How often one looks how far the read models are, and how long.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_mins(10);
const LOG_MAX_BYTES: i64 = 256 << 30;

/// Field order is the order in which they end: callers, the service, its servers.
pub(crate) struct Site {
    clients: Vec<Client>,
    processes: Processes,
    world: World,
    pub(crate) servers: usize,
}

impl Site {
    /// Starts it with one tenant and nobody in it, on one server or on three.
    pub(crate) async fn start(servers: usize) -> anyhow::Result<Self> {
        Self::of(if servers == 1 { World::start().await } else { World::start_replicated().await }, servers).await
    }

    /// The same on one server, with a Postgres that has on disk what it says is committed.
    pub(crate) async fn start_durable() -> anyhow::Result<Self> {
        Self::of(World::start_durable().await, 1).await
    }

    async fn of(world: World, servers: usize) -> anyhow::Result<Self> {
        let processes = Processes::start_only(&world, &[Service::Command]).await;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(world.nats.connect().await);
        }
        let durability = relay::proved(&clients[0], &setting(&world, "NATS_MONITOR_URL")?).await?;
        ensure!(durability == FSYNC, "the log of the benchmark is only {durability}");
        make_room(&clients[0]).await?;
        let site = Self { clients, processes, world, servers };
        site.accepted("tenant.provision", r#"{"name":"Bench"}"#.to_owned()).await?;
        Ok(site)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.clients[0]
    }

    /// The connections of so many callers.
    pub(crate) fn connections(&self, callers: usize) -> Vec<Client> {
        let connections = if callers <= CALLERS_ON_ONE_CONNECTION { 1 } else { CONNECTIONS };
        self.clients[..connections].to_vec()
    }

    /// Sends one command that must be accepted.
    pub(crate) async fn accepted(&self, command: &str, json: String) -> anyhow::Result<Reply> {
        self.accepted_of(TENANT, command, json).await
    }

    /// The same for any tenant.
    pub(crate) async fn accepted_of(&self, tenant: &str, command: &str, json: String) -> anyhow::Result<Reply> {
        let subject = format!("cmd.{tenant}.{command}");
        match commander::send(self.client(), &subject, None, Bytes::from(json), commander::PATIENT).await {
            Outcome::Accepted(reply) => serde_json::from_slice(&reply).context("the reply is none"),
            Outcome::Refused { problem, .. } => bail!("{command} was refused: {} {}", problem.code, problem.detail),
            Outcome::NoAnswer(why) => bail!("{command}: {why}"),
        }
    }

    /// Position of the log's last commit.
    pub(crate) async fn last_position(&self) -> anyhow::Result<u64> {
        self.last_position_of(LOG_STREAM).await
    }

    /// The same of any stream.
    pub(crate) async fn last_position_of(&self, stream: &str) -> anyhow::Result<u64> {
        let stream = jetstream::new(self.client().clone()).get_stream(stream).await?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// Where the service answers HTTP.
    pub(crate) fn http_url(&self) -> String {
        self.processes.url(Service::Command)
    }

    /// `Authorization` of somebody who may do everything.
    pub(crate) fn bearer(&self) -> String {
        self.bearer_of(TENANT)
    }

    pub(crate) fn bearer_of(&self, tenant: &str) -> String {
        self.world.bearer(tenant)
    }

    /// `kill -9` and a new start: everything the service remembered is gone.
    pub(crate) async fn restart_service(&mut self) {
        self.stop_service().await;
        self.start_service().await;
    }

    pub(crate) async fn stop_service(&mut self) {
        self.processes.kill(Service::Command).await;
    }

    pub(crate) async fn start_service(&mut self) {
        self.processes.start_one(Service::Command).await;
    }

    /// Starts projection-workers, which fold from then on.
    pub(crate) async fn start_folding(&mut self) {
        self.start_folding_with(&[]).await;
    }

    /// The same with further settings.
    pub(crate) async fn start_folding_with(&mut self, settings: &[(&str, &str)]) {
        self.processes.start_one_with(Service::Projections, settings).await;
    }

    /// Starts query-service; the address it listens at.
    pub(crate) async fn start_query_service(&mut self) -> String {
        self.start_query_service_with(&[]).await
    }

    /// The same with further settings.
    pub(crate) async fn start_query_service_with(&mut self, settings: &[(&str, &str)]) -> String {
        self.processes.start_one_with(Service::Query, settings).await;
        self.processes.url(Service::Query).replace("http://", "")
    }

    pub(crate) async fn stop_query_service(&mut self) {
        self.processes.kill(Service::Query).await;
    }

    pub(crate) async fn stop_folding(&mut self) {
        self.processes.kill(Service::Projections).await;
    }

    /// Process id of projection-workers.
    pub(crate) fn worker(&self) -> u32 {
        self.processes.pid(Service::Projections)
    }

    pub(crate) fn read_admin_url(&self) -> &str {
        &self.world.database.read_admin
    }

    /// A connection to the read models, as their administrator.
    pub(crate) async fn read_admin(&self) -> tokio_postgres::Client {
        self.world.database.connect(&self.world.database.read_admin).await
    }

    /// Waits until the read models hold every commit there is.
    pub(crate) async fn everything_is_folded(&self, progress: &Progress) -> anyhow::Result<()> {
        const FOLDED: &str = "SELECT min(position) FROM keepsake.progress";
        self.reached(FOLDED, "folding the read models", progress).await
    }

    /// Waits until everything there is was told to others.
    pub(crate) async fn everything_is_published(&self, progress: &Progress) -> anyhow::Result<()> {
        const PUBLISHED: &str = "SELECT COALESCE(max(position), 0) FROM keepsake.errand WHERE name = 'publisher'";
        self.reached(PUBLISHED, "publishing", progress).await
    }

    /// Waits until what is asked for is the position of the log's last commit now.
    async fn reached(&self, question: &str, what: &str, progress: &Progress) -> anyhow::Result<()> {
        let database = self.read_admin().await;
        let last = self.last_position().await?;
        let filling = progress.filling(what, last);
        let (mut tick, began) = (tokio::time::interval(LOOK_EVERY), Instant::now());
        loop {
            tick.tick().await;
            let folded = database.query_one(question, &[]).await?.try_get::<_, i64>(0)?.cast_unsigned();
            filling.done().store(folded.min(last), Ordering::Relaxed);
            if folded >= last {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "{what} has come to {folded} of {last} only");
        }
    }

    /// What a process beside the service is started with.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (String, String)> {
        self.world.environment(Service::Command).into_iter()
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.world.folder()
    }
}

/// Nothing that is measured here may end because the log of a test is kept small.
async fn make_room(client: &Client) -> anyhow::Result<()> {
    let context = jetstream::new(client.clone());
    let stream = context.get_stream(LOG_STREAM).await?;
    let config = jetstream::stream::Config { max_bytes: LOG_MAX_BYTES, ..stream.cached_info().config.clone() };
    context.update_stream(config).await?;
    Ok(())
}

fn setting(world: &World, name: &str) -> anyhow::Result<String> {
    world.environment(Service::Command).remove(name).with_context(|| format!("the service is started without {name}"))
}
