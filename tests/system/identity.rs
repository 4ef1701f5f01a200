//! Who is whom: identifiers that come and go, logins, merges and their ends, through every door and back out of every read.

mod links;
mod logins;
mod merges;
mod races;
mod stale;
mod thousands;

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::naive::assert_tables_equal;
use keepsake_tests::harness::{Client, InProcess, World, log, until_folded};
use proto::guest::event::Kind as Event;
use serde_json::{Value, json};

use crate::lanes::settled::verified;

const JSON: (&str, &str) = ("Content-Type", "application/json");

struct Scene {
    world: World,
    _services: InProcess,
    client: Client,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        Self { world, _services: services, client }
    }

    /// Asks over HTTP.
    async fn ask(&self, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        self.ask_as(method, path, &[], body).await
    }

    async fn ask_as(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
        let headers = [&[("X-Tenant-ID", "demo"), JSON], headers].concat();
        let answer = self.client.http(method, path, &headers, body).await;
        (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
    }

    /// Asks for what must be carried out; answers its token.
    async fn done(&self, method: Method, path: &str, body: &str) -> String {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}: {answer}");
        answer["consistency_token"].as_str().expect("a token").to_owned()
    }

    async fn refused(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let (status, answer) = self.ask(method, path, body).await;
        (status, answer["code"].as_str().unwrap_or_else(|| panic!("{path} {body}: {answer}")).to_owned())
    }

    /// Who is read under a name; `None` when nobody is.
    async fn who(&self, name: &str, token: &str) -> Option<String> {
        let (status, profile) = self.client.get(&format!("/users/{name}"), token).await;
        match status {
            StatusCode::OK => Some(profile["guest_id"].as_str().expect("an id").to_owned()),
            StatusCode::NOT_FOUND => None,
            other => panic!("{name}: {other} {profile}"),
        }
    }

    /// `namespace:value` of everything a guest is known by.
    async fn identifiers(&self, guest: &str, token: &str) -> Vec<String> {
        let list = self.client.read(&format!("/guests/{guest}/identifiers"), token).await;
        let text = |known: &Value, name: &str| known[name].as_str().expect("text").to_owned();
        let known = list["data"].as_array().expect("a list").iter();
        known.map(|known| format!("{}:{}", text(known, "namespace"), text(known, "value"))).collect()
    }

    async fn conflicts(&self, token: &str) -> Vec<Value> {
        self.client.pages("/identity/conflicts?limit=1", token).await
    }

    /// The tables are what the log makes of them, by two folds that share no code.
    async fn is_proved(&self) {
        until_folded(&self.world, &self.client).await;
        assert_tables_equal(&self.world).await;
        assert_eq!(verified(&self.world, None, None).await.findings, []);
    }
}

fn types(reply: &Value) -> Vec<&str> {
    reply["events"].as_array().expect("a list").iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

/// The id of the last merge in the log, as `guest.profile.merged` tells it.
async fn last_merge(scene: &Scene) -> String {
    let entries = log::read(&scene.client.nats).await;
    let events = entries.iter().rev().flat_map(|entry| &entry.commit.events);
    let merged = events.into_iter().find(|event| event.r#type == "GuestMerged").expect("a merge");
    let read = proto::Event::read("GuestMerged", 1, &merged.open).expect("readable");
    let proto::Event::Guest(Event::GuestMerged(merged)) = read else { panic!("a merge") };
    merged.merge_id
}

/// What a profile says, but for when it says so.
fn said(mut profile: Value) -> Value {
    for name in ["as_of", "version"] {
        profile[name] = json!(null);
    }
    profile
}
