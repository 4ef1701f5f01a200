//! Rows out to callers: the one HTTP origin. It answers reads from the read models and passes everything else on.

mod answer;
mod config;
mod cors;
mod database;
mod error;
mod fields;
mod freshness;
mod guest_list;
mod guest_path;
mod instant;
mod news;
mod openapi;
mod page;
mod pages;
mod parameters;
mod pass_through;
mod position;
mod read;
mod resources;
mod streams;

use std::ops::Deref;
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
pub use cors::{CorsOrigins, InvalidCorsOrigins};
pub use pass_through::{CommandUrl, InvalidCommandUrl};

use freshness::Freshness;
use news::News;
use openapi::Contract;
use page::Cursors;
use pass_through::CommandService;
use read::Reader;
use streams::Streams;

/// What every handler works with. Cheap to clone, as it is for each request.
#[derive(Clone)]
pub(crate) struct Service(Arc<Parts>);

pub(crate) struct Parts {
    reader: Reader,
    cursors: Cursors,
    commands: CommandService,
    contract: Contract,
    gatekeeper: Gatekeeper,
    news: News,
    streams: Streams,
    /// The process is about to end: what lasts has to.
    stop: CancellationToken,
}

impl Deref for Service {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Starts the service; it listens when this returns, whether or not its databases answer yet.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let stop = CancellationToken::new();
    let vault = Vault::connect(&config.vault_url, &config.key_file).context("the vault cannot be used")?;
    let gatekeeper = Gatekeeper::new(&config.auth, Arc::new(vault.clone()), config.limits)?;
    let connections = config.database_connections.get();
    let pool =
        schema::pool_of_readers(&config.database_url, connections).context("the read database cannot be used")?;
    let audit = Trail::new(vault.clone());
    let news = News::new(config.primary_url != config.database_url);
    let (router, described) = resources::router(&gatekeeper, config.cors_origins);
    let commands = CommandService::new(config.command_url);
    let service = Service(Arc::new(Parts {
        cursors: Cursors::new(&vault.derive(page::KEY_PURPOSE)),
        reader: Reader::new(
            pool,
            vault,
            audit.clone(),
            gatekeeper.limits(),
            Freshness::new(news.clone(), stop.clone()),
        ),
        contract: Contract::new(described, commands.clone()),
        commands,
        gatekeeper: gatekeeper.clone(),
        news: news.clone(),
        streams: Streams::new(config.live_streams),
        stop: stop.clone(),
    }));
    let listener = bind(config.http_address).await?;
    let mut running = Running::new(listener.local_addr()?, stop.clone());
    let router = router.with_state(service.clone());
    let ending = running.ending();
    let router = router.merge(health::router(checks(&service), ending.announced.clone()));
    // What is shown while the service stops is recorded, too.
    let answered = CancellationToken::new();
    let all_answered = answered.clone().drop_guard();
    running.spawn(async move {
        let _until_then = all_answered;
        serve(listener, router, ending).await
    });
    running.spawn(async move { Ok(audit.store(answered).await?) });
    running.spawn(news.follow(config.primary_url, stop));
    running.spawn(service.reader.clone().follow());
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
