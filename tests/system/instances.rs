//! What one instance has done, every other one knows at once: none refuses by what it remembers.

use axum::http::StatusCode;
use proto::subject::Owner;
use runtime::Running;
use runtime::config::Secret;
use serde_json::Value;
use vault::Vault;

use keepsake_tests::harness::{Client, World, history, services};

const ROUNDS: u32 = 100;
const RECORD: &str = r#"{"kind":"product.viewed"}"#;

/// Two instances, and a caller of each.
struct Two {
    world: World,
    instances: [Running; 2],
    here: Client,
    there: Client,
}

impl Two {
    async fn start(world: World) -> Self {
        let instances = [services::command(&world).await, services::command(&world).await];
        let [here, there] = &instances;
        let here = Client::new(&world, &here.url(), "demo").await;
        let there = Client::new(&world, &there.url(), "demo").await;
        history::set_up(&here, []).await;
        Self { world, instances, here, there }
    }

    async fn stop(self) {
        for instance in self.instances {
            instance.stop().await.expect("stops");
        }
    }
}

async fn register(client: &Client, id: &str, body: &str) {
    let (status, body) = client.post_insisting("/users", id, body).await;
    assert!(status.is_success(), "{id}: {body}");
}

fn named(user_id: &str) -> String {
    format!(r#"{{"user_id":"{user_id}"}}"#)
}

/// Always under the same id: a refusal is no outcome to come back to.
async fn record(client: &Client, guest: &str) -> (StatusCode, Value) {
    client.post_insisting(&format!("/api/v1/guests/{guest}/interactions"), &format!("record-{guest}"), RECORD).await
}

async fn refused(client: &Client, guest: &str, code: &str) {
    let (status, body) = record(client, guest).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &code.into()), "{guest}: {body}");
}

async fn accepted(client: &Client, guest: &str) {
    let (status, body) = record(client, guest).await;
    assert!(status.is_success(), "{guest}: {body}");
}

async fn a_registration_is_known_at_once(world: World) {
    let two = Two::start(world).await;
    for round in 0..ROUNDS {
        let guest = format!("guest-{round}");
        register(&two.here, &guest, &named(&guest)).await;
        accepted(&two.there, &guest).await;
    }
    two.stop().await;
}

async fn a_refusal_is_not_remembered(world: World) {
    let two = Two::start(world).await;
    for round in 0..ROUNDS {
        let guest = format!("guest-{round}");
        refused(&two.there, &guest, "guest_not_found").await;
        register(&two.here, &guest, &named(&guest)).await;
        accepted(&two.there, &guest).await;
    }
    two.stop().await;
}

/// The id a registration without identifier will get, known beforehand to whoever holds the keys.
async fn foretold(world: &World, command_id: &str) -> Owner {
    let vault = Vault::connect(&Secret::new(world.database.vault_keeper.clone()), &world.key_file()).expect("connects");
    vault.tenant_secret(&"demo".parse().expect("a tenant")).await.expect("a secret").guest_of_command(command_id)
}

async fn a_refusal_of_an_id_of_ours_is_not_remembered(world: World) {
    let two = Two::start(world).await;
    for round in 0..ROUNDS {
        let id = format!("anonymous-{round}");
        let guest = foretold(&two.world, &id).await;
        refused(&two.there, guest.as_str(), "guest_not_found").await;
        register(&two.here, &id, "{}").await;
        accepted(&two.there, guest.as_str()).await;
    }
    two.stop().await;
}

async fn a_tenant_is_known_at_once(world: World) {
    let two = Two::start(world).await;
    for round in 0..ROUNDS {
        let tenant = format!("tenant-{round}");
        let (here, there) = (two.here.of(&tenant), two.there.of(&tenant));
        refused(&there, "ada", "tenant_unknown").await;
        let (status, body) = here.post_insisting("/api/v1/tenants", "provision", r#"{"name":"A tenant"}"#).await;
        assert!(status.is_success(), "{body}");
        refused(&there, "ada", "guest_not_found").await;
    }
    two.stop().await;
}

async fn a_command_through_both_at_once(world: World) {
    let two = Two::start(world).await;
    register(&two.here, "register-ada", &named("ada")).await;
    let path = "/api/v1/guests/ada/interactions";
    for round in 0..ROUNDS {
        let id = format!("twin-{round}");
        let twins =
            tokio::join!(two.here.post_insisting(path, &id, RECORD), two.there.post_insisting(path, &id, RECORD));
        let ((_, here), (_, there)) = &twins;
        assert_eq!(here["position"], there["position"], "{twins:?}");
        assert_eq!(here["version"], round + 1, "{twins:?}");
    }
    two.stop().await;
}

keepsake_tests::on_one_and_on_three! {
    a_guest_registered_here_is_known_there_at_once, a_guest_registered_here_is_known_there_at_once_on_three_replicas:
        a_registration_is_known_at_once;
    a_command_refused_here_is_accepted_once_the_guest_is_registered_there,
    a_command_refused_here_is_accepted_once_the_guest_is_registered_there_on_three_replicas:
        a_refusal_is_not_remembered;
    a_guest_refused_by_our_id_is_accepted_once_registered_there,
    a_guest_refused_by_our_id_is_accepted_once_registered_there_on_three_replicas:
        a_refusal_of_an_id_of_ours_is_not_remembered;
    a_command_sent_through_both_at_once_is_carried_out_once,
    a_command_sent_through_both_at_once_is_carried_out_once_on_three_replicas:
        a_command_through_both_at_once;
    a_tenant_refused_here_is_known_once_provisioned_there,
    a_tenant_refused_here_is_known_once_provisioned_there_on_three_replicas:
        a_tenant_is_known_at_once;
}
