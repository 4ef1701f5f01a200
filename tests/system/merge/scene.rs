//! Guests in lanes of their choice, merged by hand, and what every read must say of them.

use std::collections::BTreeSet;

use axum::http::Method;
use keepsake_tests::harness::merge::merge;
use keepsake_tests::harness::{Client, Processes, Service, Workers, World, eventually, naive, until_folded};
use proto::subject::{LogSubject, Owner};
use runtime::http_client::HttpClient;
use serde_json::{Value, json};
use tokio_postgres::Client as Postgres;

use crate::lanes::settled::verified;

pub(crate) const TENANT: &str = "demo";
pub(crate) const PARTITIONS_OF_A_LANE: u8 = 16;
/// Whoever holds this row holds the lane back, and no other.
pub(crate) const HOLD: &str = "SELECT FROM keepsake.lane WHERE first_pp = $1 FOR UPDATE";

/// Everything runs, with two workers that share the lanes and sample half of their time.
pub(crate) struct Scene {
    pub(crate) world: World,
    processes: Processes,
    pub(super) client: Client,
    admin: Postgres,
    pub(super) workers: Workers,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let world = World::start().await;
        let processes = Processes::start_only(&world, &[Service::Command, Service::Query]).await;
        let client = Client::new(&world, &processes.url(Service::Query), TENANT).await;
        client.provision().await;
        let settings = [("KEEPSAKE_SAMPLE_PERCENT", "50".to_owned())];
        let workers = Workers::start_with(&world, 2, &settings).await;
        workers.until_held_by(&world, 2).await;
        let admin = world.database.connect(&world.database.read_admin).await;
        Self { world, processes, client, admin, workers }
    }

    /// Where it is read.
    pub(crate) fn origin(&self) -> String {
        self.processes.url(Service::Query)
    }

    /// A new guest whose rows are folded in this lane, and who did something at each of these hours.
    pub(crate) async fn guest(&self, lane: u8, hours: &[u32]) -> Guest {
        for n in 0.. {
            let name = format!("lane {lane} guest {n} of {hours:?}");
            let id = self.client.register(&name).await.guest_id;
            let owner = Owner::parse_guest(&id).expect("an id of ours");
            if LogSubject::new(TENANT.parse().expect("a token"), owner).partition() / PARTITIONS_OF_A_LANE == lane {
                for hour in hours {
                    self.record(&id, *hour).await;
                }
                return Guest { id, name };
            }
        }
        unreachable!("some guest is in that lane")
    }

    pub(crate) async fn record(&self, id: &str, hour: u32) -> String {
        let record =
            format!(r#"{{"guest_id":"{id}","kind":"hour.{hour}","occurred_at":"2026-03-01T{hour:02}:00:00Z"}}"#);
        self.client.accepted("interactions.record", None, &record).await.consistency_token
    }

    pub(crate) async fn merge(&self, survivor: &Guest, absorbed: &Guest) -> String {
        let merge = format!(r#"{{"guest_id":"{}","absorbed_id":"{}"}}"#, survivor.id, absorbed.id);
        self.client.accepted("guest.merge", None, &merge).await.consistency_token
    }

    /// The same where no command would: into a guest who is part of another already.
    pub(super) async fn merge_by_hand(&self, merge_id: &str, survivor: &Guest, absorbed: &Guest) -> String {
        merge(&self.client.nats, TENANT, merge_id, &survivor.id, &[&absorbed.id]).await
    }

    /// All pages, by one id.
    async fn list(&self, id: &str, what: &str, token: &str) -> Vec<Value> {
        self.client.pages(&format!("/guests/{id}/{what}?limit=3"), token).await
    }

    /// Every read of the guest, under each of these names, tells of all of them; answers the profile.
    pub(super) async fn assert_one(&self, survivor: &Guest, all: &[&Guest], hours: &[u32], token: &str) -> Value {
        let mut profiles = Vec::new();
        for id in all.iter().map(|guest| guest.id.as_str()) {
            let profile = self.client.read(&format!("/users/{id}"), token).await;
            assert_eq!(profile["guest_id"], survivor.id);
            assert_eq!(profile["interaction_count"], hours.len());
            let time = |hour: Option<&u32>| hour.map(|hour| format!("2026-03-01T{hour:02}:00:00Z"));
            assert_eq!(profile["first_seen_at"], json!(time(hours.iter().min())));
            assert_eq!(profile["last_seen_at"], json!(time(hours.iter().max())));
            let mut names: Vec<_> = all.iter().map(|guest| guest.name.as_str()).collect();
            names.sort_unstable();
            let identifiers = profile["identifiers"].as_array().expect("a list");
            assert_eq!(identifiers.iter().map(|known| &known["value"]).collect::<Vec<_>>(), names);

            let did = self.list(id, "interactions", token).await;
            let mut expected = hours.to_vec();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            let kinds: Vec<_> = did.iter().map(|item| item["kind"].as_str().expect("a kind")).collect();
            assert_eq!(kinds, expected.iter().map(|hour| format!("hour.{hour}")).collect::<Vec<_>>());
            let ids: BTreeSet<_> = did.iter().map(|item| item["interaction_id"].to_string()).collect();
            assert_eq!(ids.len(), hours.len(), "each once");
            let newest = self.client.read(&format!("/guests/{id}/interactions?kind=hour.{}", expected[0]), token).await;
            assert!(newest["data"].as_array().is_some_and(|data| !data.is_empty()), "{newest}");

            // Each was registered, and all but one were absorbed.
            let life = self.list(id, "timeline", token).await;
            let of_type = |name| life.iter().filter(|event| event["type"] == name).count();
            assert_eq!(of_type("GuestRegistered"), all.len());
            assert_eq!(of_type("GuestAbsorbed"), all.len() - 1);
            assert_eq!(of_type("InteractionRecorded"), hours.len());
            assert!(life.is_sorted_by(|a, b| a["position"].as_u64() > b["position"].as_u64()), "{life:#?}");
            self.assert_canonical(id, survivor).await;
            profiles.push(profile);
        }
        profiles.remove(0)
    }

    async fn assert_canonical(&self, asked: &str, survivor: &Guest) {
        for path in
            [format!("/users/{asked}"), format!("/guests/{asked}/interactions"), format!("/guests/{asked}/timeline")]
        {
            let answer = self.client.http(Method::GET, &path, &[("X-Tenant-ID", TENANT)], "").await;
            let told = answer.headers.get("x-canonical-id").map(|id| id.to_str().expect("ASCII").to_owned());
            assert_eq!(told, (asked != survivor.id).then(|| survivor.id.clone()), "{path}");
        }
    }

    pub(super) async fn etag(&self, guest: &Guest) -> String {
        let path = format!("/users/{}", guest.id);
        let answer = self.client.http(Method::GET, &path, &[("X-Tenant-ID", TENANT)], "").await;
        answer.headers["etag"].to_str().expect("ASCII").to_owned()
    }

    /// How often both samplers have found a guest's rows to be right.
    async fn checks(&self) -> u64 {
        let http = HttpClient::new(std::time::Duration::from_secs(5));
        let mut checks = 0;
        for which in 0..self.workers.count() {
            let answer = http.get(&format!("{}/metrics", self.workers.url(which)), &[]).await.expect("answers");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let line = text.lines().find(|line| line.starts_with(r#"keepsake_sampler_checks_total{result="equal"}"#));
            checks += line.map_or(0, |line| line.rsplit(' ').next().expect("a value").parse().expect("a number"));
        }
        checks
    }

    pub(super) async fn findings(&self) -> i64 {
        self.admin.query_one("SELECT count(*) FROM keepsake.finding", &[]).await.expect("asks").get(0)
    }

    /// No fault anywhere, also not for samplers that look at this many more guests.
    pub(super) async fn assert_proved(&self, checks: u64) {
        until_folded(&self.world, &self.client).await;
        assert_eq!(naive::differences(&self.world).await, Vec::<String>::new());
        assert_eq!(verified(&self.world, None, None).await.findings, []);
        let aim = self.checks().await + checks;
        eventually("the samplers go on", async || (self.checks().await >= aim).then_some(())).await;
        assert_eq!(self.findings().await, 0);
    }
}

/// One of the guests who are merged.
pub(crate) struct Guest {
    pub(crate) id: String,
    /// Its `user_id`.
    pub(super) name: String,
}
