//! What stands in for the containers' network and volumes: loopback servers, free ports, one folder.

use std::path::Path;
use std::process::Stdio;

use keepsake_cli::dev_issuer::{DevIssuer, Grant};
use keepsake_cli::servers::{Nats, NatsOptions};
use tempfile::TempDir;
use tokio::process::Command;

use super::container::Container;
use super::file::ComposeFile;
use keepsake_tests::harness::services::free_port;
use keepsake_tests::harness::{keepsake, postgres, tools};

const KEY_FOLDER: &str = "/var/lib/keepsake";
const LOG_FOLDER: &str = "/data";
/// Longer than the test.
const TOKEN_SECONDS: i64 = 3_600;
const USERS_FOLDER: &str = "/var/lib/nats-users";
/// In nats-server's container, where the volume of the users is mounted beside the configuration.
const INCLUDED: &str = "include users/users.conf";
const RUN: &str = "docker compose run --rm ";

pub(super) struct Machine {
    pub(super) file: ComposeFile,
    /// Running, as long as this is there.
    servers: Vec<Nats>,
    folder: TempDir,
    /// What the file says, and what it is here; replaced in this order.
    stand_ins: Vec<(String, String)>,
}

impl Machine {
    pub(super) async fn start(file: ComposeFile) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for process in ["all", "server", "command-service", "projection-workers", "migrate", "operator"] {
            std::fs::create_dir(folder.path().join(process)).expect("a volume");
        }
        let ports = [free_port(), free_port()];
        let stand_ins = stand_ins(&file, ports, &postgres::fresh().await.admin, folder.path());
        let mut machine = Self { file, servers: Vec::new(), folder, stand_ins };
        // nats-server includes what this step makes.
        machine.run("nats-users", &machine.file.service("nats-users").command).await;
        machine.servers.push(nats(&machine.file, machine.folder.path(), ports).await);
        machine
    }

    pub(super) fn key(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("kek")).expect("the key is there")
    }

    /// `Authorization` by the issuer that the file makes.
    pub(super) fn bearer(&self, tenant: &str) -> String {
        let issuer = DevIssuer::open(&self.folder.path().join("issuer")).expect("the issuer is there");
        format!("Bearer {}", issuer.token(&Grant::admin(tenant, TOKEN_SECONDS)))
    }

    /// The address that the file publishes.
    pub(super) fn origin(&self) -> String {
        self.here(&format!("http://127.0.0.1:{}", self.file.service("query-service").published_port()))
    }

    /// A command in a service's container: its environment, no other, and the programs of the image on `PATH`.
    pub(super) fn command(&self, service: &str, words: &[String]) -> Command {
        let programs = keepsake().parent().expect("target/<profile>").to_owned();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&inherited)));
        let mut command = Command::new(&words[0]);
        command.args(words[1..].iter().map(|word| self.here(word)));
        command.env_clear().env("PATH", path.expect("no colons"));
        command.envs(self.file.service(service).environment.iter().map(|(name, value)| (name, self.here(value))));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command in a service's container; it must succeed.
    pub(super) async fn run(&self, service: &str, words: &[String]) {
        let output = self.command(service, words).output().await.expect("starts");
        assert!(output.status.success(), "{service}: {words:?}: {output:?}");
    }

    /// Runs what the file's head tells a reader to type once everything runs.
    pub(super) async fn run_commands_of_the_head(&self) {
        let commands = self.file.told_to_type(RUN);
        assert!(!commands.is_empty(), "the head of the file says how to provision a tenant");
        for command in commands {
            let (service, line) = command.split_once(' ').expect("service and command");
            self.run(service, &["sh", "-c", line].map(str::to_owned)).await;
        }
    }

    pub(super) fn start_container(&self, service: &'static str) -> Container {
        let log = self.folder.path().join(format!("{service}.log"));
        Container::start(service, self.command(service, &self.file.service(service).command), log, &self.file)
    }

    fn here(&self, text: &str) -> String {
        self.stand_ins.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }
}

/// A server with the file's own settings, but on loopback and in the test's folder.
async fn nats(file: &ComposeFile, folder: &Path, [client, monitor]: [u16; 2]) -> Nats {
    let mut config = file.config("nats").to_owned();
    assert!(config.contains("sync_interval: always"), "an acknowledged commit is on the disk");
    let data = folder.join("data");
    for (there, here) in [
        ("listen: 0.0.0.0:4222", format!("listen: \"127.0.0.1:{client}\"")),
        ("http: 0.0.0.0:8222", format!("http: \"127.0.0.1:{monitor}\"")),
        (&format!("store_dir: {LOG_FOLDER}"), format!("store_dir: \"{}\"", data.display())),
        // It is included by an option below.
        (INCLUDED, String::new()),
    ] {
        assert!(config.contains(there), "{there}: not in {config}");
        config = config.replace(there, &here);
    }
    // The last of two equal settings counts, so the file's own come out on top.
    let options = NatsOptions {
        client_port: Some(client),
        monitor_port: Some(monitor),
        users: Some(folder.join("server/users.conf")),
        further_config: config,
        ..NatsOptions::new(folder.join("nats"))
    };
    let nats = Nats::start(&tools(), &options).await.expect("nats-server starts with the file's settings");
    assert!(data.join("jetstream").exists(), "the file's settings are in force");
    nats
}

/// The administrator is this run's own. Logins and databases keep the file's names: no other test uses them, and the server
/// belongs to this run alone.
fn stand_ins(file: &ComposeFile, [client, monitor]: [u16; 2], admin: &str, folder: &Path) -> Vec<(String, String)> {
    let password = &file.service("postgres").environment["POSTGRES_PASSWORD"];
    let postgres = admin.rsplit_once('@').expect("a login").1.split('/').next().expect("a host");
    let mut stand_ins = vec![
        (format!("postgres://postgres:{password}@postgres:5432/postgres"), admin.to_owned()),
        ("@postgres:5432/".to_owned(), format!("@{postgres}/")),
        ("//nats:4222".to_owned(), format!("//127.0.0.1:{client}")),
        ("//nats:8222".to_owned(), format!("//127.0.0.1:{monitor}")),
        (KEY_FOLDER.to_owned(), folder.display().to_string()),
        (USERS_FOLDER.to_owned(), folder.display().to_string()),
    ];
    for name in file.names() {
        let Some(port) = file.service(name).port() else { continue };
        let here = format!("127.0.0.1:{}", free_port());
        let there = [format!("//{name}:{port}"), format!("//127.0.0.1:{port}")];
        stand_ins.extend(there.map(|there| (there, format!("//{here}"))));
        stand_ins.push((format!("0.0.0.0:{port}"), here));
    }
    stand_ins
}
