//! Identifiers are linked, given back, and linked elsewhere.

use axum::http::{Method, StatusCode};
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::{Client, services};
use runtime::auth::Role;
use serde_json::json;

use super::{Scene, types};

const EMAIL: &str = r#"{"identifier":"Ada@Example.com","identifier_namespace":"email"}"#;
const UNLINK: &str = "/api/v1/guests/ada/identifiers/email/ada%40example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_is_known_by_what_is_linked_to_it_until_it_is_given_back() {
    let scene = Scene::start().await;
    let ada = scene.client.register("ada").await.guest_id;
    let bob = scene.client.register("bob").await.guest_id;
    let token = scene.done(Method::POST, "/api/v1/guests/ada/identifiers", EMAIL).await;
    let by_email = "ada@example.com?namespace=email";
    assert_eq!(scene.who(by_email, &token).await.as_ref(), Some(&ada));
    assert_eq!(scene.identifiers("ada", &token).await, ["email:ada@example.com", "user_id:ada"]);
    let record = r#"{"guest_id":"ada@example.com","namespace":"email","kind":"product.viewed"}"#;
    assert_eq!(scene.client.accepted("interactions.record", None, record).await.guest_id, ada);

    let again = scene.client.accepted("guest.link", None, &EMAIL.replace('{', r#"{"guest_id":"ada","#)).await;
    assert!(again.events.is_empty(), "it is linked already");
    let refused = scene.refused(Method::POST, "/guests/bob/identifiers", EMAIL).await;
    assert_eq!(refused, (StatusCode::CONFLICT, "identifier_taken".to_owned()));
    assert_eq!(
        scene
            .client
            .refused("guest.register", None, r#"{"identifier":"ada","namespace":""}"#.replace("ada", " ").as_str())
            .await,
        "invalid_identifier"
    );

    let token = scene.done(Method::DELETE, UNLINK, "").await;
    assert_eq!(
        (scene.who(by_email, &token).await, scene.identifiers("ada", &token).await),
        (None, vec!["user_id:ada".to_owned()])
    );
    assert_eq!(scene.client.refused("interactions.record", None, record).await, "guest_not_found");
    let token = scene.done(Method::POST, "/guests/bob/identifiers", EMAIL).await;
    assert_eq!(scene.who(by_email, &token).await.as_ref(), Some(&bob));
    assert_eq!(scene.client.accepted("interactions.record", None, record).await.guest_id, bob);
    let (status, reply) = scene.ask(Method::DELETE, UNLINK, "").await;
    assert_eq!((status, &reply["events"]), (StatusCode::OK, &json!([])), "it is not ada's");
    assert_eq!(scene.who(by_email, &token).await.as_ref(), Some(&bob));
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_that_moved_is_known_to_have_moved_by_every_instance() {
    let scene = Scene::start().await;
    let other = services::command(&scene.world).await;
    let there = Client::new(&scene.world, &other.url(), "demo").await;
    let ada = scene.client.register("ada").await.guest_id;
    let bob = scene.client.register("bob").await.guest_id;
    scene.done(Method::POST, "/guests/ada/identifiers", EMAIL).await;
    let record = async |id: &str| {
        let path = "/api/v1/guests/ada@example.com/interactions?namespace=email";
        let (status, reply) = there.post_insisting(path, id, r#"{"kind":"product.viewed"}"#).await;
        (status, reply["guest_id"].as_str().map(ToOwned::to_owned))
    };
    assert_eq!(record("first").await, (StatusCode::CREATED, Some(ada.clone())));
    scene.done(Method::DELETE, UNLINK, "").await;
    assert_eq!(record("second").await.0, StatusCode::NOT_FOUND, "what it remembers of the identifier is not believed");
    scene.done(Method::POST, "/guests/bob/identifiers", EMAIL).await;
    assert_eq!(record("third").await, (StatusCode::CREATED, Some(bob)));
    // A registration under a name that was given back makes somebody new, wherever it was known before.
    let (_, known) = there.post_insisting("/users", "known", r#"{"user_id":"ada"}"#).await;
    assert_eq!(known["guest_id"], json!(ada));
    scene.done(Method::DELETE, "/guests/ada/identifiers/user_id/ada", "").await;
    let (status, new) = there.post_insisting("/users", "new", r#"{"user_id":"ada"}"#).await;
    assert_eq!((status, new["guest_id"] == json!(ada)), (StatusCode::CREATED, false));
    scene.is_proved().await;
    other.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_without_a_commit_behind_it_keeps_an_identifier_from_nobody_for_long() {
    let scene = Scene::start().await;
    let ada = scene.client.register("ada").await.guest_id;
    scene.client.register("bob").await;
    scene.done(Method::POST, "/guests/ada/identifiers", EMAIL).await;
    let vault = scene.world.database.connect(&scene.world.database.vault_admin()).await;
    // As it is when the one who unlinked died before it gave the identifier back: the log says that it is nobody's.
    vault.batch_execute("CREATE TABLE vault.kept AS SELECT * FROM vault.identifier").await.expect("copies");
    scene.done(Method::DELETE, UNLINK, "").await;
    let restore = "INSERT INTO vault.identifier SELECT * FROM vault.kept ON CONFLICT DO NOTHING";
    assert_eq!(vault.execute(restore, &[]).await.expect("restores"), 1);
    let refused = scene.refused(Method::POST, "/guests/bob/identifiers", EMAIL).await;
    assert_eq!(refused.1, "identifier_taken", "whoever claimed it a moment ago may be about to say so");
    let record = r#"{"guest_id":"ada@example.com","namespace":"email","kind":"product.viewed"}"#;
    assert_eq!(scene.client.refused("interactions.record", None, record).await, "guest_not_found");

    let age = "UPDATE vault.identifier SET claimed_at = claimed_at - interval '2 minutes' WHERE namespace = 'email'";
    assert_eq!(vault.execute(age, &[]).await.expect("ages"), 1);
    scene.done(Method::POST, "/guests/bob/identifiers", EMAIL).await;
    let token = scene.done(Method::DELETE, "/guests/bob/identifiers/email/ada@example.com", "").await;
    // The same again, and whoever unlinked comes back with the same command.
    let headers = [("Idempotency-Key", "unlink-1")];
    scene.done(Method::POST, "/guests/ada/identifiers", EMAIL).await;
    vault
        .batch_execute("TRUNCATE vault.kept; INSERT INTO vault.kept SELECT * FROM vault.identifier")
        .await
        .expect("copies");
    let (status, first) = scene.ask_as(Method::DELETE, UNLINK, &headers, "").await;
    assert_eq!((status, types(&first)), (StatusCode::OK, vec!["IdentifierUnlinked"]));
    assert_eq!(vault.execute(restore, &[]).await.expect("restores"), 1);
    vault.execute(age, &[]).await.expect("ages");
    let (status, again) = scene.ask_as(Method::DELETE, UNLINK, &headers, "").await;
    assert_eq!((status, &again["replayed"], &again["events"]), (StatusCode::OK, &json!(true), &first["events"]));
    let left = "SELECT count(*) FROM vault.identifier WHERE namespace = 'email'";
    assert_eq!(vault.query_one(left, &[]).await.expect("asks").get::<_, i64>(0), 0, "given back after all");
    assert_eq!(scene.who(&ada, &token).await, Some(ada));
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlink_that_is_sent_again_takes_nothing_away_that_was_linked_since() {
    let scene = Scene::start().await;
    let ada = scene.client.register("ada").await.guest_id;
    scene.done(Method::POST, "/guests/ada/identifiers", EMAIL).await;
    let headers = [("Idempotency-Key", "unlink-1")];
    scene.ask_as(Method::DELETE, UNLINK, &headers, "").await;
    let token = scene.done(Method::POST, "/guests/ada/identifiers", EMAIL).await;
    let vault = scene.world.database.connect(&scene.world.database.vault_admin()).await;
    let age = "UPDATE vault.identifier SET claimed_at = claimed_at - interval '2 minutes' WHERE namespace = 'email'";
    assert_eq!(vault.execute(age, &[]).await.expect("ages"), 1);
    let (status, again) = scene.ask_as(Method::DELETE, UNLINK, &headers, "").await;
    assert_eq!((status, &again["replayed"]), (StatusCode::OK, &json!(true)));
    assert_eq!(scene.who("ada@example.com?namespace=email", &token).await, Some(ada));
    scene.is_proved().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_linked_is_refused_with_what_is_wrong_and_a_guest_links_nothing_itself() {
    let scene = Scene::start().await;
    scene.client.register("ada").await;
    let path = "/guests/ada/identifiers";
    for (body, expected) in [
        (r#"{"identifier":"null"}"#, (StatusCode::UNPROCESSABLE_ENTITY, "blocked_identifier")),
        (
            r#"{"identifier":"","identifier_namespace":"email"}"#,
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_identifier"),
        ),
        (
            r#"{"identifier":"a","identifier_namespace":"E-Mail"}"#,
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_identifier"),
        ),
        (r#"{"identifier":"ada-2"}"#, (StatusCode::CONFLICT, "too_many_identifiers")),
        (r#"{"guest_id":"bob","identifier":"a"}"#, (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed")),
        (r#"{"identifiers":["a"]}"#, (StatusCode::UNPROCESSABLE_ENTITY, "unknown_field")),
    ] {
        let (status, code) = scene.refused(Method::POST, path, body).await;
        assert_eq!((status, code.as_str()), expected, "{body}");
    }
    let nobody = scene.refused(Method::POST, "/guests/nobody/identifiers", EMAIL).await;
    assert_eq!(nobody, (StatusCode::NOT_FOUND, "guest_not_found".to_owned()));
    let bearer = Bearer::Person { tenant: "demo".to_owned(), subject: "ada".to_owned() };
    let guest = Grant { bearer, roles: vec![Role::Guest], scopes: Vec::new(), seconds: 600 };
    let own = scene.client.with(&guest);
    for (method, path, body) in [
        (Method::POST, path, EMAIL),
        (Method::DELETE, UNLINK, ""),
        (Method::POST, "/guests/identify", r#"{"user_id":"ada"}"#),
        (Method::POST, "/guests/ada/merge", r#"{"absorbed_id":"bob"}"#),
        (Method::POST, "/guests/ada/unmerge", r#"{"merge_id":"mrg_1"}"#),
        (Method::GET, "/identity/conflicts", ""),
    ] {
        let headers = [("X-Tenant-ID", "demo"), super::JSON];
        let answer = own.http(method.clone(), path, &headers, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
}
