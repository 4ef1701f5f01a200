//! Rows out to callers: the one HTTP origin. It answers reads from the read models and passes everything else on.

mod answer;
mod config;
mod error;
mod freshness;
mod guest_list;
mod guest_path;
mod instant;
mod page;
mod parameters;
mod pass_through;
mod position;
mod read;
mod resources;

use std::sync::Arc;

use anyhow::Context as _;
use runtime::Running;
use runtime::auth::Gatekeeper;
use runtime::health::{self, Check};
use runtime::serve::{bind, serve};
use tokio_util::sync::CancellationToken;
use vault::Vault;
use vault::audit::Trail;

pub use config::Config;
pub use pass_through::{CommandUrl, InvalidCommandUrl};

use page::Cursors;
use pass_through::CommandService;
use read::Reader;

/// What every handler works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    reader: Reader,
    cursors: Cursors,
    commands: CommandService,
}

/// Starts the service; it listens when this returns, whether or not its databases answer yet.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let stop = CancellationToken::new();
    let vault = Vault::connect(&config.vault_url, &config.key_file).context("the vault cannot be used")?;
    let gatekeeper = Gatekeeper::new(&config.auth, Arc::new(vault.clone()), config.limits)?;
    let connections = config.database_connections.get();
    let pool = schema::pool(&config.database_url, connections).context("the read database cannot be used")?;
    let audit = Trail::new(vault.clone());
    let service = Service {
        cursors: Cursors::new(&vault.derive(page::KEY_PURPOSE)),
        reader: Reader::new(pool, vault, audit.clone(), gatekeeper.limits(), stop.clone()),
        commands: CommandService::new(config.command_url),
    };
    let listener = bind(config.http_address).await?;
    let mut running = Running::new(listener.local_addr()?, stop.clone());
    let router = resources::router(&gatekeeper).with_state(service.clone());
    let router = router.merge(health::router(checks(&service), stop.clone()));
    // What is shown while the service stops is recorded, too.
    let answered = CancellationToken::new();
    let all_answered = answered.clone().drop_guard();
    running.spawn(async move {
        let _until_then = all_answered;
        serve(listener, router, stop).await
    });
    running.spawn(async move { Ok(audit.store(answered).await?) });
    running.spawn(service.reader.follow());
    Ok(running)
}

fn checks(service: &Service) -> Vec<Check> {
    let (postgres, vault, commands) = (service.reader.clone(), service.reader.clone(), service.commands.clone());
    vec![
        Check::new("postgres", move || {
            let reader = postgres.clone();
            async move { reader.ping().await.map_err(|fault| fault.to_string()) }
        }),
        Check::new("vault", move || {
            let reader = vault.clone();
            async move { reader.ping_vault().await.map_err(|fault| fault.to_string()) }
        }),
        Check::new("command_service", move || {
            let commands = commands.clone();
            async move { commands.ping().await }
        }),
    ]
}
