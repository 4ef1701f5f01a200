//! Events in, rows out: reads the log in order and folds every commit into the read models, exactly once.
//!
//! A read model is one file in `projections/`, one line in `projections.rs` and one folder of SQL in `schema`. The partitions of
//! the log are cut into lanes, which any number of processes share (`lease.rs`). A process reads the log once for all its lanes
//! (`crew.rs`); each lane opens (`open.rs`), folds (`fold.rs`) and writes (`write.rs`) by itself, and its position moves with the
//! rows and their proof in one transaction (`checkpoint.rs`, `proof.rs`). What cannot be folded is set aside with its owner
//! (`parking.rs`) and tried again when somebody asks (`drain.rs`).
//!
//! What goes out goes by errands (`errand.rs`), each done by one process at a time with a position of its own: the publisher, policies,
//! the outbox; and timers (`due.rs`). No build of a read model ever feeds or resets them.

mod announce;
mod backlog;
mod care;
mod checkpoint;
mod config;
mod crew;
mod drain;
pub mod due;
mod errand;
mod errands;
mod error;
mod finding;
mod fold;
mod follow;
#[cfg(test)]
mod given;
mod lane;
mod lane_worker;
mod lease;
mod metrics;
mod open;
pub mod outbox;
mod outgoing;
mod pace;
mod parking;
mod policies;
pub mod policy;
mod projection;
mod projections;
mod proof;
mod publisher;
pub mod rebuild;
mod sampler;
mod seat;
mod spans;
mod status;
mod track;
mod verify;
mod worker;
mod write;

use std::sync::Arc;

use deadpool_postgres::Pool;
use event_log::User;
use runtime::Running;
use runtime::health::{self, Check};
use runtime::metrics::Exposition;
use runtime::serve;
use tokio_util::sync::CancellationToken;
use vault::Vault;

pub use config::Config;
pub use error::{Fault, Severity};
pub use finding::Finding;
pub use verify::{Progress, UnknownProjection, Verification, Verified, verify};

use announce::Announcer;
use crew::Site;
use errands::Errands;
use metrics::{Metrics, watch};
use pace::Paces;
use policy::Policy;
use sampler::Sampler;
use status::Status;
use worker::Worker;

/// One for each lane there may be of two tracks, two for the sampler, one for the pace, one for the announcer, four for whoever asks.
const CONNECTIONS: usize = 136;
/// A lease that is not renewed since the lanes have all connections would move them about for ever.
const LEASE_CONNECTIONS: usize = 1;

/// What this binary folds: [`schema::migrate`] sees that there is a generation of each.
pub fn versions() -> &'static [schema::Version] {
    &projections::VERSIONS
}

/// Starts folding, and whatever goes out. Refuses a log the read models were not folded from, and read models made for another binary.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    start_with(config, policies::ALL).await
}

/// The same with these policies.
pub async fn start_with(config: Config, policies: &[&'static dyn Policy]) -> anyhow::Result<Running> {
    let nats = event_log::connect(&config.nats, User::Workers, "projection-workers").await?;
    let vault = Vault::connect(&config.vault_url, &config.key_file)?;
    let pool = schema::pool(&config.database_url, CONNECTIONS)?;
    let listener = serve::bind(config.http_address).await?;
    let stop = CancellationToken::new();
    let status = Arc::new(Status::default());
    let mut exposition = Exposition::of_this_process();
    let metrics = Metrics::register(exposition.registry());
    let site = Site {
        nats: nats.clone(),
        vault: vault.clone(),
        pool: pool.clone(),
        status: Arc::clone(&status),
        metrics: metrics.clone(),
        paces: Paces::new(writers()),
        announcer: Announcer::default(),
        proves: !config.without_proof,
    };
    let errands = Errands {
        nats: nats.clone(),
        pool: schema::pool(&config.database_url, errands::CONNECTIONS)?,
        vault: vault.clone(),
        status: errand::Status::default(),
        metrics: metrics.clone(),
    };
    let sampler = Sampler::new(site.clone(), config.sample_percent);
    let (paces, pool_of_paces) = (site.paces.clone(), pool.clone());
    let announcing = site.announcer.clone().run(pool.clone(), stop.clone());
    let worker = Worker::start(site, schema::pool(&config.database_url, LEASE_CONNECTIONS)?).await?;
    let mut running = Running::new(listener.local_addr()?, stop.clone());
    running.spawn(watch::watch(nats.clone(), metrics, stop.clone()));
    if config.errands {
        errands.start(policies, &mut running, &stop);
    }
    let generations = rebuild::router(nats.clone(), pool.clone());
    let checks = checks(nats, vault, pool, status, errands.status);
    let router = health::router(checks, running.ending().announced).merge(exposition.router()).merge(generations);
    running.spawn(serve::serve(listener, router, running.ending()));
    running.spawn(announcing);
    running.spawn(paces.watch(pool_of_paces, stop.clone()));
    running.spawn(worker.run(stop.clone()));
    running.spawn(sampler.run(stop));
    Ok(running)
}

/// Lanes that write at once: one for each core, beyond which they would only be in each other's way, while fewer and larger
/// batches are cheaper. Never one alone, which might be waiting for a lock.
fn writers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

fn checks(
    nats: async_nats::Client,
    vault: Vault,
    pool: Pool,
    status: Arc<Status>,
    errands: errand::Status,
) -> Vec<Check> {
    vec![
        Check::new("nats", move || {
            let nats = nats.clone();
            async move { event_log::stream::info(&nats).await.map(|_| ()).map_err(|error| error.to_string()) }
        }),
        Check::new("postgres", move || {
            let pool = pool.clone();
            async move { checkpoint::ping(&pool).await.map_err(|fault| fault.to_string()) }
        }),
        Check::new("vault", move || {
            let vault = vault.clone();
            async move { vault.ping().await.map_err(|error| Fault::from(error).to_string()) }
        }),
        Check::new("folding", move || {
            let folding = status.folding_or_why_not();
            async move { folding }
        }),
        Check::new("errands", move || {
            let well = errands.well_or_why_not();
            async move { well }
        }),
    ]
}
