//! Two instances, of which one remembers what the other has changed since: what was remembered decides nothing.

use axum::http::StatusCode;
use keepsake_tests::harness::{Client, services};
use runtime::Running;
use serde_json::{Value, json};
use tokio_postgres::Client as Postgres;

use super::{Scene, last_merge, types};

/// The one whose memory is old.
struct Other {
    scene: Scene,
    there: Client,
    instance: Running,
}

impl Other {
    async fn start() -> Self {
        let scene = Scene::start().await;
        let instance = services::command(&scene.world).await;
        let there = Client::new(&scene.world, &instance.url(), "demo").await;
        Self { scene, there, instance }
    }

    async fn here(&self, path: &str, id: &str, body: &str) -> Value {
        carried_out(&self.scene.client, path, id, body).await
    }

    async fn there(&self, path: &str, id: &str, body: &str) -> Value {
        carried_out(&self.there, path, id, body).await
    }

    /// Has the other one look at a guest, and remember it as it is.
    async fn look(&self, guest: &str) {
        self.there(&format!("/guests/{guest}/interactions"), &format!("look-{guest}"), VIEWED).await;
    }

    async fn vault(&self) -> Postgres {
        self.scene.world.database.connect(&self.scene.world.database.vault_admin()).await
    }

    async fn end(self) {
        self.scene.is_proved().await;
        self.instance.stop().await.expect("stops");
    }
}

const VIEWED: &str = r#"{"kind":"product.viewed"}"#;

async fn carried_out(client: &Client, path: &str, id: &str, body: &str) -> Value {
    let (status, answer) = client.post_insisting(path, id, body).await;
    assert!(status.is_success(), "{path} {body}: {answer}");
    answer
}

async fn register(other: &Other, namespace: &str, value: &str) -> String {
    let body = format!(r#"{{"identifier":"{value}","namespace":"{namespace}","attributes":{{"of":"{value}"}}}}"#);
    other.scene.client.accepted("guest.register", None, &body).await.guest_id
}

fn token(reply: &Value) -> &str {
    reply["consistency_token"].as_str().expect("a token")
}

fn login(user: &str, anonymous: &str) -> String {
    format!(r#"{{"user_id":"{user}","anonymous_id":"{anonymous}","attributes":{{"name":"{user}"}}}}"#)
}

const IDENTIFY: &str = "/guests/identify";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_is_undone_on_both_sides_by_one_who_did_not_know_of_it() {
    let other = Other::start().await;
    let (ada, adele) = (register(&other, "user_id", "ada").await, register(&other, "user_id", "adele").await);
    for (round, side) in [&ada, &adele].into_iter().enumerate() {
        other.look(&ada).await;
        other.look(&adele).await;
        other.here("/guests/ada/merge", &format!("merge-{round}"), r#"{"absorbed_id":"adele"}"#).await;
        let body = format!(r#"{{"merge_id":"{}"}}"#, last_merge(&other.scene).await);
        let id = format!("unmerge-{round}");
        let undone = other.there(&format!("/guests/{side}/unmerge"), &id, &body).await;
        assert_eq!((types(&undone), &undone["guest_id"]), (vec!["GuestUnmerged"], &json!(ada)));
        assert_eq!(other.scene.who("adele", token(&undone)).await.as_ref(), Some(&adele));
        let again = other.here(&format!("/guests/{side}/unmerge"), &id, &body).await;
        assert_eq!((&again["replayed"], &again["events"]), (&json!(true), &undone["events"]));
        assert_eq!(again["consistency_token"], undone["consistency_token"]);
    }
    let link = r#"{"identifier":"e@example.com","identifier_namespace":"email"}"#;
    other.there(&format!("/guests/{adele}/identifiers"), "link", link).await;
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_found_however_far_its_guest_was_merged_and_restored_since() {
    let other = Other::start().await;
    for name in ["bob", "sam", "tom"] {
        register(&other, "user_id", name).await;
    }
    let mut merges = Vec::new();
    for (survivor, absorbed) in [("sam", "bob"), ("tom", "sam")] {
        let body = format!(r#"{{"absorbed_id":"{absorbed}"}}"#);
        other.here(&format!("/guests/{survivor}/merge"), &format!("merge-{absorbed}"), &body).await;
        merges.push(format!(r#"{{"merge_id":"{}"}}"#, last_merge(&other.scene).await));
    }
    let body = r#"{"guest_id":"bob","increment":{"visits":1}}"#;
    let first = other.scene.client.accepted("guest.update", Some("visit"), body).await;
    other.here("/guests/sam/unmerge", "undo-2", &merges[1]).await;
    other.there("/guests/bob/unmerge", "undo-1", &merges[0]).await;
    let again = other.scene.client.accepted("guest.update", Some("visit"), body).await;
    assert_eq!((again.position, again.replayed, &again.guest_id), (first.position, true, &first.guest_id));
    // An id that tom has used for something of his own is bob's to use.
    let of_tom = r#"{"guest_id":"tom","increment":{"visits":5}}"#;
    other.scene.client.accepted("guest.update", Some("points"), of_tom).await;
    let of_bob = other.scene.client.accepted("guest.update", Some("points"), &of_tom.replace("tom", "bob")).await;
    assert!(!of_bob.replayed);
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_logs_in_after_another_one_at_the_same_machine_gets_nothing_of_that_one() {
    let other = Other::start().await;
    let shared = register(&other, "anonymous_id", "shared").await;
    other.look(&shared).await;
    let first = other.here(IDENTIFY, "first", &login("first", "shared")).await;
    assert_eq!(first["guest_id"], json!(shared));
    let second = other.there(IDENTIFY, "second", &login("second", "shared")).await;
    assert_ne!(second["guest_id"], json!(shared));
    assert_eq!(types(&second), ["GuestRegistered", "IdentityConflictDetected", "GuestUpdated"]);
    let profile = other.scene.client.read("/users/first", token(&second)).await;
    assert_eq!(profile["attributes"], json!({"of": "shared", "name": "first"}));
    assert_eq!(types(&other.here(IDENTIFY, "again", &login("second", "shared")).await), Vec::<&str>::new());
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_is_of_whoever_has_the_name_now() {
    let other = Other::start().await;
    let [ada, bob, sam] = [
        register(&other, "user_id", "ada").await,
        register(&other, "user_id", "bob").await,
        register(&other, "user_id", "sam").await,
    ];
    let phone = r#"{"identifier":"+41","identifier_namespace":"phone"}"#;
    other.here("/guests/ada/identifiers", "link-1", phone).await;
    other.there("/guests/+41/interactions?namespace=phone", "look", VIEWED).await;
    let unlink = format!(r#"{{"guest_id":"{ada}","identifier":"+41","identifier_namespace":"phone"}}"#);
    other.scene.client.accepted("guest.unlink", None, &unlink).await;
    other.here("/guests/bob/identifiers", "link-2", phone).await;
    let merge = r#"{"absorbed_id":"+41","absorbed_namespace":"phone"}"#;
    let merged = other.there("/guests/sam/merge", "merge", merge).await;
    let who = async |name: &str| other.scene.who(name, token(&merged)).await.expect("somebody");
    assert_eq!([who("ada").await, who("bob").await], [ada.clone(), sam.clone()]);

    // And of whoever the named one is part of now: bob is by himself again.
    other.look(&bob).await;
    let undo = format!(r#"{{"merge_id":"{}"}}"#, last_merge(&other.scene).await);
    other.here("/guests/sam/unmerge", "undo", &undo).await;
    let merged = other.there("/guests/ada/merge", "merge-2", r#"{"absorbed_id":"bob"}"#).await;
    let who = async |name: &str| other.scene.who(name, token(&merged)).await.expect("somebody");
    assert_eq!([who("bob").await, who("sam").await], [ada, sam]);
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_part_of_another_logs_in_as_that_one() {
    let other = Other::start().await;
    let sam = register(&other, "email", "sam@example.com").await;
    register(&other, "user_id", "ada").await;
    let by_email = "/guests/sam@example.com/merge?namespace=email";
    other.here(by_email, "merge", r#"{"absorbed_id":"ada"}"#).await;
    let known = other.there(IDENTIFY, "login-1", r#"{"user_id":"ada"}"#).await;
    assert_eq!((types(&known).len(), &known["guest_id"]), (0, &json!(sam)));
    let device = other.there(IDENTIFY, "login-2", r#"{"user_id":"ada","anonymous_id":"a-1"}"#).await;
    assert_eq!((types(&device), &device["guest_id"]), (vec!["IdentifierLinked"], &json!(sam)));
    // What an anonymous guest has absorbed makes a person of it.
    let anonymous = register(&other, "anonymous_id", "a-2").await;
    register(&other, "user_id", "bob").await;
    other.here(&format!("/guests/{anonymous}/merge"), "merge-bob", r#"{"absorbed_id":"bob"}"#).await;
    let conflict = other.there(IDENTIFY, "login-3", r#"{"user_id":"ada","anonymous_id":"a-2"}"#).await;
    assert_eq!(types(&conflict), ["IdentityConflictDetected"]);
    let carl = other.there(IDENTIFY, "login-4", r#"{"user_id":"carl","anonymous_id":"a-2"}"#).await;
    assert_eq!(types(&carl), ["GuestRegistered", "IdentityConflictDetected"]);
    other.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_died_is_nobodys_to_a_login_and_a_registration() {
    let other = Other::start().await;
    let ada = register(&other, "user_id", "ada").await;
    let vault = other.vault().await;
    // As a link that died leaves it: whose digest is which, only the register's own rows tell.
    let steal = |namespace: &str, value: &str| {
        let body = format!(r#"{{"guest_id":"ada","identifier":"{value}","identifier_namespace":"{namespace}"}}"#);
        let (client, vault, namespace) = (&other.scene.client, &vault, namespace.to_owned());
        async move {
            client.accepted("guest.link", None, &body).await;
            vault
                .batch_execute("CREATE TABLE IF NOT EXISTS vault.kept AS SELECT * FROM vault.identifier LIMIT 0")
                .await
                .expect("makes");
            let keep = format!("INSERT INTO vault.kept SELECT * FROM vault.identifier WHERE namespace = '{namespace}'");
            assert_eq!(vault.execute(&keep, &[]).await.expect("keeps"), 1);
            client.accepted("guest.unlink", None, &body).await;
        }
    };
    for (namespace, value) in [("crm", "e"), ("anonymous_id", "a-1"), ("device_id", "d-1")] {
        steal(namespace, value).await;
    }
    let restore = "INSERT INTO vault.identifier SELECT * FROM vault.kept ON CONFLICT DO NOTHING";
    assert_eq!(vault.execute(restore, &[]).await.expect("restores"), 3);
    let young = r#"{"identifier":"e","namespace":"crm"}"#;
    assert_eq!(other.scene.client.refused("guest.register", None, young).await, "identifier_taken");
    let age = "UPDATE vault.identifier SET claimed_at = claimed_at - interval '2 minutes'";
    vault.execute(age, &[]).await.expect("ages");
    let new = other.scene.client.accepted("guest.register", None, young).await;
    assert_ne!(new.guest_id, ada);
    let body = r#"{"user_id":"bob","anonymous_id":"a-1"}"#;
    let bob = other.there(IDENTIFY, "bob", body).await;
    assert_eq!(types(&bob), ["GuestRegistered", "IdentifierLinked"], "ada is not bob because of what died");
    let body = r#"{"user_id":"d-1","namespace":"device_id","anonymous_id":"a-9"}"#;
    let (status, by_device) = other.there.post_insisting(IDENTIFY, "device", body).await;
    assert_eq!((status, by_device["guest_id"] == json!(ada)), (StatusCode::OK, false), "{by_device}");
    other.end().await;
}
