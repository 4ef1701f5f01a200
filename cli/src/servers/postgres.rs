//! A private Postgres: its own cluster, on loopback only, under an unprivileged account.

mod cluster;
mod find;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::account::Account;
use super::guarded::{Guarded, Program};
use super::home::private_home;
use super::{Tools, external, port};
use crate::guard::StopSignal;

/// The superuser of the cluster.
const ADMIN: &str = "keepsake";
const READY_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// How often a port that was free a moment ago may turn out to be taken.
const PORT_ATTEMPTS: usize = 5;

#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Holds the cluster, and its log in `logs`, unless we are root and the account of Postgres cannot get there: then the
    /// cluster lies below `/var/tmp`, see [`Postgres::data_dir`].
    pub dir: PathBuf,
    /// A free port when absent.
    pub port: Option<u16>,
    /// Of the superuser; a cluster that exists keeps the one it was made with. Letters and digits only.
    pub password: String,
    /// Settings of postgresql.conf that this run overrides.
    pub settings: Vec<(String, String)>,
    /// Whether a new cluster is on disk before it is used; only tests can do without.
    pub sync_new_cluster: bool,
}

impl PostgresOptions {
    /// Durable, on a free port, with the memory a million guests need; Postgres takes it as it is used.
    pub fn new(dir: PathBuf, password: String) -> Self {
        let memory = [("shared_buffers", "1GB"), ("max_wal_size", "4GB")];
        let settings = memory.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { dir, port: None, password, settings, sync_new_cluster: true }
    }

    /// Fast and forgetful, for tests that kill processes but never the machine.
    pub fn for_tests(dir: PathBuf, password: String) -> Self {
        let off = ["fsync", "synchronous_commit", "full_page_writes"];
        let settings = off.map(|name| (name.to_owned(), "off".to_owned())).to_vec();
        Self { settings, sync_new_cluster: false, ..Self::new(dir, password) }
    }
}

/// A running Postgres.
pub struct Postgres {
    program: Program,
    process: Guarded,
    keepsake: PathBuf,
    data: PathBuf,
    port: u16,
    admin_url: String,
    version: String,
}

impl Postgres {
    pub async fn start(tools: &Tools, options: &PostgresOptions) -> anyhow::Result<Self> {
        let account = Account::unprivileged()?;
        let home = private_home(&options.dir, account.as_ref())?.canonicalize()?;
        let data = home.join("postgres");
        let found = find::installation(tools, account.as_ref(), cluster::major(&data)).await?;
        cluster::create(tools, &found, &data, options, account.as_ref()).await?;
        let mut attempt = 1;
        loop {
            let port = port::pick(options.port, "Postgres", "--postgres-port")?;
            let admin_url = format!("postgres://{ADMIN}:{}@127.0.0.1:{port}/postgres", options.password);
            let program = program(&found.bin, &data, port, options, account.clone())?;
            match launch(&tools.keepsake, &program, &admin_url).await {
                Ok(process) => {
                    let (keepsake, version) = (tools.keepsake.clone(), found.version_text());
                    return Ok(Self { program, process, keepsake, data, port, admin_url, version });
                }
                Err(error) if attempt == PORT_ATTEMPTS || !port::was_taken(&error) => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// `postgres://keepsake:<password>@127.0.0.1:<port>/postgres`
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server's own process, not its guard's.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder of the cluster.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Ends the server as a crash would; its connections end a moment later.
    pub async fn kill_9(&mut self) {
        self.process.kill_9().await;
    }

    /// Starts it again on the same port and cluster, after `kill_9`.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process = launch(&self.keepsake, &self.program, &self.admin_url).await?;
        Ok(())
    }

    pub async fn stop(self) {
        self.process.stop(STOP_PATIENCE).await;
    }

    /// The process and how it is started again, for whoever keeps it running.
    pub fn into_parts(self) -> (Program, Guarded) {
        (self.program, self.process)
    }
}

fn program(
    bin: &Path,
    data: &Path,
    port: u16,
    options: &PostgresOptions,
    account: Option<Account>,
) -> anyhow::Result<Program> {
    let dir = options.dir.canonicalize().with_context(|| options.dir.display().to_string())?;
    let fixed = [
        ("listen_addresses", "127.0.0.1"),
        // A socket's path may be longer than the 107 bytes it can have, and nobody needs it.
        ("unix_socket_directories", ""),
        ("max_connections", "100"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let port = ("port".to_owned(), port.to_string());
    let settings = fixed.iter().chain(&options.settings).chain([&port]);
    let settings = settings.flat_map(|(name, value)| ["-c".into(), format!("{name}={value}").into()]);
    Ok(Program {
        name: "postgres".to_owned(),
        executable: bin.join("postgres"),
        arguments: ["-D".into(), data.into()].into_iter().chain(settings).collect(),
        environment: Vec::new(),
        log: dir.join("logs/postgres.log"),
        lock: dir.join("locks/postgres.lock"),
        account,
        stop_signal: StopSignal::Int,
        grace: STOP_PATIENCE,
    })
}

async fn launch(keepsake: &Path, program: &Program, admin_url: &str) -> anyhow::Result<Guarded> {
    let mut process = Guarded::start(keepsake, program).await?;
    process.until_ready(READY_TIMEOUT, async || external::answers(admin_url).await).await?;
    anyhow::ensure!(
        external::admits(admin_url).await,
        "the Postgres data here was made with another password than the one kept in secrets: \
         bring that file back, or drop the data with `make reset`"
    );
    Ok(process)
}
