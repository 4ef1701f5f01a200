//! The system a reader has started: `keepsake up` as a process, in a run folder of its own.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use event_log::{NatsAddress, User, stream};
use keepsake_cli::servers::{Nats, NatsOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::http_client::HttpClient;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use keepsake_tests::harness::services::free_port;
use keepsake_tests::harness::{eventually, keepsake, postgres, repository, tools};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// What would make `up` use the servers of whoever runs the tests.
const SERVERS_OF_OTHERS: [&str; 5] =
    ["NATS_URL", "KEEPSAKE_NATS_USERS", "NATS_MONITOR_URL", "NATS_CREDS", "DATABASE_URL"];

pub(super) struct System {
    process: Child,
    folder: TempDir,
    url: String,
    nats: async_nats::Client,
    http: HttpClient,
}

impl System {
    /// Starts it and waits until it says that everything answers.
    pub(super) async fn start() -> Self {
        fetch_servers().await;
        // Open to the account that Postgres runs under, so that all data is in it.
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().expect("a folder");
        symlink(repository().join(".run/servers"), folder.path().join("servers")).expect("a link");
        let (port, log) = (free_port(), folder.path().join("up.log"));
        let mut process = up(&folder, port, &log);
        let (env_file, said) = (folder.path().join("env"), || std::fs::read_to_string(&log));
        eventually("`keepsake up` is ready", async || {
            let ended = process.try_wait().expect("our child");
            assert!(ended.is_none(), "`keepsake up` {ended:?}: {:?}", said());
            env_file.exists().then_some(())
        })
        .await;
        let env = std::fs::read_to_string(&env_file).expect("written at once");
        let users = Some(variable(&env, "KEEPSAKE_NATS_USERS").into());
        let nats = NatsAddress { users, ..NatsAddress::open(variable(&env, "NATS_URL")) };
        let nats = event_log::connect(&nats, User::Operator, "test").await.expect("connects");
        let http = HttpClient::new(REQUEST_TIMEOUT);
        Self { process, folder, url: format!("http://127.0.0.1:{port}"), nats, http }
    }

    pub(super) fn env_file(&self) -> PathBuf {
        self.folder.path().join("env")
    }

    fn bearer(&self) -> String {
        let env = std::fs::read_to_string(self.env_file()).expect("it is there while everything runs");
        format!("Bearer {}", variable(&env, "KEEPSAKE_TOKEN"))
    }

    /// What the demo would do first.
    pub(super) async fn provision(&self, tenant: &str) {
        let bearer = self.bearer();
        let whose = [("Authorization", bearer.as_str()), ("X-Tenant-ID", tenant)];
        let headers = [&whose[..], &[("Content-Type", "application/json")]].concat();
        let url = format!("{}/api/v1/tenants", self.url);
        let answer = self.http.send(Method::POST, &url, &headers, r#"{"name":"Demo shop"}"#.into()).await;
        assert_eq!(answer.expect("an answer").status, StatusCode::CREATED);
        self.read_models_catch_up().await;
    }

    /// Waits until the read models have seen everything that is in the log.
    pub(super) async fn read_models_catch_up(&self) {
        let end = stream::info(&self.nats).await.expect("the log").last_position;
        let (token, bearer) = (proto::token::write(end), self.bearer());
        for path in ["/users/nobody", "/guests/nobody/interactions", "/topics/nothing/summary"] {
            let whose = [("Authorization", bearer.as_str()), ("X-Tenant-ID", "demo")];
            let (url, headers) = (format!("{}{path}", self.url), [&whose[..], &[("X-Min-Position", &token)]].concat());
            eventually("the read models have caught up", async || {
                let answer = self.http.get(&url, &headers).await.ok()?;
                // Nobody is called that, which a read model says only once it has come so far.
                (answer.status == StatusCode::NOT_FOUND).then_some(())
            })
            .await;
        }
    }

    /// Asks it to end, as `keepsake stop` does; nothing is left running.
    pub(super) async fn ends_when_asked(mut self) {
        let pid = self.process.id().expect("it runs").cast_signed();
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours");
        let status = tokio::time::timeout(STOP_TIMEOUT, self.process.wait()).await.expect("ends in time");
        assert_eq!(status.expect("our child").code(), Some(0));
        assert!(!self.env_file().exists(), "the env file is there exactly while everything runs");
    }
}

fn up(folder: &TempDir, port: u16, log: &Path) -> Child {
    let log = std::fs::File::create(log).expect("a log");
    let mut command = Command::new(keepsake());
    command.args(["up", "--no-demo", "--http-port", &port.to_string()]).arg("--run-dir").arg(folder.path());
    // Also when this process is killed.
    command.args(["--with-parent", &std::process::id().to_string()]).kill_on_drop(true);
    for variable in SERVERS_OF_OTHERS {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("starts")
}

/// On a fresh machine this takes minutes, which the wait for `up` does not have.
async fn fetch_servers() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(&tools(), &NatsOptions::new(folder.path().to_owned())).await.expect("nats-server starts");
    let _postgres = postgres::fresh().await;
    nats.stop().await;
}

/// The value of `export NAME='value'`.
fn variable(env: &str, name: &str) -> String {
    let start = format!("export {name}='");
    let line = env.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('\''));
    line.expect("the env file has it").to_owned()
}
