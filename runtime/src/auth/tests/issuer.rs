//! An issuer of tokens with keys of its own, made for one test.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{ApiKeys, Auth, AuthSettings, KeptKey, KeysAway};

pub(super) const ISSUER: &str = "https://issuer.example";
pub(super) const AUDIENCE: &str = "keepsake";

pub(super) struct Issuer {
    folder: TempDir,
    ed25519: Ed25519KeyPair,
    es256: EcdsaKeyPair,
    random: SystemRandom,
}

impl Issuer {
    pub(super) fn start() -> Self {
        let random = SystemRandom::new();
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed25519 = Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap();
        let es256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let es256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, es256.as_ref(), &random).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let point = es256.public_key().as_ref();
        let keys = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ed25519.public_key().as_ref())},
            {"kty": "EC", "crv": "P-256", "kid": "es", "alg": "ES256", "use": "sig", "x": encode(&point[1..33]), "y": encode(&point[33..])},
        ]});
        std::fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
        let issuers = json!({"audience": AUDIENCE, "issuers": [
            {"issuer": ISSUER, "keys": "keys.json", "algorithms": ["EdDSA", "ES256"]},
        ]});
        std::fs::write(folder.path().join("issuers.json"), issuers.to_string()).unwrap();
        Self { folder, ed25519, es256, random }
    }

    /// Its keys from now on; the Ed25519 one is another, under the same id.
    pub(super) fn replace_key(&mut self) {
        let Self { folder, ed25519, .. } = Self::start();
        self.ed25519 = ed25519;
        std::fs::copy(folder.path().join("keys.json"), self.folder.path().join("keys.json")).unwrap();
    }

    /// What trusts it for less.
    pub(super) fn auth_with(&self, name: &str, value: Value) -> Auth {
        let file = self.folder.path().join("issuers.json");
        let mut issuers: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        issuers["issuers"][0][name] = value;
        std::fs::write(&file, issuers.to_string()).unwrap();
        self.auth()
    }

    pub(super) fn auth(&self) -> Auth {
        let issuers_file = Some(self.folder.path().join("issuers.json"));
        Auth::new(&AuthSettings { issuers_file, is_production: true }, Arc::new(NoKeys)).unwrap()
    }

    pub(super) fn ed25519(&self, claims: &Value) -> String {
        self.ed25519_of(r#"{"alg":"EdDSA","kid":"ed","typ":"at+jwt"}"#, &claims.to_string())
    }

    /// Signed as it stands, whatever it says.
    pub(super) fn ed25519_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        format!("{signed}.{}", encode(self.ed25519.sign(signed.as_bytes()).as_ref()))
    }

    pub(super) fn es256(&self, claims: &Value) -> String {
        let header = encode(br#"{"alg":"ES256","kid":"es"}"#);
        let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
        format!("{signed}.{}", encode(self.es256.sign(&self.random, signed.as_bytes()).unwrap().as_ref()))
    }
}

/// Here, nobody has an API key.
struct NoKeys;

impl ApiKeys for NoKeys {
    fn find<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<KeptKey>, KeysAway>> {
        Box::pin(async { Ok(None) })
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
