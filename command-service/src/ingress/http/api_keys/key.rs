//! An API key as it is asked for, and as it is shown.

use chrono::{DateTime, SecondsFormat, Utc};
use runtime::auth::{Role, Scope};
use runtime::clock;
use runtime::openapi::text;
use runtime::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder};
use vault::{ApiKeyInfo, NewApiKey};

pub(super) const MAX_NAME_BYTES: usize = 64;

/// What a key is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiKey)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Whose key it is; two active ones may share it, so that a key can be exchanged.
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    name: String,
    #[schema(schema_with = role_names)]
    #[serde(default)]
    roles: Vec<String>,
    #[schema(schema_with = scope_names)]
    #[serde(default)]
    scopes: Vec<String>,
    /// When it ends; never unless given.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key, without what is secret about it.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct Shown<'a> {
    key_id: &'a str,
    name: &'a str,
    scopes: Vec<&'static str>,
    #[schema(format = DateTime)]
    issued_at: String,
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
}

/// A key as it is told once.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedApiKey)]
pub(super) struct ShownOnce<'a> {
    #[serde(flatten)]
    pub(super) shown: Shown<'a>,
    /// The secret: what to send as `Authorization: Bearer …`.
    pub(super) key: &'a str,
}

/// Keys of a tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(super) struct Listed<'a> {
    pub(super) data: Vec<Shown<'a>>,
}

fn role_names() -> Array {
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Guest).map(Role::name);
    some_of(roles, "Each stands for several scopes. Roles or scopes have to be given.")
}

fn scope_names() -> Array {
    some_of(Scope::ALL.into_iter().map(Scope::name), "What it may do, one by one.")
}

fn some_of(names: impl Iterator<Item = &'static str>, about: &str) -> Array {
    let name = text().enum_values(Some(names));
    ArrayBuilder::new().items(name).description(Some(about)).build()
}

impl Wanted {
    pub(super) fn name(&self) -> Result<String, Problem> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.bytes().all(is_word) {
            let detail = format!("takes 1 to {MAX_NAME_BYTES} characters of a-z, 0-9, `.`, `_` and `-`");
            return Err(Problem::unprocessable("validation_failed", detail).at("#/name"));
        }
        Ok(self.name.clone())
    }

    pub(super) fn scopes(&self) -> Result<Vec<Scope>, Problem> {
        let refused = |field: &str, detail: &str| Problem::unprocessable("validation_failed", detail).at(field);
        let mut scopes: Vec<Scope> = Vec::new();
        for name in &self.roles {
            let role = Role::named(name).filter(|role| *role != Role::Guest);
            scopes.extend(role.ok_or_else(|| refused("#/roles", "takes reader, writer and admin"))?.all_scopes());
        }
        for name in &self.scopes {
            scopes.push(Scope::named(name).ok_or_else(|| refused("#/scopes", "one of these is no scope"))?);
        }
        if scopes.is_empty() {
            return Err(refused("#/scopes", "a key that may do nothing is of no use: say roles or scopes"));
        }
        Ok(Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect())
    }

    pub(super) fn expires_at(&self) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = &self.expires_at else { return Ok(None) };
        let at = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
        at.filter(|at| *at > clock::now()).map(Some).ok_or_else(|| {
            Problem::unprocessable("validation_failed", "takes an instant to come, as RFC 3339 has it")
                .at("#/expires_at")
        })
    }
}

impl<'a> Shown<'a> {
    pub(super) fn of(key: &'a ApiKeyInfo) -> Self {
        let text = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self {
            key_id: &key.key_id,
            name: &key.kept.name,
            scopes: names(&key.kept.scopes),
            issued_at: text(&key.issued_at),
            expires_at: key.kept.expires_at.as_ref().map(text),
            revoked_at: key.revoked_at.as_ref().map(text),
        }
    }
}

/// Of a key that is asked for: enough to find it again.
pub(super) fn detail(new: &NewApiKey) -> String {
    let NewApiKey { key_id, name, scopes, expires_at, .. } = new;
    let until =
        expires_at.map_or_else(String::new, |at| format!(" until {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    format!("key {key_id} of {name}{until}: {}", names(scopes).join(" "))
}

fn names(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.name()).collect()
}
