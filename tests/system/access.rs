//! Who may do what over HTTP: every route against every sort of caller.

mod issuer;
pub(crate) mod routes;

use axum::http::{Method, StatusCode};
use keepsake_cli::dev_issuer::{Bearer, Grant};
use keepsake_tests::harness::events::Events;
use keepsake_tests::harness::{Client, InProcess, World, eventually, services};
use runtime::auth::{Role, Scope};
use serde_json::Value;

use issuer::Issuer;
use routes::{Route, routes};

const ABSENT: &str = "prf_00000000000000000000000000000000";

/// Guests of two tenants, and everything folded.
struct Scene {
    world: World,
    services: InProcess,
    client: Client,
    /// Our ids of ada and bob, both of `demo`.
    ada: String,
    bob: String,
    seen: String,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), "demo").await;
        client.provision().await;
        client.of("other").provision().await;
        let ada = client.register("ada").await.guest_id;
        let bob = client.register("bob").await.guest_id;
        let record = |guest: &str| format!(r#"{{"guest_id":"{guest}","kind":"order.created","topic":"jazz"}}"#);
        client.accepted("interactions.record", None, &record("ada")).await;
        client.accepted("interactions.record", None, &record("bob")).await;
        client.durable("guest.register", "known", r#"{"identifier":"ada"}"#).await;
        client.verdict("known").await;
        let seen = client.of("other").register("carl").await.consistency_token;
        client.read("/users/ada", &seen).await;
        Self { world, services, client, ada, bob, seen }
    }

    fn person(role: Role, tenant: &str, subject: &str) -> Grant {
        let bearer = Bearer::Person { tenant: tenant.to_owned(), subject: subject.to_owned() };
        Grant { bearer, roles: vec![role], scopes: Vec::new(), seconds: 600 }
    }

    async fn ask(&self, route: &Route, guest: &str, tenant: &str, grant: &Grant) -> (StatusCode, Value) {
        let bearer = format!("Bearer {}", self.world.issuer.token(grant));
        self.ask_with(route, guest, tenant, &[("Authorization", &bearer)]).await
    }

    async fn ask_with(
        &self,
        route: &Route,
        guest: &str,
        tenant: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let fixed = [("X-Tenant-ID", tenant), ("Content-Type", "application/json"), ("X-Min-Position", &self.seen)];
        let headers = [&fixed, headers].concat();
        let (path, body) = (route.path.replace("{guest}", guest), route.body.replace("{guest}", guest));
        if path.ends_with("/live") {
            let bearer = self.world.bearer(tenant);
            let is_signed = headers.iter().any(|(name, _)| *name == "Authorization");
            let token = (!is_signed).then_some(("Authorization", bearer.as_str()));
            let headers: Vec<_> = headers.iter().copied().chain(token).collect();
            let opened = Events::open(&format!("{}{path}", self.services.query.url()), &headers).await;
            return opened.map_or_else(|refused| refused, |_| (StatusCode::OK, serde_json::json!({})));
        }
        let answer = self.client.http(route.method.clone(), &path, &headers, &body).await;
        (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
    }
}

/// An answer without what names this one occurrence.
fn bare((status, mut body): (StatusCode, Value)) -> (StatusCode, Value) {
    body.as_object_mut().expect("an object").remove("instance");
    (status, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_route_takes_its_own_scope_and_no_other() {
    let scene = Scene::start().await;
    for route in &routes() {
        for scope in Scope::ALL {
            let grant = Grant { roles: Vec::new(), scopes: vec![scope], ..Scene::person(Role::Reader, "demo", "x") };
            let (status, body) = scene.ask(route, "ada", "demo", &grant).await;
            if scope == route.scope {
                assert!(status.is_success(), "{} {} with {scope}: {body}", route.method, route.path);
            } else {
                assert_eq!(body["code"], "scope_missing", "{} {} with {scope}", route.method, route.path);
                assert!(body["detail"].as_str().expect("a detail").contains(route.scope.name()), "{body}");
            }
        }
    }
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_without_a_token_for_the_tenant_is_let_in() {
    let scene = Scene::start().await;
    let stranger = Scene::person(Role::Admin, "other", "x");
    let service =
        Bearer::Service { tenants: vec!["other".to_owned(), "demo".to_owned()], service_id: "both".to_owned() };
    let service = Grant { bearer: service, ..stranger.clone() };
    for route in &routes() {
        let what = format!("{} {}", route.method, route.path);
        for header in ["", "Basic YTpi", "Bearer", "Token x"] {
            let (status, body) = scene.ask_with(route, "ada", "demo", &[("Authorization", header)]).await;
            assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &"token_missing".into()), "{what} {header}");
        }
        if route.method == Method::GET {
            let headers = [("X-Tenant-ID", "demo"), ("Authorization", "")];
            let head = scene.client.http(Method::HEAD, &route.path.replace("{guest}", "ada"), &headers, "").await;
            assert_eq!(head.status, StatusCode::UNAUTHORIZED, "HEAD {}", route.path);
        }
        let (status, body) = scene.ask_with(route, "ada", "demo", &[("Authorization", "Bearer a.b.c")]).await;
        assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &"token_invalid".into()), "{what}");
        for tenant in ["demo", "nobody"] {
            let (status, body) = scene.ask(route, "ada", tenant, &stranger).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::FORBIDDEN, &"tenant_mismatch".into()),
                "{what} of {tenant}"
            );
        }
        let (status, body) = scene.ask(route, "ada", "demo", &service).await;
        assert!(status.is_success(), "{what}: {body}");
    }
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_of_others_are_answered_like_nobody() {
    let scene = Scene::start().await;
    let (ada, stranger) = (Scene::person(Role::Guest, "demo", "ada"), Scene::person(Role::Admin, "other", "x"));
    for route in routes().iter().filter(|route| route.names_a_guest) {
        let what = format!("{} {}", route.method, route.path);
        let foreign = bare(scene.ask(route, &scene.ada, "other", &stranger).await);
        assert_eq!(foreign.1["code"], "guest_not_found", "{what}");
        assert_eq!(foreign, bare(scene.ask(route, ABSENT, "other", &stranger).await), "{what}: of another tenant");

        let absent = bare(scene.ask(route, ABSENT, "demo", &ada).await);
        assert_eq!(absent, foreign, "{what}: to a guest as to anybody");
        for other in ["bob", scene.bob.as_str(), "nobody"] {
            assert_eq!(bare(scene.ask(route, other, "demo", &ada).await), absent, "{what}: another guest");
        }
        for own in ["ada", scene.ada.as_str()] {
            let (status, body) = scene.ask(route, own, "demo", &ada).await;
            assert!(status.is_success(), "{what}: its own: {body}");
        }
    }
    let nobody_yet = Scene::person(Role::Guest, "demo", "eve");
    for route in routes().iter().filter(|route| route.names_a_guest) {
        for other in ["ada", ABSENT, "eve"] {
            let (_, body) = scene.ask(route, other, "demo", &nobody_yet).await;
            assert_eq!(body["code"], "guest_not_found", "{} {}: {body}", route.method, route.path);
        }
    }
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_reads_its_own_profile_without_knowing_its_id() {
    let scene = Scene::start().await;
    for path in ["/guests/me/profile", "/api/v1/guests/me/profile"] {
        let own = Route { path, ..Route::own_profile() };
        let (status, profile) = scene.ask(&own, "", "demo", &Scene::person(Role::Guest, "demo", "ada")).await;
        assert_eq!((status, &profile["guest_id"]), (StatusCode::OK, &scene.ada.as_str().into()), "{profile}");
        let (status, nobody_yet) = scene.ask(&own, "", "demo", &Scene::person(Role::Guest, "demo", "eve")).await;
        assert_eq!((status, &nobody_yet["code"]), (StatusCode::NOT_FOUND, &"no_profile".into()));
        let (status, no_guest) = scene.ask(&own, "", "demo", &Scene::person(Role::Admin, "demo", "ada")).await;
        assert_eq!((status, &no_guest["code"]), (StatusCode::FORBIDDEN, &"wrong_principal".into()));
    }
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_registers_itself_and_nobody_else() {
    let scene = Scene::start().await;
    let eve = Scene::person(Role::Guest, "demo", "eve");
    let register = |body: &'static str| Route { body, ..Route::post("/users", Scope::GuestWrite) };
    for body in [r#"{"user_id":"bob"}"#, r#"{"user_id":"eve","namespace":"email"}"#, "{}"] {
        let (status, answer) = scene.ask(&register(body), "", "demo", &eve).await;
        assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &"wrong_principal".into()), "{body}");
    }
    // What is known of a guest is for its tenant to say.
    let ada = Scene::person(Role::Guest, "demo", "ada");
    for route in routes().iter().filter(|route| route.scope == Scope::GuestWrite && route.path.contains("{guest}")) {
        for guest in ["ada", "bob", ABSENT] {
            let (status, answer) = scene.ask(route, guest, "demo", &ada).await;
            assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &"wrong_principal".into()), "{}", route.path);
        }
    }
    let (status, answer) = scene.ask(&register(r#"{"user_id":" eve "}"#), "", "demo", &eve).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let token = answer["consistency_token"].as_str().expect("a token");
    let profile = scene.client.with(&eve).read("/users/eve", token).await;
    assert_eq!(profile["guest_id"], answer["guest_id"]);
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_leaves_the_verdicts_of_others_alone() {
    let scene = Scene::start().await;
    let ada = Scene::person(Role::Guest, "demo", "ada");
    let known = scene.client.known_of("known").await;
    let route = Route::post("/event", Scope::InteractionWrite);
    let body = r#"{"user_id":"ada","event_name":"order.created","event_at":"2026-03-01T10:00:00Z"}"#;
    let bearer = format!("Bearer {}", scene.world.issuer.token(&ada));
    let headers = [("Authorization", bearer.as_str()), ("Prefer", "respond-async"), ("Idempotency-Key", "known")];
    let (_, answer) = scene.ask_with(&Route { body, ..route }, "", "demo", &headers).await;
    assert_ne!(answer["status"], "pending", "it is carried out, or refused, at once: {answer}");
    assert_eq!(scene.client.known_of("known").await, known);
    scene.services.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_an_issuer_are_fetched_rotated_and_outlive_its_absence() {
    let world = World::start().await;
    let mut issuer = Issuer::start(world.folder()).await;
    let command = services::command_with(&world, &[("KEEPSAKE_ISSUERS_FILE", issuer.file())]).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    let status = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("X-Tenant-ID", "demo")];
        client.http(Method::GET, "/api/v1/commands/none", &headers, "").await.status
    };
    let first = issuer.token("first");
    assert_eq!(status(&first).await, StatusCode::NOT_FOUND, "let in");
    assert_eq!(status(&issuer.token_for("first", "shop-admin")).await, StatusCode::UNAUTHORIZED, "another audience");
    assert_eq!(status(&issuer.token("second")).await, StatusCode::UNAUTHORIZED, "not published yet");
    issuer.publish(&["first", "second"]);
    eventually("the new key is known", async || {
        (status(&issuer.token("second")).await == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    issuer.stop().await;
    assert_eq!(status(&issuer.token("first")).await, StatusCode::NOT_FOUND, "its keys are known");
    assert_eq!(status(&issuer.token("third")).await, StatusCode::UNAUTHORIZED);
    command.stop().await.expect("stops");

    let command = services::command_with(&world, &[("KEEPSAKE_ISSUERS_FILE", issuer.file())]).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    let bearer = format!("Bearer {first}");
    let headers = [("Authorization", bearer.as_str()), ("X-Tenant-ID", "demo")];
    let answer = client.http(Method::GET, "/api/v1/commands/none", &headers, "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "nobody's word can be checked");
    assert!(answer.headers.contains_key("retry-after"));
    command.stop().await.expect("stops");
}
