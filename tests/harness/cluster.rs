//! The nats-servers of one test: one, or three that each keep the whole log.

use std::path::Path;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{
    self,
    stream::{ClusterInfo, PeerInfo},
};
use bytes::Bytes;
use event_log::{NatsAddress, User};
use futures_util::future::{join_all, try_join_all};
use keepsake_cli::servers::{Nats, NatsOptions, port};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::subject::jetstream::{Ask, callers_api};
use proto::subject::{LOG_STREAM, PUBLISHED_STREAM};
use runtime::http_client::HttpClient;
use serde::Deserialize;

use super::{Logins, Raw, eventually, tools};

const REPLICAS: usize = 3;
/// How often the ports of the routes may turn out to be taken.
const ATTEMPTS: usize = 5;
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Running servers; each is named by its place.
pub struct Cluster {
    servers: Vec<Nats>,
    pub logins: Logins,
}

impl Cluster {
    pub async fn single(options: NatsOptions) -> Self {
        let logins = Logins::make(&options.dir.join("users"));
        let options = NatsOptions { users: Some(logins.config()), ..options };
        let server = Nats::start(&tools(), &options).await.expect("nats-server starts");
        Self { servers: vec![server], logins }
    }

    /// Three servers that know each other, with folders below `dir`; each is well only when they have found a leader.
    pub async fn of_three(dir: &Path) -> Self {
        let logins = Logins::make(&dir.join("users"));
        for attempt in 1.. {
            match try_join_all(options_of_three(dir, attempt, &logins).iter().map(start)).await {
                Ok(servers) => {
                    let cluster = Self { servers, logins };
                    cluster.until_acquainted().await;
                    return cluster;
                }
                Err(error) if attempt < ATTEMPTS && port::was_taken(&error) => {}
                Err(error) => panic!("three nats-servers start: {error:#}"),
            }
        }
        unreachable!("the last attempt has panicked")
    }

    /// Waits until one server leads and knows that the others follow: before that it has no place for a stream.
    async fn until_acquainted(&self) {
        let http = HttpClient::new(PROBE_TIMEOUT);
        eventually("three nats-servers know each other", async || {
            let asked = self.servers.iter().map(|server| meta(&http, server));
            join_all(asked).await.into_iter().flatten().any(|meta| meta.is_complete()).then_some(())
        })
        .await;
    }

    /// How many copies of the log these servers keep.
    pub fn replicas(&self) -> usize {
        self.servers.len()
    }

    /// Every server's URL, comma-separated.
    pub fn url(&self) -> String {
        self.servers.iter().map(Nats::url).collect::<Vec<_>>().join(",")
    }

    /// Where Keepsake's own users sign in.
    pub fn of_services(&self) -> NatsAddress {
        self.logins.address(self.url(), None)
    }

    /// Where this user signs in.
    pub fn of_user(&self, user: &str) -> NatsAddress {
        self.logins.address(self.url(), Some(user))
    }

    /// The same for a process of its own.
    pub fn environment(&self) -> [(String, String); 2] {
        let users = self.logins.folder().display().to_string();
        [("NATS_URL".to_owned(), self.url()), ("KEEPSAKE_NATS_USERS".to_owned(), users)]
    }

    /// A connection of the test's, which may do everything.
    pub async fn connect(&self) -> Client {
        let address = self.logins.address_of_test(self.url());
        event_log::connect(&address, User::Operator, "test").await.expect("connects")
    }

    /// Admits a caller of these tenants while the servers run.
    pub async fn admit(&self, name: &str, tenants: &[&str]) {
        self.logins.admit(name, tenants);
        self.reload();
        let ours = callers_api(&Ask::ConsumerInfo.of_one(PUBLISHED_STREAM, name));
        for server in &self.servers {
            let address = NatsAddress { url: server.url(), ..self.of_user(name) };
            eventually(&format!("{name} is admitted"), async || {
                let caller = event_log::connect(&address, User::Operator, name).await.ok()?;
                let reached = caller.request(ours.clone(), Bytes::new()).await;
                // nats-server 2.15.1 connects an account that is new to it with ours at the reload after.
                reached.map_err(|_| self.reload()).ok()
            })
            .await;
        }
    }

    /// Waits until none of the servers admits a caller any more, which has kept its seed.
    pub async fn revoke(&self, name: &str) {
        self.logins.revoke(name);
        self.reload();
        for server in &self.servers {
            let is_refused = async || Raw::connect(&server.url(), self.logins.folder(), name).await.err();
            eventually(&format!("{name} is refused"), is_refused).await;
        }
    }

    /// Has every server read its configuration again.
    pub fn reload(&self) {
        for server in &self.servers {
            kill(Pid::from_raw(server.pid().cast_signed()), Signal::SIGHUP).expect("it is ours");
        }
    }

    /// A connection of this user's to the first server, on the wire.
    pub async fn raw(&self, user: &str) -> Raw {
        Raw::connect(&self.servers[0].url(), self.logins.folder(), user).await.expect("it may sign in")
    }

    /// Every server's monitoring URL, comma-separated.
    pub fn monitor_url(&self) -> String {
        self.servers.iter().map(Nats::monitor_url).collect::<Vec<_>>().join(",")
    }

    pub fn server(&self, which: usize) -> &Nats {
        &self.servers[which]
    }

    /// Ends a server as a crash would, and waits until it is gone.
    pub async fn kill_9(&mut self, which: usize) {
        self.servers[which].kill_9().await;
    }

    /// Starts a killed server again, on the same ports and files.
    pub async fn restart(&mut self, which: usize) {
        let killed = self.servers[which].pid();
        self.servers[which].restart().await.expect("nats-server starts again");
        assert_ne!(self.servers[which].pid(), killed, "another process");
    }

    /// Starts a killed server again with other settings.
    pub async fn restart_with(&mut self, which: usize, options: &NatsOptions) {
        let options = NatsOptions { users: Some(self.logins.config()), ..options.clone() };
        self.servers[which].restart_with(&options).await.expect("nats-server starts again");
    }

    /// Which server leads the log, once one does.
    pub async fn leader(&self, client: &Client) -> usize {
        eventually("the log has a leader", async || {
            let leader = cluster_info(client).await?.leader?;
            (0..self.replicas()).find(|which| name(*which) == leader)
        })
        .await
    }

    /// Waits until the log has a leader and every other server has all that the leader has.
    pub async fn until_current(&self, client: &Client) {
        let followers = self.replicas() - 1;
        eventually("every replica of the log is current", async || {
            let info = cluster_info(client).await?;
            let current = info.replicas.iter().filter(|replica| replica.current && !replica.offline).count();
            (info.leader.is_some() && current == followers).then_some(())
        })
        .await;
    }

    pub async fn stop(self) {
        join_all(self.servers.into_iter().map(Nats::stop)).await;
    }
}

async fn cluster_info(client: &Client) -> Option<ClusterInfo> {
    jetstream::new(client.clone()).get_stream(LOG_STREAM).await.ok()?.cached_info().cluster.clone()
}

/// What a server says of the group that places streams; only its leader names the others.
#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    replicas: Vec<PeerInfo>,
}

impl Meta {
    fn is_complete(&self) -> bool {
        self.replicas.iter().filter(|peer| peer.current && !peer.offline).count() == REPLICAS - 1
    }
}

async fn meta(http: &HttpClient, server: &Nats) -> Option<Meta> {
    let answer = http.get(&format!("{}/jsz", server.monitor_url()), &[]).await.ok()?;
    let mut jsz: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    serde_json::from_value(jsz["meta_cluster"].take()).ok()
}

async fn start(options: &NatsOptions) -> anyhow::Result<Nats> {
    Nats::start(&tools(), options).await
}

fn name(which: usize) -> String {
    format!("n{which}")
}

fn options_of_three(dir: &Path, attempt: usize, logins: &Logins) -> Vec<NatsOptions> {
    let free = || port::pick(None, "a route", "no option").expect("a free port");
    let ports: Vec<u16> = std::iter::repeat_with(free).take(REPLICAS).collect();
    let routes: Vec<String> = ports.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
    // A name of its own: a server that finds a stranger behind a peer's port must not join it.
    let cluster = format!("tests-{}", ports[0]);
    let options = |which: usize| NatsOptions {
        further_config: format!(
            "server_name: {}\ncluster {{\n  name: {cluster}\n  listen: \"127.0.0.1:{}\"\n  routes: [{}]\n}}",
            name(which),
            ports[which],
            routes.join(", ")
        ),
        users: Some(logins.config()),
        ..NatsOptions::new(dir.join(format!("{attempt}-{which}")))
    };
    (0..REPLICAS).map(options).collect()
}
