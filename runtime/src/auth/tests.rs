//! Tokens as issuers and attackers make them.

mod issuer;

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::principal::Actor;
use super::*;
use issuer::{AUDIENCE, ISSUER, Issuer};

fn now() -> i64 {
    clock::now().timestamp()
}

/// What a person's good token says.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|5f", "exp": now() + 300, "iat": now(), "scope": "profile:read",
        "clientInfo": {"client_id": "web", "tenant": "demo"},
    })
}

/// What a service's good token says.
fn of_service() -> Value {
    json!({
        "iss": ISSUER, "aud": [AUDIENCE], "sub": "booking", "exp": now() + 300, "iat": now(),
        "serviceId": "booking", "tenants": ["demo", "other"], "roles": ["writer"],
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

async fn asked(auth: &Auth, token: &str) -> Result<Principal, &'static str> {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
    auth.authenticate(&HeaderMap::from_iter([(header::AUTHORIZATION, value)])).await.map_err(|problem| problem.code())
}

#[tokio::test]
async fn good_tokens_say_who_comes_and_what_for() {
    let issuer = Issuer::start();
    for token in [issuer.ed25519(&claims()), issuer.es256(&claims())] {
        let person = asked(&issuer.auth(), &token).await.expect("taken");
        let expected = Actor::Person { client_id: "web".to_owned(), subject: "auth0|5f".to_owned() };
        assert!(*person.actor() == expected && person.own().is_none());
        assert!(person.may(Scope::ProfileRead) && !person.may(Scope::InteractionRead));
        assert!(person.is_of(&"demo".parse().expect("a tenant")) && !person.is_of(&"other".parse().expect("a tenant")));
    }
    let service = asked(&issuer.auth(), &issuer.ed25519(&of_service())).await.expect("taken");
    assert!(*service.actor() == Actor::Service { service_id: "booking".to_owned() });
    assert!(service.may(Scope::InteractionWrite) && !service.may(Scope::TenantAdmin));
    assert!(service.is_of(&"other".parse().expect("a tenant")) && !service.is_of(&"third".parse().expect("a tenant")));
}

#[tokio::test]
async fn a_guest_is_nothing_else_besides() {
    let issuer = Issuer::start();
    let claims = with(with(claims(), "roles", json!(["guest", "admin"])), "scope", json!("tenant:admin summary:read"));
    let guest = asked(&issuer.auth(), &issuer.ed25519(&claims)).await.expect("taken");
    assert_eq!(guest.own().map(|own| (own.namespace(), own.value())), Some(("user_id", "auth0|5f")));
    assert!(!guest.may(Scope::TenantAdmin) && !guest.may(Scope::SummaryRead) && guest.may(Scope::ProfileRead));
}

#[tokio::test]
async fn whatever_is_wrong_with_its_claims_a_token_is_refused() {
    let issuer = Issuer::start();
    let auth = issuer.auth();
    let (person, service) = (claims, of_service);
    let rows = [
        ("another issuer", with(person(), "iss", json!("https://evil.example"))),
        ("no issuer", without(person(), "iss")),
        ("another audience", with(person(), "aud", json!("another"))),
        ("audiences without us", with(person(), "aud", json!(["a", "b"]))),
        ("no audience", without(person(), "aud")),
        ("an audience that is none", with(person(), "aud", json!(7))),
        ("no end", without(person(), "exp")),
        ("its end in quotes", with(person(), "exp", json!((now() + 300).to_string()))),
        ("its end as null", with(person(), "exp", json!(null))),
        ("its start in quotes", with(person(), "nbf", json!("0"))),
        ("not yet", with(person(), "nbf", json!(now() + 300))),
        ("issued tomorrow", with(person(), "iat", json!(now() + 86_400))),
        ("issued and over tomorrow", with(with(person(), "iat", json!(now() + 86_400)), "exp", json!(now() - 300))),
        ("no subject", without(person(), "sub")),
        ("an empty subject", with(person(), "sub", json!(""))),
        ("a subject that is none", with(person(), "sub", json!(1))),
        ("a long subject", with(person(), "sub", json!("x".repeat(256)))),
        ("scopes as a list", with(person(), "scope", json!(["profile:read"]))),
        ("a scope that is a number", with(person(), "scope", json!(1))),
        ("roles as a text", with(person(), "roles", json!("admin"))),
        ("neither person nor service", without(person(), "clientInfo")),
        ("person and service", with(person(), "serviceId", json!("booking"))),
        ("a person of many tenants", with(person(), "tenants", json!(["demo"]))),
        ("a person of no tenant", with(person(), "clientInfo", json!({"client_id": "web"}))),
        ("a tenant for all", with(person(), "clientInfo", json!({"client_id": "web", "tenant": "*"}))),
        ("the system's own tenant", with(person(), "clientInfo", json!({"client_id": "web", "tenant": "_sys"}))),
        ("a service of no tenant", without(service(), "tenants")),
        ("a service of all tenants", with(service(), "tenants", json!(["*"]))),
        ("a service that is a guest", with(service(), "roles", json!(["guest"]))),
        ("a service for a day", with(service(), "exp", json!(now() + 86_400))),
        ("a service's without a start", without(service(), "iat")),
        ("a guest by another's name", with(with(person(), "roles", json!(["guest"])), "sub", json!("ada "))),
        ("a guest nobody can be", with(with(person(), "roles", json!(["guest"])), "sub", json!("undefined"))),
    ];
    for (what, claims) in rows {
        for token in [issuer.ed25519(&claims), issuer.es256(&claims)] {
            assert_eq!(asked(&auth, &token).await.err(), Some("token_invalid"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_token_expires_a_minute_after_its_end_also_when_it_was_known() {
    let issuer = Issuer::start();
    let auth = issuer.auth();
    assert!(asked(&auth, &issuer.ed25519(&with(claims(), "exp", json!(now() - 30)))).await.is_ok());
    let over = issuer.ed25519(&with(claims(), "exp", json!(now() - 61)));
    assert_eq!(asked(&auth, &over).await.err(), Some("token_expired"));
    let nearly = issuer.ed25519(&with(claims(), "exp", json!(now() - 59)));
    assert!(asked(&auth, &nearly).await.is_ok());
    let give_up = Instant::now() + Duration::from_secs(20);
    while asked(&auth, &nearly).await.is_ok() {
        assert!(Instant::now() < give_up, "it never expires");
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(&auth, &nearly).await.err(), Some("token_expired"));
}

#[tokio::test]
async fn whatever_its_header_tries_a_token_is_refused() {
    let issuer = Issuer::start();
    let auth = issuer.auth();
    let header = json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"});
    let rows = [
        ("no algorithm", without(header.clone(), "alg")),
        ("none", with(header.clone(), "alg", json!("none"))),
        ("None", with(header.clone(), "alg", json!("None"))),
        ("nOnE", with(header.clone(), "alg", json!("nOnE"))),
        ("a shared secret", with(header.clone(), "alg", json!("HS256"))),
        ("an algorithm of another key", with(header.clone(), "alg", json!("ES256"))),
        ("an algorithm the issuer does not use", with(header.clone(), "alg", json!("RS256"))),
        ("a key it brings along", with(header.clone(), "jwk", json!({"kty": "OKP"}))),
        ("a place for keys", with(header.clone(), "jku", json!("https://evil.example/keys"))),
        ("a place for certificates", with(header.clone(), "x5u", json!("https://evil.example/cert"))),
        ("certificates", with(header.clone(), "x5c", json!(["MIIB"]))),
        ("what must be understood", with(header.clone(), "crit", json!(["exp"]))),
        ("a payload not encoded", with(header.clone(), "b64", json!(false))),
        ("an encrypted one", with(header.clone(), "enc", json!("A128GCM"))),
        ("a packed one", with(header.clone(), "zip", json!("DEF"))),
        ("a token that signs somebody in", with(header.clone(), "typ", json!("id_token"))),
        ("no key id", without(header.clone(), "kid")),
        ("a path for a key id", with(header.clone(), "kid", json!("../../dev/null"))),
        ("SQL for a key id", with(header.clone(), "kid", json!("' OR 1=1 --"))),
        ("a long key id", with(header.clone(), "kid", json!("x".repeat(300)))),
        ("a key id that is none", with(header, "kid", json!(1))),
    ];
    for (what, header) in rows {
        let token = issuer.ed25519_of(&header.to_string(), &claims().to_string());
        assert_eq!(asked(&auth, &token).await.err(), Some("token_invalid"), "{what}");
    }
}

#[tokio::test]
async fn what_is_not_quite_a_token_is_refused() {
    let issuer = Issuer::start();
    let auth = issuer.auth();
    let good = issuer.ed25519(&claims());
    let (signed, signature) = good.rsplit_once('.').expect("a signature");
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let twice = claims().to_string().replacen('{', r#"{"sub":"admin","#, 1);
    let rows = [
        ("nothing", String::new()),
        ("a word", "hunter2".to_owned()),
        ("no signature", format!("{signed}.")),
        ("no signature at all", signed.to_owned()),
        ("half a signature", format!("{signed}.{}", &signature[..40])),
        ("padding", format!("{good}=")),
        ("another part", format!("{good}.{signature}")),
        ("a nested one", issuer.ed25519_of(header, &format!("\"{good}\""))),
        ("claims that stand twice", issuer.ed25519_of(header, &twice)),
        (
            "an algorithm that stands twice",
            issuer.ed25519_of(r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#, &claims().to_string()),
        ),
        ("a list", issuer.ed25519_of(header, "[]")),
        ("17 KiB", issuer.ed25519(&with(claims(), "more", json!("x".repeat(17 * 1024))))),
    ];
    for (what, token) in rows {
        assert_eq!(asked(&auth, &token).await.err(), Some("token_invalid"), "{what}");
    }
    let other = Issuer::start();
    assert_eq!(asked(&auth, &other.ed25519(&claims())).await.err(), Some("token_invalid"), "somebody else's key");
    assert!(asked(&auth, &good).await.is_ok(), "and the good one is");
}

#[tokio::test]
async fn the_header_holds_one_credential() {
    let issuer = Issuer::start();
    let auth = issuer.auth();
    let token = issuer.ed25519(&claims());
    let code = async |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().expect("a header value"));
        }
        auth.authenticate(&headers).await.err().map(|problem| problem.code())
    };
    assert_eq!(code(&[]).await, Some("token_missing"));
    assert_eq!(code(&["Basic dXNlcjpwYXNz"]).await, Some("token_missing"));
    assert_eq!(code(&["Bearer"]).await, Some("token_missing"));
    assert_eq!(code(&[&format!("bEARER {token}")]).await, None);
    assert_eq!(code(&[&format!("Bearer {token}"), "Bearer x"]).await, Some("malformed_header"));
}

#[tokio::test]
async fn an_issuer_is_taken_at_its_word_for_what_it_is_trusted_with() {
    let issuer = Issuer::start();
    let es256 = issuer.auth_with("algorithms", json!(["ES256"]));
    assert!(asked(&es256, &issuer.es256(&claims())).await.is_ok());
    assert_eq!(asked(&es256, &issuer.ed25519(&claims())).await.err(), Some("token_invalid"), "another algorithm");
    let issuer = Issuer::start();
    let for_demo = issuer.auth_with("tenants", json!(["demo"]));
    assert!(asked(&for_demo, &issuer.ed25519(&claims())).await.is_ok());
    assert_eq!(asked(&for_demo, &issuer.ed25519(&of_service())).await.err(), Some("token_invalid"), "another tenant");
    let longer = with(of_service(), "exp", json!(now() + 1_000));
    let issuer = Issuer::start();
    assert!(asked(&issuer.auth(), &issuer.ed25519(&longer)).await.is_err());
    assert!(asked(&issuer.auth_with("longest_service_token_s", json!(1_000)), &issuer.ed25519(&longer)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_replaced_under_its_id_is_asked_for() {
    let mut issuer = Issuer::start();
    let auth = issuer.auth();
    assert!(asked(&auth, &issuer.ed25519(&claims())).await.is_ok());
    issuer.replace_key();
    let token = issuer.ed25519(&claims());
    assert_eq!(asked(&auth, &token).await.err(), Some("token_invalid"), "the issuer was asked a moment ago");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(asked(&auth, &token).await.is_ok());
}
