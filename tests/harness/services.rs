//! The three services: inside the test's process, or as processes of their own that can be killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use keepsake_cli::servers::port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use projection_workers::policy::Policy;
use runtime::Running;
use runtime::config::Env;
use runtime::http_client::HttpClient;
use tokio::process::{Child, Command};

use super::wait::until;
use super::{World, keepsake};

/// What a service promises to end within.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Command,
    Projections,
    Query,
}

impl Service {
    pub const ALL: [Self; 3] = [Self::Command, Self::Projections, Self::Query];

    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command-service",
            Self::Projections => "projection-workers",
            Self::Query => "query-service",
        }
    }
}

/// All three, started by their libraries as their binaries would.
pub struct InProcess {
    pub command: Running,
    pub projections: Running,
    pub query: Running,
}

fn environment(world: &World, service: Service, peers: &[(&str, String)]) -> Env {
    let mut environment = world.environment(service);
    environment.insert("KEEPSAKE_HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned());
    environment.extend(peers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Env::from(environment)
}

/// One more instance of command-service.
pub async fn command(world: &World) -> Running {
    command_with(world, &[]).await
}

/// The same with further settings.
pub async fn command_with(world: &World, settings: &[(&str, String)]) -> Running {
    let config = command_service::Config::from_env(environment(world, Service::Command, settings)).expect("complete");
    command_service::start(config).await.expect("command-service starts")
}

/// One more process of projection-workers, as it were, with these policies.
pub async fn workers_with(world: &World, policies: &[&'static dyn Policy]) -> Running {
    let config = projection_workers::Config::from_env(environment(world, Service::Projections, &[])).expect("complete");
    projection_workers::start_with(config, policies).await.expect("projection-workers starts")
}

/// One more instance of query-service with these settings, `KEEPSAKE_COMMAND_URL` among them.
pub async fn query_with(world: &World, settings: &[(&str, String)]) -> Running {
    let config = query_service::Config::from_env(environment(world, Service::Query, settings)).expect("complete");
    query_service::start(config).await.expect("query-service starts")
}

impl InProcess {
    pub async fn start(world: &World) -> Self {
        let command = command(world).await;
        let config = projection_workers::Config::from_env(environment(world, Service::Projections, &[]));
        let projections =
            projection_workers::start(config.expect("complete")).await.expect("projection-workers starts");
        let query = query_with(world, &[("KEEPSAKE_COMMAND_URL", command.url())]).await;
        Self { command, projections, query }
    }

    pub async fn stop(self) {
        for running in [self.query, self.projections, self.command] {
            running.stop().await.expect("stops");
        }
    }
}

/// Services as processes; each can be killed and started again at the same address.
pub struct Processes {
    environments: BTreeMap<Service, BTreeMap<String, String>>,
    children: BTreeMap<Service, Child>,
    logs: PathBuf,
}

impl Processes {
    pub async fn start(world: &World) -> Self {
        Self::start_logging(world, "info").await
    }

    /// Starts them with this `KEEPSAKE_LOG`.
    pub async fn start_logging(world: &World, log_filter: &str) -> Self {
        Self::start_some(world, log_filter, &Service::ALL).await
    }

    /// Starts only these, for what the others have no part in.
    pub async fn start_only(world: &World, services: &[Service]) -> Self {
        Self::start_some(world, "info", services).await
    }

    async fn start_some(world: &World, log_filter: &str, services: &[Service]) -> Self {
        let addresses: BTreeMap<Service, String> =
            Service::ALL.into_iter().map(|service| (service, format!("127.0.0.1:{}", free_port()))).collect();
        let environment = |service| {
            let mut environment = world.environment(service);
            environment.insert("KEEPSAKE_HTTP_ADDR".to_owned(), addresses[&service].clone());
            environment.insert("KEEPSAKE_COMMAND_URL".to_owned(), format!("http://{}", addresses[&Service::Command]));
            environment.insert("KEEPSAKE_LOG".to_owned(), log_filter.to_owned());
            (service, environment)
        };
        let environments = Service::ALL.into_iter().map(environment).collect();
        let mut processes = Self { environments, children: BTreeMap::new(), logs: world.folder().join("logs") };
        std::fs::create_dir_all(&processes.logs).expect("a folder");
        for service in services {
            processes.start_one(*service).await;
        }
        processes
    }

    /// Starts a service and waits until it is ready.
    pub async fn start_one(&mut self, service: Service) {
        self.start_one_with(service, &[]).await;
    }

    /// The same with further settings, for this start alone.
    pub async fn start_one_with(&mut self, service: Service, settings: &[(&str, &str)]) {
        let environment = self.environments[&service].iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = environment.chain(settings.iter().copied());
        let child = start(service, environment, &self.log(service), &self.url(service)).await;
        self.children.insert(service, child);
    }

    /// `kill -9`, and nobody starts it again.
    pub async fn kill(&mut self, service: Service) {
        let mut child = self.children.remove(&service).expect("it runs");
        child.kill().await.expect("it is ours to kill");
    }

    /// SIGTERM, and it ends when it is done with what it has begun.
    pub async fn stop(&mut self, service: Service) {
        self.terminate(service);
        self.until_ended(service).await;
    }

    /// SIGTERM.
    pub fn terminate(&self, service: Service) {
        let pid = i32::try_from(self.pid(service)).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours to stop");
    }

    /// It ends by itself, soon and in order.
    pub async fn until_ended(&mut self, service: Service) {
        let mut child = self.children.remove(&service).expect("it runs");
        let ended = tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.expect("it stops in time").expect("it ends");
        assert!(ended.success(), "{}: {ended}", service.name());
    }

    /// Of a service that runs.
    pub fn pid(&self, service: Service) -> u32 {
        self.children.get(&service).and_then(Child::id).expect("it runs")
    }

    pub fn url(&self, service: Service) -> String {
        format!("http://{}", self.environments[&service]["KEEPSAKE_HTTP_ADDR"])
    }

    /// Everything a service has logged since the first start.
    pub fn logged(&self, service: Service) -> String {
        std::fs::read_to_string(self.log(service)).expect("a log")
    }

    fn log(&self, service: Service) -> PathBuf {
        self.logs.join(format!("{}.log", service.name()))
    }
}

/// Starts a service as a process that logs to the end of `log`, and waits until it is ready at `url`.
pub(super) async fn start<'a>(
    service: Service,
    environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    log: &Path,
    url: &str,
) -> Child {
    let file = File::options().create(true).append(true).open(log).expect("a log");
    let mut child = Command::new(keepsake())
        .args(["serve", service.name()])
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a log"))
        .stderr(file)
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let (http, url) = (HttpClient::new(Duration::from_secs(5)), format!("{url}/healthz/ready"));
    let mut answered = String::new();
    let ready = async || {
        let answer = http.get(&url, &[]).await.map_err(|error| error.to_string());
        let ready = answer.as_ref().is_ok_and(|answer| answer.status.is_success());
        answered = format!("{answer:?}");
        let ended = child.try_wait().expect("it is ours");
        (ready || ended.is_some()).then_some(ended)
    };
    match until(Duration::from_mins(1), ready).await {
        Some(None) => child,
        ended => {
            let logged = std::fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = logged.lines().rev().take(20).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            panic!("{} is not ready ({ended:?}): {answered}\n{}", service.name(), last.join("\n"))
        }
    }
}

/// A port that was free a moment ago; the service keeps it over restarts, so it is none that an outgoing connection gets.
pub fn free_port() -> u16 {
    port::pick(None, "a service", "KEEPSAKE_HTTP_ADDR").expect("a free port")
}
