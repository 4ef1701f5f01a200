//! The start, step by step: NATS, Postgres, the databases, the three services.

use std::env;
use std::path::PathBuf;

use event_log::NatsAddress;
use runtime::config::Secret;

use super::databases::DatabaseUrl;
use super::endpoints::{DEMO_TENANT, TOKEN_SECONDS};
use super::services::{Service, Surroundings};
use super::stack::Stack;
use super::{Console, Endpoints, MigrateOptions, RunFolder, UpArgs, secrets};
use crate::dev_issuer::{DevIssuer, Grant};
use crate::nats_users::UsersFolder;
use crate::rebuild;
use crate::servers::{Nats, NatsOptions, Postgres, PostgresOptions, Tools, external, own_executable, port};

/// The port newcomers read in the documentation.
const DEFAULT_PORT: u16 = 8003;

pub(super) async fn everything(
    args: &UpArgs,
    folder: &RunFolder,
    console: &Console,
    stack: &mut Stack,
    migrate: impl AsyncFn(MigrateOptions) -> anyhow::Result<()>,
) -> anyhow::Result<Endpoints> {
    let tools = Tools { keepsake: own_executable()?, cache: folder.servers(), say: console.say() };
    let query_port = query_port(args, console)?;
    let (nats, nats_monitor_url) = nats(args, folder, console, &tools, stack).await?;
    let (admin_url, database) = postgres(args, folder, console, &tools, stack).await?;
    let databases = MigrateOptions::new(folder, &admin_url, &nats, database.as_deref())?;
    let step = console.step("preparing the databases and the log");
    migrate(databases.clone()).await?;
    step.done("databases and log are ready");
    let issuer_dir = folder.path().join("issuer");
    let issuer = DevIssuer::open(&issuer_dir)?;
    let around = Surroundings {
        folder,
        databases: &databases,
        nats: &nats,
        nats_monitor_url: nats_monitor_url.as_deref(),
        kek_file: secrets::kek_file(&folder.secrets())?,
        issuers_file: issuer.issuers_file(),
    };
    let command_url = serve(&Service::command_service(&around)?, &around, console, stack).await?;
    let workers_url = serve(&Service::projection_workers(&around)?, &around, console, stack).await?;
    take_over(&databases, &nats, console).await?;
    let query = Service::query_service(&around, query_port, &command_url)?;
    let query_url = serve(&query, &around, console, stack).await?;
    Ok(Endpoints {
        url: query_url.clone(),
        command_url,
        query_url,
        workers_url,
        database_url: databases.read_models_url()?,
        worker_database_url: databases.login_url("keepsake_writer_login")?,
        worker_vault_url: databases.login_url("keepsake_vault_opener_login")?,
        kek_file: around.kek_file,
        nats,
        nats_monitor_url,
        tenant: DEMO_TENANT.to_owned(),
        token: issuer.token(&Grant::admin(DEMO_TENANT, TOKEN_SECONDS)),
        issuer_dir,
    })
}

/// An earlier version made some of the read models: its workers are gone, so this one's take their place before anybody reads.
async fn take_over(databases: &MigrateOptions, nats: &NatsAddress, console: &Console) -> anyhow::Result<()> {
    let (admin, writer) = (databases.read_models_url()?, databases.login_url("keepsake_writer_login")?);
    let outdated = rebuild::outdated(&Secret::new(writer.clone())).await?;
    for projection in outdated {
        let step = console.step(&format!("folding {projection} anew: another version made it"));
        rebuild::take_over(&Secret::new(admin.clone()), &Secret::new(writer.clone()), nats, &projection).await?;
        step.done(&format!("{projection} is folded anew"));
    }
    Ok(())
}

/// Where it is, and the monitoring URL.
async fn nats(
    args: &UpArgs,
    folder: &RunFolder,
    console: &Console,
    tools: &Tools,
    stack: &mut Stack,
) -> anyhow::Result<(NatsAddress, Option<String>)> {
    if let Ok(url) = env::var("NATS_URL") {
        let step = console.step("asking the NATS server of NATS_URL");
        let users = env::var_os("KEEPSAKE_NATS_USERS").map(PathBuf::from);
        let nats = NatsAddress { users, ..NatsAddress::open(url) };
        step.done(&format!("nats-server {} of NATS_URL", external::nats_version(&nats).await?));
        return Ok((nats, env::var("NATS_MONITOR_URL").ok()));
    }
    let step = console.step("starting nats-server");
    let (client_port, monitor_port) = (args.nats_port, args.nats_monitor_port);
    let users = UsersFolder::at(&folder.nats_users());
    users.make()?;
    users.write_config(&users.config())?;
    let options = NatsOptions::new(folder.path().to_owned());
    let options = NatsOptions { client_port, monitor_port, users: Some(users.config()), ..options };
    let nats = Nats::start(tools, &options).await?;
    let address = NatsAddress { users: Some(folder.nats_users()), ..NatsAddress::open(nats.url()) };
    let monitor_url = nats.monitor_url();
    step.done(&format!("nats-server {} at {}", nats.version(), address.url));
    stack.keep(&tools.keepsake, nats.into_parts());
    Ok((address, Some(monitor_url)))
}

/// The superuser's URL, and the database when it is somebody else's.
async fn postgres(
    args: &UpArgs,
    folder: &RunFolder,
    console: &Console,
    tools: &Tools,
    stack: &mut Stack,
) -> anyhow::Result<(String, Option<String>)> {
    if let Ok(url) = env::var("DATABASE_URL") {
        let step = console.step("asking the Postgres of DATABASE_URL");
        let database = DatabaseUrl::parse(&url)?.database.to_owned();
        step.done(&format!("Postgres {} of DATABASE_URL", external::postgres_version(&url).await?));
        return Ok((url, Some(database)));
    }
    let step = console.step("starting Postgres");
    let password = secrets::password(&folder.secrets(), "postgres")?;
    let options =
        PostgresOptions { port: args.postgres_port, ..PostgresOptions::new(folder.path().to_owned(), password) };
    let postgres = Postgres::start(tools, &options).await?;
    step.done(&format!("Postgres {} at 127.0.0.1:{}", postgres.version(), postgres.port()));
    let url = postgres.admin_url().to_owned();
    stack.keep(&tools.keepsake, postgres.into_parts());
    Ok((url, None))
}

async fn serve(
    service: &Service,
    around: &Surroundings<'_>,
    console: &Console,
    stack: &mut Stack,
) -> anyhow::Result<String> {
    let step = console.step(&format!("starting {}", service.name));
    let started = service.start(around).await?;
    step.done(&format!("{} at {}", service.name, service.url()));
    stack.keep(&own_executable()?, started);
    Ok(service.url())
}

/// A port that was asked for must be free; the usual one gives way.
fn query_port(args: &UpArgs, console: &Console) -> anyhow::Result<u16> {
    if args.http_port.is_some() {
        return port::pick(args.http_port, "the one origin", "--http-port");
    }
    let port = port::next_free(DEFAULT_PORT)?;
    if port != DEFAULT_PORT {
        console.note(&format!("port {DEFAULT_PORT} is taken by another program, using {port}"));
    }
    Ok(port)
}
