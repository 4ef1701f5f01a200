//! An issuer that publishes its keys over HTTP, and can be away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use runtime::process::Ending;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 3] = ["first", "second", "third"];

pub(super) struct Issuer {
    keys: BTreeMap<&'static str, Ed25519KeyPair>,
    published: Arc<Mutex<Value>>,
    file: PathBuf,
    stop: CancellationToken,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Issuer {
    /// It publishes its first key; the file that trusts it is in `folder`.
    pub(super) async fn start(folder: &Path) -> Self {
        let key = |name| {
            let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
            (name, Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
        };
        let published = Arc::new(Mutex::new(Value::Null));
        let told = Arc::clone(&published);
        let keys = async move || axum::Json(told.lock().expect("not poisoned").clone());
        let listener = runtime::serve::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let router = Router::new().route("/keys", get(keys));
        let serving = Some(tokio::spawn(runtime::serve::serve(listener, router, Ending::with(stop.clone()))));
        let file = folder.join("issuers.json");
        let issuers = json!({"audience": "shop", "issuers": [
            {"issuer": "https://login.example", "keys": url, "algorithms": ["EdDSA"]},
        ]});
        std::fs::write(&file, issuers.to_string()).expect("writes");
        let issuer = Self { keys: NAMES.into_iter().map(key).collect(), published, file, stop, serving };
        issuer.publish(&["first"]);
        issuer
    }

    pub(super) fn file(&self) -> String {
        self.file.display().to_string()
    }

    pub(super) fn publish(&self, names: &[&str]) {
        let key = |name: &&str| {
            let public = BASE64URL_NOPAD.encode(self.keys[*name].public_key().as_ref());
            json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": public})
        };
        let keys: Vec<Value> = names.iter().map(key).collect();
        *self.published.lock().expect("not poisoned") = json!({"keys": keys});
    }

    /// Of an admin of `demo`; each is another one.
    pub(super) fn token(&self, name: &str) -> String {
        self.token_for(name, "shop")
    }

    /// The same, made out to another service.
    pub(super) fn token_for(&self, name: &str, audience: &str) -> String {
        let now = runtime::clock::now().timestamp();
        let encode = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
        let claims = json!({
            "iss": "https://login.example", "aud": [audience], "sub": "x", "exp": now + 600, "roles": ["admin"],
            "clientInfo": {"client_id": "web", "tenant": "demo"}, "jti": runtime::clock::random_id().to_string(),
        });
        let signed = format!("{}.{}", encode(&json!({"alg": "EdDSA", "kid": name})), encode(&claims));
        let signature = self.keys[name].sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        self.serving.take().expect("it runs").await.expect("ends").expect("served");
    }
}
