//! Which tenant an HTTP request is for: exactly one `X-Tenant-ID` header, and a credential for that tenant.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
pub use proto::subject::Tenant;

use crate::auth::Principal;
use crate::problem::Problem;

pub const TENANT_HEADER: &str = "X-Tenant-ID";

/// The tenant of a request whose sender may act for it; whether it exists is asked later.
#[derive(Clone, Debug)]
pub struct RequestTenant(pub Tenant);

/// Found only behind a gate: a route that nobody guards answers nobody.
impl<S: Sync> FromRequestParts<S> for RequestTenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal(&Unguarded))
    }
}

/// Who sends a request, known behind a gate.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal(&Unguarded))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the route stands before the gate that would say who comes")]
struct Unguarded;

/// The one tenant these headers name.
pub(crate) fn named_in(headers: &HeaderMap) -> Result<Tenant, Problem> {
    let mut values = headers.get_all(TENANT_HEADER).iter();
    let missing = || Problem::bad_request("tenant_missing", "every request names its tenant in the header X-Tenant-ID");
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(Problem::bad_request("tenant_ambiguous", "X-Tenant-ID is given more than once"));
    }
    let invalid =
        || Problem::bad_request("tenant_invalid", "X-Tenant-ID takes 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
    let tenant: Option<Tenant> = value.to_str().ok().and_then(|text| text.parse().ok());
    tenant.filter(|tenant| !tenant.is_system()).ok_or_else(invalid)
}
