//! `/api/v1/api-keys`: keys of the tenant in `X-Tenant-ID`. They are credentials, not events: issuing and revoking stand in the audit
//! trail and nowhere in the log.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use runtime::auth::{Principal, Role, Scope};
use runtime::body;
use runtime::clock;
use runtime::problem::Problem;
use runtime::tenant::{RequestTenant, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vault::audit::{Act, Chain, Entries, Entry};
use vault::{ApiKeyInfo, IssuedApiKey, NewApiKey, Vault};

use super::Door;
use crate::error::Fault;
use crate::ingress::decode;

const MAX_NAME_BYTES: usize = 64;
const ISSUE: Act = Act::new("api_key.issue");
const REVOKE: Act = Act::new("api_key.revoke");
/// The answer holds the key.
const NOT_KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// Who asks, and for which tenant.
pub(super) struct Admin {
    vault: Vault,
    tenant: Tenant,
    principal: Principal,
}

/// The same with what a key is to be.
pub(super) struct Issue {
    admin: Admin,
    wanted: Wanted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    key_id: &'a str,
    name: &'a str,
    scopes: Vec<&'static str>,
    issued_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

impl Admin {
    async fn record(&self, act: Act, detail: String) -> Result<(), Fault> {
        let entry = Entry { detail, ..Entry::now(self.vault.actor(&self.principal), act) };
        let mut entries = Entries::new(Chain::Tenant(self.tenant.clone()), &[entry]);
        Ok(self.vault.record(&mut entries).await?)
    }
}

impl FromRequestParts<Door> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        let RequestTenant(tenant) = RequestTenant::from_request_parts(parts, door).await?;
        let principal = Principal::from_request_parts(parts, door).await?;
        Ok(Self { vault: door.vault.clone(), tenant, principal })
    }
}

impl FromRequest<Door> for Issue {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        let (mut parts, body): (_, Body) = request.into_parts();
        let admin = Admin::from_request_parts(&mut parts, door).await?;
        // Revoking is for suspended tenants, too.
        door.executor.require_active(&admin.tenant).await?;
        let json = body::json_bytes(&parts.headers, body).await?;
        Ok(Self { admin, wanted: decode::json(&json)? })
    }
}

/// Makes a key, which is told this once.
pub(super) async fn issue(Issue { admin, wanted }: Issue) -> Result<Response, Problem> {
    let scopes = wanted.scopes()?;
    if let Some(scope) = scopes.iter().find(|scope| !admin.principal.may(**scope)) {
        return Err(Problem::forbidden("scope_missing", format!("nobody gives what they lack: {scope}")));
    }
    let (name, expires_at) = (wanted.name()?, wanted.expires_at()?);
    let key_id = admin.vault.new_api_key_id().map_err(Fault::from)?;
    let new = NewApiKey { key_id, tenant: admin.tenant.clone(), name, scopes, expires_at };
    let issued = to_its_end(async move {
        admin.record(ISSUE, detail(&new)).await?;
        Ok(admin.vault.issue_api_key(&new).await?)
    });
    let Some(IssuedApiKey { info, key }) = issued.await? else {
        let detail = "two keys of this name are active, or 500 of the tenant: revoke one of them first";
        return Err(Problem::new(StatusCode::CONFLICT, "api_key_limit", detail));
    };
    let mut shown = json!(Shown::of(&info));
    shown["key"] = json!(*key);
    Ok((StatusCode::CREATED, [NOT_KEPT], Json(shown)).into_response())
}

/// A caller who hangs up does not stop half-way what is on record.
async fn to_its_end<T: Send + 'static>(
    act: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Problem> {
    Ok(tokio::spawn(act).await.map_err(|panic| Problem::internal(&panic))??)
}

/// The keys the tenant has, and has had of late; nothing of the keys themselves.
pub(super) async fn list(admin: Admin) -> Result<Response, Problem> {
    let keys = admin.vault.api_keys_of(&admin.tenant).await.map_err(Fault::from)?;
    let shown: Vec<_> = keys.iter().map(Shown::of).collect();
    Ok(([NOT_KEPT], Json(json!({ "data": shown }))).into_response())
}

/// Ends a key; done again, it changes nothing.
pub(super) async fn revoke(admin: Admin, path: Result<Path<String>, PathRejection>) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found("api_key_not_found", "this tenant has no such key");
    let Path(key_id) = path.map_err(|_| unknown())?;
    let is_plain = key_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || key_id.len() > MAX_NAME_BYTES {
        return Err(unknown());
    }
    let revoked = to_its_end(async move {
        admin.record(REVOKE, format!("key {key_id}")).await?;
        Ok(admin.vault.revoke_api_key(&admin.tenant, &key_id).await?)
    });
    if revoked.await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

impl Wanted {
    fn name(&self) -> Result<String, Problem> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.bytes().all(is_word) {
            let detail = format!("takes 1 to {MAX_NAME_BYTES} characters of a-z, 0-9, `.`, `_` and `-`");
            return Err(Problem::unprocessable("validation_failed", detail).at("#/name"));
        }
        Ok(self.name.clone())
    }

    fn scopes(&self) -> Result<Vec<Scope>, Problem> {
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

    fn expires_at(&self) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = &self.expires_at else { return Ok(None) };
        let at = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc));
        at.filter(|at| *at > clock::now()).map(Some).ok_or_else(|| {
            Problem::unprocessable("validation_failed", "takes an instant to come, as RFC 3339 has it")
                .at("#/expires_at")
        })
    }
}

impl<'a> Shown<'a> {
    fn of(key: &'a ApiKeyInfo) -> Self {
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
fn detail(new: &NewApiKey) -> String {
    let NewApiKey { key_id, name, scopes, expires_at, .. } = new;
    let until =
        expires_at.map_or_else(String::new, |at| format!(" until {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    format!("key {key_id} of {name}{until}: {}", names(scopes).join(" "))
}

fn names(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.name()).collect()
}
