//! Which tenant an HTTP request is for: exactly one `X-Tenant-ID` header.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
pub use proto::subject::Tenant;

use crate::problem::Problem;

pub const TENANT_HEADER: &str = "X-Tenant-ID";

/// The tenant a request names; whether it exists is asked later.
#[derive(Clone, Debug)]
pub struct RequestTenant(pub Tenant);

impl<S: Sync> FromRequestParts<S> for RequestTenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        tenant_of(&parts.headers).map(Self)
    }
}

fn tenant_of(headers: &HeaderMap) -> Result<Tenant, Problem> {
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
