//! Any number of projection-workers processes that share the lanes; each can be killed, frozen and started again.

use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use super::services::{self, free_port};
use super::{Service, World, eventually};

const HELD: &str = "
SELECT count(*) FILTER (WHERE w.worker IS NOT NULL) = count(*) AND count(DISTINCT w.worker) = $1 AS held
FROM keepsake.lane l LEFT JOIN keepsake.worker w ON w.worker = l.holder";

pub struct Workers {
    each: Vec<Worker>,
    logs: PathBuf,
}

struct Worker {
    port: u16,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Workers {
    /// So many processes, each ready.
    pub async fn start(world: &World, count: usize) -> Self {
        Self::start_with(world, count, &[]).await
    }

    /// The same with further settings.
    pub async fn start_with(world: &World, count: usize, settings: &[(&str, String)]) -> Self {
        let logs = world.folder().join("workers");
        std::fs::create_dir_all(&logs).expect("a folder");
        let mut workers = Self { each: Vec::new(), logs };
        for _ in 0..count {
            workers.add(world, settings).await;
        }
        workers
    }

    /// One more, ready.
    pub async fn add(&mut self, world: &World, settings: &[(&str, String)]) {
        let mut environment: Vec<_> = world.environment(Service::Projections).into_iter().collect();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.each.push(Worker { port: free_port(), environment, child: None });
        self.start_one(self.each.len() - 1).await;
    }

    /// Starts one that does not run, and waits until it is ready.
    pub async fn start_one(&mut self, which: usize) {
        let address = format!("127.0.0.1:{}", self.each[which].port);
        let environment = self.each[which].environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = environment.chain([("KEEPSAKE_HTTP_ADDR", address.as_str())]);
        let child = services::start(Service::Projections, environment, &self.log(which), &self.url(which)).await;
        self.each[which].child = Some(child);
    }

    pub fn url(&self, which: usize) -> String {
        format!("http://127.0.0.1:{}", self.each[which].port)
    }

    /// `kill -9`, and nobody starts it again.
    pub async fn kill(&mut self, which: usize) {
        let mut child = self.each[which].child.take().expect("it runs");
        child.kill().await.expect("it is ours to kill");
    }

    /// Stops a process where it is, as a machine that sleeps does.
    pub fn freeze(&self, which: usize) {
        self.signal(which, Signal::SIGSTOP);
    }

    pub fn thaw(&self, which: usize) {
        self.signal(which, Signal::SIGCONT);
    }

    fn signal(&self, which: usize, signal: Signal) {
        let pid = self.each[which].child.as_ref().and_then(Child::id).expect("it runs");
        kill(Pid::from_raw(pid.cast_signed()), signal).expect("it is ours");
    }

    /// Waits until every lane is held, and by so many processes.
    pub async fn until_held_by(&self, world: &World, count: i64) {
        let admin = world.database.connect(&world.database.read_admin).await;
        eventually(&format!("the lanes are held by {count}"), async || {
            admin.query_one(HELD, &[&count]).await.expect("asks").get::<_, bool>("held").then_some(())
        })
        .await;
    }

    /// Everything one of them has logged since its first start.
    pub fn logged(&self, which: usize) -> String {
        std::fs::read_to_string(self.log(which)).expect("a log")
    }

    pub fn count(&self) -> usize {
        self.each.len()
    }

    fn log(&self, which: usize) -> PathBuf {
        self.logs.join(format!("{which}.log"))
    }
}
