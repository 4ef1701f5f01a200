//! Events in, rows out: reads the log in order and folds every commit into the read models, exactly once.
//!
//! A read model is one file in `projections/`, one line in `projections.rs` and one folder of SQL in `schema`. The partitions of
//! the log are cut into lanes, which any number of processes share (`lease.rs`). A process reads the log once for all its lanes
//! (`crew.rs`); each lane opens (`open.rs`), folds (`fold.rs`) and writes (`write.rs`) by itself, and its position moves with the
//! rows and their proof in one transaction (`checkpoint.rs`, `proof.rs`). What cannot be folded is set aside with its owner
//! (`parking.rs`) and tried again when somebody asks (`drain.rs`).

mod backlog;
mod care;
mod checkpoint;
mod config;
mod crew;
mod drain;
mod error;
mod finding;
mod fold;
#[cfg(test)]
mod given;
mod lane;
mod lane_worker;
mod lease;
mod metrics;
mod open;
mod parking;
mod projection;
mod projections;
mod proof;
mod sampler;
mod seat;
mod status;
mod verify;
mod worker;
mod write;

use std::sync::Arc;

use deadpool_postgres::Pool;
use runtime::Running;
use runtime::health::{self, Check};
use runtime::metrics::Exposition;
use runtime::serve;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use vault::Vault;

pub use config::Config;
pub use error::{Fault, Severity};
pub use finding::Finding;
pub use verify::{Progress, UnknownProjection, Verification, Verified, verify};

use crew::Site;
use metrics::{Metrics, watch};
use sampler::Sampler;
use status::Status;
use worker::Worker;

/// One for each lane there may be, one for the leases, two for the sampler, two for whoever asks whether Postgres answers.
const CONNECTIONS: usize = 69;

/// Starts folding. Refuses a log the read models were not folded from, and read models made for another binary.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let nats = event_log::connect(&config.nats_url, "projection-workers").await?;
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
        turns: Arc::new(Semaphore::new(writers())),
        proves: !config.without_proof,
    };
    let sampler = Sampler::new(site.clone(), config.sample_percent);
    let worker = Worker::start(site).await?;
    let mut running = Running::new(listener.local_addr()?, stop.clone());
    running.spawn(watch::watch(nats.clone(), metrics, stop.clone()));
    let router = health::router(checks(nats, vault, pool, status), stop.clone()).merge(exposition.router());
    running.spawn(serve::serve(listener, router, stop.clone()));
    running.spawn(worker.run(stop.clone()));
    running.spawn(sampler.run(stop));
    Ok(running)
}

/// Lanes that write at once: one for each core, beyond which they would only be in each other's way, while fewer and larger
/// batches are cheaper. Never one alone, which might be waiting for a lock.
fn writers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

fn checks(nats: async_nats::Client, vault: Vault, pool: Pool, status: Arc<Status>) -> Vec<Check> {
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
    ]
}
