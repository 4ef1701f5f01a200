//! An issuer of tokens for development: its key lies in a folder of this machine, and services in production do not trust it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use runtime::auth::{Role, Scope};
use runtime::clock;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::up::secrets;

/// The issuer's name, and whom its tokens are for.
const ISSUER: &str = "keepsake-development";
const DEVELOPMENT: &str = "development";
const AUDIENCE: &str = "keepsake";
const KEY_FILE: &str = "issuer.key";
const KEYS_FILE: &str = "keys.json";
const ISSUERS_FILE: &str = "issuers.json";
/// What a service's token may live at most where nothing else is said.
const SERVICE_SECONDS: i64 = 600;

pub struct DevIssuer {
    folder: PathBuf,
    key: Ed25519KeyPair,
}

/// Whom a token is for, and what its bearer may do.
#[derive(Clone, Debug)]
pub struct Grant {
    pub bearer: Bearer,
    pub roles: Vec<Role>,
    pub scopes: Vec<Scope>,
    pub seconds: i64,
}

#[derive(Clone, Debug)]
pub enum Bearer {
    Person { tenant: String, subject: String },
    Service { tenants: Vec<String>, service_id: String },
}

impl Grant {
    /// For somebody who may do everything in a tenant.
    pub fn admin(tenant: &str, seconds: i64) -> Self {
        let bearer = Bearer::Person { tenant: tenant.to_owned(), subject: "developer".to_owned() };
        Self { bearer, roles: vec![Role::Admin], scopes: Vec::new(), seconds }
    }
}

impl DevIssuer {
    /// Opens the issuer of this folder; makes it first where there is none.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let environment = std::env::var("KEEPSAKE_ENV").unwrap_or_else(|_| DEVELOPMENT.to_owned());
        let advice = "tokens for development are issued where KEEPSAKE_ENV is `development` or not set";
        anyhow::ensure!(environment == DEVELOPMENT, advice);
        let key_file = folder.join(KEY_FILE);
        if !key_file.exists() {
            let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
            let key = key.map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
            secrets::write(&key_file, key.as_ref())?;
        }
        let key = fs::read(&key_file).with_context(|| format!("{} cannot be read", key_file.display()))?;
        let key = Ed25519KeyPair::from_pkcs8(&key)
            .map_err(|_| anyhow::anyhow!("{} is no key: delete it, and another is made", key_file.display()))?;
        let issuer = Self { folder: folder.to_owned(), key };
        issuer.publish()?;
        Ok(issuer)
    }

    /// What `KEEPSAKE_ISSUERS_FILE` must name for its tokens to be taken.
    pub fn issuers_file(&self) -> PathBuf {
        self.folder.join(ISSUERS_FILE)
    }

    /// A signed token.
    pub fn token(&self, grant: &Grant) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.key_id(), "typ": "at+jwt"});
        let signed = format!("{}.{}", encode(&header), encode(&claims(grant)));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// Its key set, and the file that tells services to trust it.
    fn publish(&self) -> anyhow::Result<()> {
        let public = BASE64URL_NOPAD.encode(self.key.public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.key_id(), "x": public}]});
        let issuers = json!({"audience": AUDIENCE, "issuers": [
            {"issuer": ISSUER, "keys": KEYS_FILE, "algorithms": ["EdDSA"], "development": true},
        ]});
        for (name, content) in [(KEYS_FILE, keys), (ISSUERS_FILE, issuers)] {
            let (path, content) = (self.folder.join(name), format!("{content:#}\n"));
            // Services that run look into them at any time.
            if fs::read_to_string(&path).ok().as_deref() != Some(&content) {
                secrets::write(&path, content.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Another key has another id.
    fn key_id(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.key.public_key().as_ref())[..8])
    }
}

fn claims(grant: &Grant) -> Value {
    let now = clock::now().timestamp();
    let roles: Vec<_> = grant.roles.iter().map(|role| role.name()).collect();
    let scopes: Vec<_> = grant.scopes.iter().map(|scope| scope.name()).collect();
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "iat": now, "roles": roles, "scope": scopes.join(" ")});
    let (subject, seconds) = match &grant.bearer {
        Bearer::Person { tenant, subject } => {
            claims["clientInfo"] = json!({"client_id": "keepsake", "tenant": tenant});
            (subject, grant.seconds)
        }
        Bearer::Service { tenants, service_id } => {
            claims["serviceId"] = json!(service_id);
            claims["tenants"] = json!(tenants);
            (service_id, grant.seconds.min(SERVICE_SECONDS))
        }
    };
    claims["sub"] = json!(subject);
    claims["exp"] = json!(now + seconds);
    claims
}

fn encode(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}
