//! `/api/v1/api-keys`: keys of the tenant in `X-Tenant-ID`. They are credentials, not events: issuing and revoking stand in the audit
//! trail and nowhere in the log.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use runtime::auth::Principal;
use runtime::body;
use runtime::openapi::{Responses, refusals};
use runtime::problem::Problem;
use runtime::tenant::{RequestTenant, Tenant};
use utoipa::IntoResponses;
use vault::audit::{Act, Chain, Entries, Entry};
use vault::{IssuedApiKey, NewApiKey, Vault};

use super::{Door, openapi};
use crate::error::Fault;
use crate::ingress::decode;
use key::{Listed, MAX_NAME_BYTES, Shown, ShownOnce, Wanted, detail};

mod key;

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

pub(super) struct IssueAnswers;

impl IntoResponses for IssueAnswers {
    fn responses() -> Responses {
        openapi::refused(&[
            openapi::FOR_A_TENANT,
            &[(403, "scope_missing"), (409, "api_key_limit")],
            &[(503, "log_unavailable")],
        ])
    }
}

pub(super) struct ListAnswers;

impl IntoResponses for ListAnswers {
    fn responses() -> Responses {
        refusals(&[&[(404, "tenant_unknown"), (503, "overloaded")]])
    }
}

pub(super) struct RevokeAnswers;

impl IntoResponses for RevokeAnswers {
    fn responses() -> Responses {
        refusals(&[&[(404, "api_key_not_found"), (404, "tenant_unknown"), (503, "overloaded")]])
    }
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

/// Issue an API key
///
/// The key itself is told this once. Nobody gives what they lack.
#[utoipa::path(
    post,
    path = "/api-keys",
    operation_id = "issue_api_key",
    tag = "api-keys",
    request_body(content = Wanted, example = json!({"name": "nightly-export", "roles": ["reader"]})),
    responses((status = 201, description = "The key.", body = ShownOnce), IssueAnswers)
)]
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
    let shown = ShownOnce { shown: Shown::of(&info), key: &key };
    Ok((StatusCode::CREATED, [NOT_KEPT], Json(shown)).into_response())
}

/// A caller who hangs up does not stop half-way what is on record.
async fn to_its_end<T: Send + 'static>(
    act: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Problem> {
    Ok(tokio::spawn(act).await.map_err(|panic| Problem::internal(&panic))??)
}

/// List API keys
///
/// Those the tenant has, and has had of late; nothing of the keys themselves.
#[utoipa::path(
    get,
    path = "/api-keys",
    operation_id = "list_api_keys",
    tag = "api-keys",
    responses((status = 200, description = "The keys.", body = Listed), ListAnswers)
)]
pub(super) async fn list(admin: Admin) -> Result<Response, Problem> {
    let keys = admin.vault.api_keys_of(&admin.tenant).await.map_err(Fault::from)?;
    let listed = Listed { data: keys.iter().map(Shown::of).collect() };
    Ok(([NOT_KEPT], Json(listed)).into_response())
}

/// Revoke an API key
///
/// Done again, it changes nothing.
#[utoipa::path(
    delete,
    path = "/api-keys/{key_id}",
    operation_id = "revoke_api_key",
    tag = "api-keys",
    params(("key_id" = String, Path, description = "The id it is listed under.")),
    responses((status = 204, description = "It has ended."), RevokeAnswers)
)]
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
