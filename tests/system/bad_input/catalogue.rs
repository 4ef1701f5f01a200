//! A row of the catalogue, and how each is held against the services.

use event_log::stream;
use keepsake_tests::harness::{Client, InProcess, RawHttp, World};
use serde_json::Value;

pub(super) const INTERACTIONS: &str = "/api/v1/guests/ada/interactions";

/// Where a request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// query-service.
    Origin,
    /// command-service, directly.
    Command,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Lives,
    IsClosed,
    /// Either: all of a body that is refused may have come by then.
    Ends,
}

/// One thing a caller can get wrong.
pub(super) struct Row {
    name: String,
    doors: &'static [Door],
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    after: After,
}

impl Row {
    fn new(method: &'static str, path: &str, body: impl Into<Vec<u8>>) -> Self {
        let tenant = ("X-Tenant-ID".to_owned(), "demo".to_owned());
        Self {
            name: String::new(),
            doors: &[Door::Origin],
            method,
            path: path.to_owned(),
            headers: vec![tenant],
            body: body.into(),
            status: 0,
            code: "",
            after: After::Lives,
        }
    }

    /// A read, which only the origin has.
    pub(super) fn get(path: &str) -> Self {
        Self::new("GET", path, "")
    }

    /// A write, which both doors take.
    pub(super) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let row = Self::new("POST", path, body).header("Content-Type", "application/json");
        Self { doors: &[Door::Origin, Door::Command], ..row }
    }

    pub(super) fn put(path: &str, body: &str) -> Self {
        Self { method: "PUT", ..Self::post(path, body) }
    }

    /// Any method, at the origin.
    pub(super) fn ask(method: &'static str, path: &str) -> Self {
        Self::new(method, path, "")
    }

    pub(super) fn at_both_doors(self) -> Self {
        Self { doors: &[Door::Origin, Door::Command], ..self }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(super) fn and_then(self, after: After) -> Self {
        Self { after, ..self }
    }

    /// What it is called in a failure, and how it is answered.
    pub(super) fn is(self, name: impl Into<String>, status: u16, code: &'static str) -> Self {
        Self { name: name.into(), status, code, ..self }
    }

    fn request(&self, bearer: &str) -> Vec<u8> {
        let has = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.path), "Host: keepsake".to_owned()];
        if !has("Authorization") {
            lines.push(format!("Authorization: {bearer}"));
        }
        if !has("Transfer-Encoding") && self.method != "GET" {
            lines.push(format!("Content-Length: {}", self.body.len()));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        [lines.join("\r\n").as_bytes(), b"\r\n\r\n", &self.body].concat()
    }
}

/// A tenant with a guest, `ada`, and everything folded.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) services: InProcess,
    pub(super) client: Client,
}

impl Scene {
    pub(super) async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        let seen = client.register("ada").await.consistency_token;
        client.read("/users/ada", &seen).await;
        Self { world, services, client }
    }

    /// Asks each row at each of its doors.
    pub(super) async fn refuses(&self, rows: &[Row]) {
        let before = self.position().await;
        for row in rows {
            for door in row.doors {
                self.refuses_at(*door, row).await;
                assert_eq!(self.position().await, before, "{} ({door:?}) left something in the log", row.name);
            }
        }
    }

    async fn refuses_at(&self, door: Door, row: &Row) {
        let what = format!("{} ({door:?})", row.name);
        let mut connection = RawHttp::connect(&self.url(door)).await;
        let answer = connection.ask(&row.request(&self.world.bearer("demo"))).await;
        let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, answer.code().as_deref()), (row.status, Some(row.code)), "{what}: {said}");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"), "{what}");
        let problem: Value = serde_json::from_slice(&answer.body).expect("a problem");
        assert_eq!((&problem["status"], &problem["outcome"]), (&row.status.into(), &"not_applied".into()), "{what}");
        let told = |name: &str| answer.header(name).is_some();
        assert_eq!(told("allow"), row.status == 405, "{what}: Allow");
        assert_eq!(told("retry-after"), problem["retryable"] == true, "{what}: Retry-After");
        match row.after {
            After::Lives => assert!(connection.lives().await, "{what}: the connection is gone"),
            After::IsClosed => assert!(connection.answer().await.is_none(), "{what}: the connection is open"),
            After::Ends => {}
        }
    }

    pub(super) fn url(&self, door: Door) -> String {
        match door {
            Door::Origin => self.services.query.url(),
            Door::Command => self.services.command.url(),
        }
    }

    pub(super) async fn position(&self) -> u64 {
        stream::info(&self.client.nats).await.expect("the log").last_position
    }
}
