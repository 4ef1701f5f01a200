//! API keys: what one may do, two at a time, and never again once they are revoked.

mod terminal;

use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use futures_util::future::join_all;
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::{Client, InProcess, World, eventually};
use runtime::auth::{Role, Scope};
use runtime::clock;
use serde_json::{Value, json};

const KEYS: &str = "/api/v1/api-keys";
const READ: &str = r#"{"name":"till","scopes":["profile:read"]}"#;

struct Scene {
    world: World,
    services: InProcess,
    client: Client,
    seen: String,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        client.of("other").provision().await;
        let seen = client.register("ada").await.consistency_token;
        client.read("/users/ada", &seen).await;
        Self { world, services, client, seen }
    }

    /// What a bearer of a credential is answered.
    async fn ask(&self, credential: &str, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
        self.ask_in("demo", credential, method, path, body).await
    }

    async fn ask_in(
        &self,
        tenant: &str,
        credential: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> (StatusCode, Value) {
        let bearer = format!("Bearer {credential}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("X-Tenant-ID", tenant),
            ("X-Min-Position", &self.seen),
            ("Content-Type", "application/json"),
        ];
        let answer = self.client.http(method, path, &headers, body).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    fn token(&self, tenant: &str, role: Role, subject: &str) -> String {
        let bearer = Bearer::Person { tenant: tenant.to_owned(), subject: subject.to_owned() };
        self.world.issuer.token(&Grant { bearer, roles: vec![role], scopes: Vec::new(), seconds: 600 })
    }

    fn admin(&self) -> String {
        self.token("demo", Role::Admin, "admin")
    }

    /// A new key of the tenant `demo`: the key, and its id.
    async fn issue(&self, wanted: &str) -> (String, String) {
        let (status, issued) = self.ask(&self.admin(), Method::POST, KEYS, wanted).await;
        assert_eq!(status, StatusCode::CREATED, "{issued}");
        (issued["key"].as_str().expect("a key").to_owned(), issued["key_id"].as_str().expect("an id").to_owned())
    }

    async fn revoke(&self, key_id: &str) -> (StatusCode, Value) {
        self.ask(&self.admin(), Method::DELETE, &format!("{KEYS}/{key_id}"), "").await
    }

    /// How often a key must be asked for: both services have forgotten it by then.
    async fn until_refused(&self, key: &str) {
        for (method, path) in [(Method::GET, "/users/ada"), (Method::GET, KEYS)] {
            eventually("the key is taken no more", async || {
                let (status, body) = self.ask(key, method.clone(), path, "").await;
                (status == StatusCode::UNAUTHORIZED).then(|| assert_eq!(body["code"], "token_invalid"))
            })
            .await;
        }
    }

    /// Every text the vault keeps.
    async fn vault_text(&self) -> String {
        let admin = self.world.database.connect(&self.world.database.vault_admin()).await;
        let sql = "SELECT string_agg(k::text, ' ') || (SELECT string_agg(e::text, ' ') FROM audit.entry e) FROM vault.api_key k";
        admin.query_one(sql, &[]).await.expect("asks").get(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_does_what_its_scopes_say_in_its_tenant_and_nothing_once_it_is_revoked() {
    let scene = Scene::start().await;
    let (key, key_id) = scene.issue(r#"{"name":"till","scopes":["profile:read","guest:write"]}"#).await;
    assert!(key.starts_with("ksk_"), "{key}");
    assert_eq!(scene.ask(&key, Method::GET, "/users/ada", "").await.0, StatusCode::OK);
    assert_eq!(scene.ask(&key, Method::POST, "/users", r#"{"user_id":"bob"}"#).await.0, StatusCode::CREATED);
    let lacking = [(Method::GET, "/guests/ada/interactions"), (Method::GET, KEYS), (Method::POST, "/tenants")];
    for (method, path) in lacking {
        let (status, body) = scene.ask(&key, method, path, r#"{"name":"A tenant"}"#).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"scope_missing".into()), "{path}");
    }
    for (method, path, body) in [(Method::GET, "/users/ada", ""), (Method::POST, "/users", r#"{"user_id":"eve"}"#)] {
        let (status, body) = scene.ask_in("other", &key, method, path, body).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"tenant_mismatch".into()));
    }
    let stored = scene.vault_text().await;
    let secret = key.rsplit('_').next().expect("a secret");
    assert!(stored.contains(&key_id) && !stored.contains(secret), "a key is kept");

    assert_eq!(scene.revoke(&key_id).await.0, StatusCode::NO_CONTENT);
    assert_eq!(scene.revoke(&key_id).await.0, StatusCode::NO_CONTENT, "once more changes nothing");
    scene.until_refused(&key).await;
    let (_, listed) = scene.ask(&scene.admin(), Method::GET, KEYS, "").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
    assert!(listed["data"][0]["revoked_at"].is_string() && !listed.to_string().contains(secret), "{listed}");
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_of_a_name_are_active_and_a_third_waits_until_one_is_not() {
    let scene = Scene::start().await;
    let admin = scene.admin();
    let many = join_all((0..8).map(|_| scene.ask(&admin, Method::POST, KEYS, READ))).await;
    let made: Vec<_> = many.iter().filter(|(status, _)| *status == StatusCode::CREATED).collect();
    assert_eq!(made.len(), 2, "{many:?}");
    assert!(many.iter().all(|(status, body)| status.is_success() || body["code"] == "api_key_limit"), "{many:?}");
    for (_, issued) in &made {
        let key = issued["key"].as_str().expect("a key");
        assert_eq!(scene.ask(key, Method::GET, "/users/ada", "").await.0, StatusCode::OK, "both are good meanwhile");
    }
    // Another name, and the same name in another tenant, have places of their own.
    scene.issue(r#"{"name":"kiosk","scopes":["profile:read"]}"#).await;
    let others = scene.token("other", Role::Admin, "admin");
    assert_eq!(scene.ask_in("other", &others, Method::POST, KEYS, READ).await.0, StatusCode::CREATED);

    let first = made[0].1["key_id"].as_str().expect("an id");
    assert_eq!(scene.revoke(first).await.0, StatusCode::NO_CONTENT);
    let (next, _) = scene.issue(READ).await;
    assert_eq!(scene.ask(&next, Method::GET, "/users/ada", "").await.0, StatusCode::OK);
    assert_eq!(scene.ask(&admin, Method::POST, KEYS, READ).await.1["code"], "api_key_limit");

    // One that has expired makes room by itself.
    let soon = (clock::now() + TimeDelta::seconds(3)).to_rfc3339();
    let wanted = json!({"name": "short", "scopes": ["profile:read"], "expires_at": soon}).to_string();
    let (short, _) = scene.issue(&wanted).await;
    assert_eq!(scene.ask(&short, Method::GET, "/users/ada", "").await.0, StatusCode::OK);
    scene.issue(&wanted).await;
    eventually("the key has expired", async || {
        let (_, body) = scene.ask(&short, Method::GET, "/users/ada", "").await;
        (body["code"] == "token_expired").then_some(())
    })
    .await;
    scene.issue(r#"{"name":"short","scopes":["profile:read"]}"#).await;
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_gives_no_more_than_whoever_issues_it_has() {
    let scene = Scene::start().await;
    let narrow = Bearer::Person { tenant: "demo".to_owned(), subject: "x".to_owned() };
    let scopes = vec![Scope::ApiKeyAdmin, Scope::ProfileRead];
    let narrow = scene.world.issuer.token(&Grant { bearer: narrow, roles: Vec::new(), scopes, seconds: 600 });
    let issue = async |credential: &str, wanted: Value| {
        let (status, body) = scene.ask(credential, Method::POST, KEYS, &wanted.to_string()).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned(), body)
    };
    let (status, _, issued) = issue(&narrow, json!({"name": "a", "scopes": ["profile:read", "api_key:admin"]})).await;
    assert_eq!(status, StatusCode::CREATED, "{issued}");
    // What a key issues is held to the same.
    let key = issued["key"].as_str().expect("a key");
    for (credential, wanted) in [
        (narrow.as_str(), json!({"name": "b", "scopes": ["interaction:read"]})),
        (&narrow, json!({"name": "b", "roles": ["reader"]})),
        (key, json!({"name": "b", "scopes": ["guest:write"]})),
        (key, json!({"name": "b", "roles": ["admin"]})),
    ] {
        let (status, code, body) = issue(credential, wanted).await;
        assert_eq!((status, code.as_str()), (StatusCode::FORBIDDEN, "scope_missing"), "{body}");
    }
    for role in [Role::Guest, Role::Reader, Role::Writer] {
        let (status, code, _) =
            issue(&scene.token("demo", role, "ada"), json!({"name": "b", "roles": ["reader"]})).await;
        assert_eq!((status, code.as_str()), (StatusCode::FORBIDDEN, "scope_missing"), "{role:?}");
    }
    // Nobody speaks for another tenant's keys.
    let others = scene.token("other", Role::Admin, "x");
    let key_id = issued["key_id"].as_str().expect("an id");
    let (status, body) = scene.ask_in("other", &others, Method::DELETE, &format!("{KEYS}/{key_id}"), "").await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &"api_key_not_found".into()));
    let (_, listed) = scene.ask_in("other", &others, Method::GET, KEYS, "").await;
    assert_eq!(listed["data"], json!([]));
    assert_eq!(scene.ask(key, Method::GET, "/users/ada", "").await.0, StatusCode::OK);
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_key_is_refused_and_what_no_key_can_be_made_of_is_said() {
    let scene = Scene::start().await;
    let (key, key_id) = scene.issue(READ).await;
    let (other, other_id) = scene.issue(READ).await;
    let secret_of = |key: &str| key.rsplit('_').next().expect("a secret").to_owned();
    let no_keys = [
        "ksk_".to_owned(),
        "ksk__".to_owned(),
        format!("ksk_{key_id}"),
        format!("ksk_{key_id}_"),
        format!("ksk_{key_id}_{}", secret_of(&other)),
        format!("ksk_{}_{}", "0".repeat(28), secret_of(&key)),
        key[..key.len() - 1].to_owned(),
        format!("{key}0"),
        key.to_uppercase(),
        key.replace("ksk_", "KSK_"),
        format!("{key}_{key}"),
        format!("ksk_{key_id}'--_{}", secret_of(&key)),
        format!("ksk_{}", "a".repeat(5_000)),
    ];
    for no_key in &no_keys {
        let (status, body) = scene.ask(no_key, Method::GET, "/users/ada", "").await;
        assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &"token_invalid".into()), "{no_key}");
    }
    let admin = scene.admin();
    for (wanted, pointer) in [
        (json!({"name": "", "roles": ["reader"]}), "#/name"),
        (json!({"name": "Ada Lovelace", "roles": ["reader"]}), "#/name"),
        (json!({"name": "x".repeat(65), "roles": ["reader"]}), "#/name"),
        (json!({"name": "x"}), "#/scopes"),
        (json!({"name": "x", "scopes": ["profile:reed"]}), "#/scopes"),
        (json!({"name": "x", "roles": ["guest"]}), "#/roles"),
        (json!({"name": "x", "roles": ["root"]}), "#/roles"),
        (json!({"name": "x", "roles": ["reader"], "expires_at": "tomorrow"}), "#/expires_at"),
        (json!({"name": "x", "roles": ["reader"], "expires_at": "2001-01-01T00:00:00Z"}), "#/expires_at"),
    ] {
        let (status, body) = scene.ask(&admin, Method::POST, KEYS, &wanted.to_string()).await;
        assert_eq!(
            (status, &body["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &pointer.into()),
            "{body}"
        );
    }
    let (status, body) =
        scene.ask(&admin, Method::POST, KEYS, r#"{"name":"x","roles":["reader"],"tenant":"other"}"#).await;
    assert_eq!((status, &body["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &"unknown_field".into()));
    for unknown in ["0", "%00", "..", &"a".repeat(300)] {
        assert_eq!(scene.revoke(unknown).await.0, StatusCode::NOT_FOUND, "{unknown}");
    }
    // Whoever may do everything in the database gives no key more than it was issued with.
    let database = scene.world.database.connect(&scene.world.database.vault_admin()).await;
    let altered = "UPDATE vault.api_key SET scopes = '{profile:read,tenant:admin}' WHERE key_id = $1";
    assert_eq!(database.execute(altered, &[&other_id]).await.expect("changes"), 1);
    scene.until_refused(&other).await;
    let (_, listed) = scene.ask(&admin, Method::GET, KEYS, "").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");

    scene.client.accepted("tenant.suspend", None, r#"{"reason":"abuse"}"#).await;
    let (status, body) = scene.ask(&admin, Method::POST, KEYS, READ).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &"tenant_suspended".into()));
    assert_eq!(scene.revoke(&key_id).await.0, StatusCode::NO_CONTENT, "a key is revoked whatever its tenant is");
    scene.services.stop().await;
}
