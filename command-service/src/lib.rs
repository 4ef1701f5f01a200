//! Commands in, events out.
//!
//! A command enters through a door (`ingress`), finds its owner and is decided in `execute`, and its events are appended
//! by the `event_store`, guarded by the owner's last position.

mod acts;
pub mod appender;
mod asyncapi;
mod atomic_batch;
mod canary;
mod commit;
mod config;
mod deadline;
mod error;
mod event_store;
mod execute;
mod ingress;
mod outgoing;
mod precondition;
mod spans;
mod target;
mod tenants;
mod turn_queue;
mod verdicts;

use std::sync::Arc;

use anyhow::Context as _;
use async_nats::Client;
use async_nats::connection::State as ConnectionState;
pub use config::Config;
use event_log::durability::DurabilityProof;
use event_log::{User, intake, stream};
use futures_util::FutureExt as _;
use runtime::Running;
use runtime::auth::Gatekeeper;
use runtime::health::{self, Check};
use runtime::serve;
use schema::CommandLog;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::appender::Appender;
use crate::asyncapi::Links;
use crate::canary::Canary;
use crate::event_store::EventStore;
use crate::execute::Executor;
use crate::ingress::intake::Intake;
use crate::ingress::nats::discovery::Discovery;
use crate::verdicts::Verdicts;

/// Starts the service: connects, proves the log's durability, opens the doors.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let (log_client, connected) =
        event_log::connect_and_tell(&config.nats, User::Appender, "keepsake command-service: log").await?;
    let log = stream::info(&log_client).await?;
    let intake = intake::info(&log_client).await?;
    let Config { nats_monitors, durability, .. } = &config;
    let durability =
        DurabilityProof::establish(log_client.clone(), connected, nats_monitors.clone(), *durability).await?;
    tracing::info!(log.durability = durability.level().await?.name(), log.id = log.log_id, "the log is there");
    let vault = Vault::connect(&config.vault_url, &config.key_file)?;
    vault.ping().await.context("the vault does not answer: see KEEPSAKE_VAULT_URL")?;

    let (appender, appending) = Appender::new(log_client.clone());
    let (verdicts, storing) = Verdicts::new(log_client.clone());
    let canary = Canary::new(appender.clone());
    let command_log = CommandLog::connect(&config.database_url, &log.log_id)?;
    let store = EventStore::new(log_client.clone(), vault.clone(), command_log, appender, config.cache_bytes);
    let gatekeeper = Gatekeeper::new(&config.auth, Arc::new(vault.clone()), config.limits)?;
    let executor = Arc::new(Executor::new(store, vault.clone(), durability.clone(), gatekeeper.limits()));

    let stop = CancellationToken::new();
    let listener = serve::bind(config.http_address).await?;
    let mut running = Running::new(listener.local_addr()?, stop.clone());
    running.spawn(durability.run(stop.clone()));
    running.spawn(appending.map(Ok));
    running.spawn(storing.map(Ok));
    let links = Links::new(config.public_url.clone(), running.http_address());
    let discovery = Discovery::new(links);
    let door = ingress::nats::open(&config.nats, Arc::clone(&executor), verdicts.clone(), discovery).await?;
    running.spawn(ingress::nats::run(door, stop.clone()));
    let emptying = Intake::new(&config.nats, Arc::clone(&executor), verdicts.clone(), &intake);
    running.spawn(emptying.run(intake.replicas, stop));
    let health = health::router(checks(&log_client, canary, &executor), running.ending().announced);
    let insisting = config.require_if_match;
    let router = ingress::http::router(log_client, executor, vault, verdicts, &gatekeeper, insisting).merge(health);
    running.spawn(serve::serve(listener, router, running.ending()));
    Ok(running)
}

fn checks(client: &Client, canary: Canary, executor: &Arc<Executor>) -> Vec<Check> {
    let (client, canary, executor) = (client.clone(), Arc::new(canary), Arc::clone(executor));
    let prove = Arc::clone(&executor);
    let ask_log = move || {
        let (client, canary, executor) = (client.clone(), Arc::clone(&canary), Arc::clone(&prove));
        async move {
            if client.connection_state() != ConnectionState::Connected {
                return Err("NATS cannot be reached".to_owned());
            }
            executor.require_durable().await.map_err(|fault| fault.to_string())?;
            canary.sing().await
        }
    };
    let ask_vault = move || {
        let executor = Arc::clone(&executor);
        async move { executor.require_vault().await.map_err(|fault| fault.to_string()) }
    };
    vec![Check::new("log", ask_log), Check::new("vault", ask_vault)]
}
