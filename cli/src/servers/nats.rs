//! A private nats-server with JetStream, whose acknowledgements mean "on disk".

mod config;
mod find;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::guarded::{Guarded, Program};
use super::{Tools, disk, port, probe};
use crate::guard::StopSignal;

const READY_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often a port that was free a moment ago may turn out to be taken.
const PORT_ATTEMPTS: usize = 5;

#[derive(Clone, Debug)]
pub struct NatsOptions {
    /// Holds the store and the configuration in `nats`, the log in `logs`; a later start finds its streams again.
    pub dir: PathBuf,
    /// Free ports when absent.
    pub client_port: Option<u16>,
    pub monitor_port: Option<u16>,
    /// fsync before every acknowledgement; without it the server syncs every two minutes.
    pub sync_always: bool,
    /// Bytes the streams may take on disk together.
    pub max_store_bytes: u64,
    /// The file of NATS users to include; without one whoever connects may do everything.
    pub users: Option<PathBuf>,
    /// Further lines of the configuration file, as they are.
    pub further_config: String,
}

impl NatsOptions {
    /// Durable, on free ports.
    pub fn new(dir: PathBuf) -> Self {
        let (client_port, monitor_port, further_config) = (None, None, String::new());
        Self {
            dir,
            client_port,
            monitor_port,
            sync_always: true,
            max_store_bytes: 1 << 40,
            users: None,
            further_config,
        }
    }
}

/// A running nats-server.
pub struct Nats {
    program: Program,
    process: Guarded,
    keepsake: PathBuf,
    dir: PathBuf,
    client_port: u16,
    monitor_port: u16,
    version: String,
}

impl Nats {
    pub async fn start(tools: &Tools, options: &NatsOptions) -> anyhow::Result<Self> {
        let dir = prepared(&options.dir)?;
        disk::ensure_space(&dir)?;
        let (executable, version) = find::server(tools).await?;
        let mut attempt = 1;
        loop {
            let client_port = port::pick(options.client_port, "NATS", "--nats-port")?;
            let monitor_port = port::pick(options.monitor_port, "NATS monitoring", "--nats-monitor-port")?;
            config::write(&dir, options, client_port, monitor_port)?;
            config::move_store(&dir, options)?;
            let program = program(&dir, executable.clone());
            match launch(&tools.keepsake, &program, client_port, monitor_port).await {
                Ok(process) => {
                    let (keepsake, version) = (tools.keepsake.clone(), version.to_string());
                    return Ok(Self { program, process, keepsake, dir, client_port, monitor_port, version });
                }
                Err(error) if attempt == PORT_ATTEMPTS || !port::was_taken(&error) => return Err(error),
                Err(_) => attempt += 1,
            }
        }
    }

    /// `nats://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.client_port)
    }

    /// `http://127.0.0.1:<port>`
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    pub fn client_port(&self) -> u16 {
        self.client_port
    }

    pub fn monitor_port(&self) -> u16 {
        self.monitor_port
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// The server's own process, not its guard's.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder with the streams' files.
    pub fn store_dir(&self) -> PathBuf {
        config::store_dir(&self.dir)
    }

    /// Ends the server as a crash would, and waits until it is gone.
    pub async fn kill_9(&mut self) {
        self.process.kill_9().await;
    }

    /// Starts it again on the same ports and streams, after `kill_9`.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.process = launch(&self.keepsake, &self.program, self.client_port, self.monitor_port).await?;
        Ok(())
    }

    /// The same with other options; its folder and its ports stay.
    pub async fn restart_with(&mut self, options: &NatsOptions) -> anyhow::Result<()> {
        config::write(&self.dir, options, self.client_port, self.monitor_port)?;
        self.restart().await
    }

    pub async fn stop(self) {
        self.process.stop(STOP_PATIENCE).await;
    }

    /// The process and how it is started again, for whoever keeps it running.
    pub fn into_parts(self) -> (Program, Guarded) {
        (self.program, self.process)
    }
}

fn prepared(dir: &Path) -> anyhow::Result<PathBuf> {
    let message = || format!("{} cannot be created", dir.display());
    std::fs::create_dir_all(dir.join("nats")).with_context(message)?;
    dir.canonicalize().with_context(message)
}

fn program(dir: &Path, executable: PathBuf) -> Program {
    Program {
        name: "nats-server".to_owned(),
        executable,
        arguments: vec!["--config".into(), config::path(dir).into()],
        environment: Vec::new(),
        log: dir.join("logs/nats-server.log"),
        lock: dir.join("locks/nats-server.lock"),
        account: None,
        stop_signal: StopSignal::Term,
        grace: STOP_PATIENCE,
    }
}

async fn launch(keepsake: &Path, program: &Program, client_port: u16, monitor_port: u16) -> anyhow::Result<Guarded> {
    let mut process = Guarded::start(keepsake, program).await?;
    // Answers 200 only once JetStream has recovered every stream.
    let health = format!("http://127.0.0.1:{monitor_port}/healthz");
    let ready = async || probe::is_ok(&health).await && probe::accepts(client_port).await;
    process.until_ready(READY_TIMEOUT, ready).await?;
    Ok(process)
}
