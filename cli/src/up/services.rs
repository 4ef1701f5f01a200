//! The three services: which program, which environment, when it is ready.

use std::path::PathBuf;
use std::time::Duration;

use event_log::NatsAddress;

use super::{MigrateOptions, RunFolder};
use crate::guard::StopSignal;
use crate::servers::{Guarded, Program, own_executable, port, probe};

const READY_TIMEOUT: Duration = Duration::from_mins(1);
/// Longer than a service drains for.
const GRACE: Duration = Duration::from_secs(9);
const HOST: &str = "127.0.0.1";

/// What all services have in common.
pub(super) struct Surroundings<'a> {
    pub(super) folder: &'a RunFolder,
    pub(super) databases: &'a MigrateOptions,
    pub(super) nats: &'a NatsAddress,
    pub(super) nats_monitor_url: Option<&'a str>,
    pub(super) kek_file: PathBuf,
    /// Whose tokens are taken.
    pub(super) issuers_file: PathBuf,
}

/// One service: its name is its subcommand of `serve`, its log and its lock alike.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Service {
    pub(super) fn command_service(around: &Surroundings<'_>) -> anyhow::Result<Self> {
        let database = around.databases.login_url("keepsake_command_reader_login")?;
        let vault = around.databases.login_url("keepsake_vault_keeper_login")?;
        let environment = vec![("KEEPSAKE_DATABASE_URL", database), ("KEEPSAKE_VAULT_URL", vault)];
        Ok(Self { name: "command-service", port: free_port()?, environment })
    }

    pub(super) fn projection_workers(around: &Surroundings<'_>) -> anyhow::Result<Self> {
        let database = around.databases.login_url("keepsake_writer_login")?;
        let vault = around.databases.login_url("keepsake_vault_opener_login")?;
        let environment = vec![("KEEPSAKE_DATABASE_URL", database), ("KEEPSAKE_VAULT_URL", vault)];
        Ok(Self { name: "projection-workers", port: free_port()?, environment })
    }

    pub(super) fn query_service(around: &Surroundings<'_>, port: u16, command_url: &str) -> anyhow::Result<Self> {
        let database = around.databases.login_url("keepsake_reader_login")?;
        let vault = around.databases.login_url("keepsake_vault_lookup_login")?;
        let command = ("KEEPSAKE_COMMAND_URL", command_url.to_owned());
        let environment = vec![("KEEPSAKE_DATABASE_URL", database), ("KEEPSAKE_VAULT_URL", vault), command];
        Ok(Self { name: "query-service", port, environment })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{HOST}:{}", self.port)
    }

    /// Starts the service and waits until it and all it needs are ready.
    pub(super) async fn start(&self, around: &Surroundings<'_>) -> anyhow::Result<(Program, Guarded)> {
        let program = self.program(around)?;
        let mut process = Guarded::start(&own_executable()?, &program).await?;
        let health = format!("{}/healthz/ready", self.url());
        let outcome = process.until_ready(READY_TIMEOUT, async || probe::is_ok(&health).await).await;
        match outcome {
            Ok(()) => Ok((program, process)),
            Err(error) => match probe::body(&health).await {
                Some(said) => Err(error.context(format!("{} says {said}", self.name))),
                None => Err(error),
            },
        }
    }

    fn program(&self, around: &Surroundings<'_>) -> anyhow::Result<Program> {
        Ok(Program {
            name: self.name.to_owned(),
            executable: own_executable()?,
            arguments: vec!["serve".into(), self.name.into()],
            environment: self.whole_environment(around),
            log: around.folder.log(self.name),
            lock: around.folder.lock(self.name),
            account: None,
            stop_signal: StopSignal::Term,
            grace: GRACE,
        })
    }

    fn whole_environment(&self, around: &Surroundings<'_>) -> Vec<(String, String)> {
        let common = [
            ("NATS_URL", around.nats.url.clone()),
            ("KEEPSAKE_HTTP_ADDR", format!("{HOST}:{}", self.port)),
            ("KEEPSAKE_KEK_FILE", around.kek_file.display().to_string()),
            ("KEEPSAKE_ISSUERS_FILE", around.issuers_file.display().to_string()),
            // Nothing stands before them that would have to hear of it.
            ("KEEPSAKE_SHUTDOWN_NOTICE_MS", "0".to_owned()),
            // Log files are read with any tool; colours are for terminals.
            ("NO_COLOR", "1".to_owned()),
        ];
        let monitor = around.nats_monitor_url.map(|url| ("NATS_MONITOR_URL", url.to_owned()));
        let users = around.nats.users.as_ref().map(|users| ("KEEPSAKE_NATS_USERS", users.display().to_string()));
        let all = common.into_iter().chain(monitor).chain(users).chain(self.environment.iter().cloned());
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn free_port() -> anyhow::Result<u16> {
    port::pick(None, "a service", "")
}
