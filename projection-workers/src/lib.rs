//! Events in, rows out: reads the log in order and folds every commit into the read models, exactly once.
//!
//! A read model is one file in `projections/`, one line in `projections.rs` and one folder of SQL in `schema`. The loop is in
//! `worker.rs`; what is taken at once is opened in `open.rs`, folded and written in `apply.rs`, and the positions move in the same
//! transaction as the rows, in `checkpoint.rs`. One process folds everything: a second one takes over from the first.

mod apply;
mod checkpoint;
mod config;
mod error;
#[cfg(test)]
mod given;
mod metrics;
mod open;
mod projection;
mod projections;
mod status;
mod worker;

use std::sync::Arc;

use deadpool_postgres::Pool;
use runtime::Running;
use runtime::health::{self, Check};
use runtime::metrics::Exposition;
use runtime::serve;
use tokio_util::sync::CancellationToken;
use vault::Vault;

pub use config::Config;
pub use error::{Fault, Severity};

use metrics::{Metrics, watch};
use status::Status;
use worker::Worker;

/// One for the worker, one for the question whether Postgres answers.
const CONNECTIONS: usize = 2;

/// Starts folding. Refuses a log the read models were not folded from, and read models made for another binary.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let nats = event_log::connect(&config.nats_url, "projection-workers").await?;
    let vault = Vault::connect(&config.vault_url, &config.key_file)?;
    let pool = schema::pool(&config.database_url, CONNECTIONS)?;
    let listener = serve::bind(config.http_address).await?;
    let stop = CancellationToken::new();
    let status = Arc::new(Status::default());
    let worker = Worker::start(nats.clone(), vault.clone(), pool.clone(), Arc::clone(&status), stop.clone()).await?;
    let mut running = Running::new(listener.local_addr()?, stop.clone());
    let mut exposition = Exposition::of_this_process();
    let metrics = Metrics::register(exposition.registry());
    running.spawn(watch::watch(nats.clone(), metrics, stop.clone()));
    let router = health::router(checks(nats, vault, pool, status), stop.clone()).merge(exposition.router());
    running.spawn(serve::serve(listener, router, stop));
    running.spawn(worker.run());
    Ok(running)
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
