//! `keepsake migrate`: the stream, both databases, the roles and their logins. The one step that needs an administrator.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use event_log::stream::{self, StreamOptions};
use event_log::{User, intake, published};
use runtime::config::Secret;
use schema::Migrated;
use tokio_postgres::{Client, Config, NoTls};

use crate::nats_args::NatsArgs;
use crate::nats_users::{Known, UsersFolder};
use crate::servers::disk;
use crate::up::MigrateOptions;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// 64 GiB: below the disk of a small server; `--log-max-bytes` says otherwise.
const DEFAULT_LOG_BYTES: i64 = 64 << 30;

/// 4 GiB of commands that wait.
const DEFAULT_INTAKE_BYTES: i64 = 4 << 30;
/// 4 GiB of published events: some ten million.
const DEFAULT_PUBLISHED_BYTES: i64 = 4 << 30;

/// Makes the log's stream, the databases, and the logins that the services' own URLs name; repeatable.
#[derive(Args, Clone, Debug)]
pub struct MigrateArgs {
    /// Postgres as an administrator: may create databases and roles
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The read models, as projection-workers connects to them
    #[arg(long, env = "KEEPSAKE_WRITER_URL", hide_env_values = true)]
    pub writer_url: Secret,
    /// The read models, as query-service connects to them
    #[arg(long, env = "KEEPSAKE_READER_URL", hide_env_values = true)]
    pub reader_url: Secret,
    /// The read models, as command-service connects to them: for the command log alone
    #[arg(long, env = "KEEPSAKE_COMMAND_READER_URL", hide_env_values = true)]
    pub command_reader_url: Secret,
    /// The vault, as command-service connects to it
    #[arg(long, env = "KEEPSAKE_VAULT_KEEPER_URL", hide_env_values = true)]
    pub vault_keeper_url: Secret,
    /// The vault, as projection-workers connects to it
    #[arg(long, env = "KEEPSAKE_VAULT_OPENER_URL", hide_env_values = true)]
    pub vault_opener_url: Secret,
    /// The vault, as query-service connects to it
    #[arg(long, env = "KEEPSAKE_VAULT_LOOKUP_URL", hide_env_values = true)]
    pub vault_lookup_url: Secret,
    /// Copies of the log: 1 for one server, 3 for a cluster
    #[arg(long, env = "KEEPSAKE_LOG_REPLICAS", default_value_t = 1)]
    pub log_replicas: usize,
    /// Size at which the log takes no more; below what its disk holds
    #[arg(long, env = "KEEPSAKE_LOG_MAX_BYTES", default_value_t = DEFAULT_LOG_BYTES)]
    pub log_max_bytes: i64,
    /// Size at which the durable intake takes no more; dead letters and verdicts may each have a quarter of it beside it
    #[arg(long, env = "KEEPSAKE_INTAKE_MAX_BYTES", default_value_t = DEFAULT_INTAKE_BYTES)]
    pub intake_max_bytes: i64,
    /// Size at which the oldest published events make room, even before their week is over
    #[arg(long, env = "KEEPSAKE_PUBLISHED_MAX_BYTES", default_value_t = DEFAULT_PUBLISHED_BYTES)]
    pub published_max_bytes: i64,
}

/// Of what is free when the log is made; the read models and the servers' own files need the rest.
const LOG_SHARE_PERCENT: u64 = 70;
/// The intake is empty but for a backlog.
const INTAKE_SHARE_PERCENT: u64 = 5;
const PUBLISHED_SHARE_PERCENT: u64 = 5;

impl MigrateArgs {
    /// For servers of our own, whose log lies on the disk of `folder`.
    pub fn on_disk_of(folder: &Path, options: MigrateOptions) -> anyhow::Result<Self> {
        let free_percent = disk::free_bytes(folder)? / 100;
        let login = |name| options.login_url(name).map(Secret::new);
        Ok(Self {
            writer_url: login("keepsake_writer_login")?,
            reader_url: login("keepsake_reader_login")?,
            command_reader_url: login("keepsake_command_reader_login")?,
            vault_keeper_url: login("keepsake_vault_keeper_login")?,
            vault_opener_url: login("keepsake_vault_opener_login")?,
            vault_lookup_url: login("keepsake_vault_lookup_login")?,
            database_url: Secret::new(options.admin_url),
            nats: options.nats.into(),
            log_replicas: 1,
            log_max_bytes: i64::try_from(free_percent * LOG_SHARE_PERCENT)?,
            intake_max_bytes: i64::try_from(free_percent * INTAKE_SHARE_PERCENT)?.min(DEFAULT_INTAKE_BYTES),
            published_max_bytes: i64::try_from(free_percent * PUBLISHED_SHARE_PERCENT)?.min(DEFAULT_PUBLISHED_BYTES),
        })
    }
}

/// `keepsake migrate`.
pub async fn command(args: &MigrateArgs) -> anyhow::Result<()> {
    tell(&run(args).await?);
    Ok(())
}

/// Prepares everything; what is left for somebody to do is in the answer.
pub async fn run(args: &MigrateArgs) -> anyhow::Result<Migrated> {
    let writer = login(&args.writer_url, "KEEPSAKE_WRITER_URL")?;
    let keeper = login(&args.vault_keeper_url, "KEEPSAKE_VAULT_KEEPER_URL")?;
    let admin = connect(&args.database_url, None).await?;
    for database in [&writer.database, &keeper.database] {
        schema::create_database(&admin, database).await?;
    }
    let mut read_models = connect(&args.database_url, Some(&writer.database)).await?;
    let migrated = schema::migrate(&mut read_models, projection_workers::versions()).await?;
    let mut vault = connect(&args.database_url, Some(&keeper.database)).await?;
    vault::migrate(&mut vault).await.context("the vault cannot be migrated")?;
    for (login, group) in [
        (writer, schema::Role::Writer.name()),
        (login(&args.reader_url, "KEEPSAKE_READER_URL")?, schema::Role::Reader.name()),
        (login(&args.command_reader_url, "KEEPSAKE_COMMAND_READER_URL")?, schema::Role::CommandReader.name()),
        (keeper, vault::Role::Keeper.name()),
        (login(&args.vault_opener_url, "KEEPSAKE_VAULT_OPENER_URL")?, vault::Role::Opener.name()),
        (login(&args.vault_lookup_url, "KEEPSAKE_VAULT_LOOKUP_URL")?, vault::Role::Lookup.name()),
    ] {
        schema::grant_login(&admin, &login.user, &login.password, group).await?;
    }
    let log = event_log::connect(&args.nats.address(), User::Migrate, "keepsake migrate").await?;
    let options = StreamOptions { replicas: args.log_replicas, max_bytes: args.log_max_bytes };
    stream::ensure(&log, options).await?;
    intake::ensure(&log, StreamOptions { max_bytes: args.intake_max_bytes, ..options }).await?;
    published::ensure(&log, StreamOptions { max_bytes: args.published_max_bytes, ..options }).await?;
    if let Some(folder) = &args.nats.nats_users {
        for Known { caller, .. } in UsersFolder::at(folder).callers()? {
            published::ensure_consumer(&log, &caller).await?;
        }
    }
    Ok(migrated)
}

/// Of what somebody has to go on with.
fn tell(migrated: &Migrated) {
    for begun in &migrated.begun {
        anstream::eprintln!(
            "{begun} is another version here: its workers fold a new generation of it, beside the one that is read; \
             `keepsake rebuild {begun}` compares them and switches"
        );
    }
    for unknown in &migrated.unknown {
        anstream::eprintln!("{unknown} is no read model of this version: `keepsake rebuild {unknown} drop` drops it");
    }
}

/// What a service's URL says of the login it uses.
struct Login {
    user: String,
    password: String,
    database: String,
}

fn login(url: &Secret, name: &str) -> anyhow::Result<Login> {
    let config = Config::from_str(url.expose()).with_context(|| format!("{name} is not a Postgres URL"))?;
    let incomplete =
        || format!("{name} must name a user, a password and a database: postgres://user:password@host/database");
    Ok(Login {
        user: config.get_user().with_context(incomplete)?.to_owned(),
        password: String::from_utf8(config.get_password().with_context(incomplete)?.to_vec())?,
        database: config.get_dbname().with_context(incomplete)?.to_owned(),
    })
}

/// A connection as the administrator, to another database of the same server when one is named.
pub(crate) async fn connect(url: &Secret, database: Option<&str>) -> anyhow::Result<Client> {
    let mut config = Config::from_str(url.expose()).context("DATABASE_URL is not a Postgres URL")?;
    config.connect_timeout(CONNECT_TIMEOUT).application_name("keepsake");
    if let Some(database) = database {
        config.dbname(database);
    }
    let (client, connection) = config.connect(NoTls).await.context("Postgres cannot be reached: see DATABASE_URL")?;
    // Ends by itself when the client is dropped; a fault shows at the client's next statement.
    tokio::spawn(connection);
    Ok(client)
}
