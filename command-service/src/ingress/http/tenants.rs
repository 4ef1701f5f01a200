//! `POST /api/v1/tenants` provisions the tenant that `X-Tenant-ID` names; `…/{tenant}/suspend` and `…/{tenant}/resume` close it and
//! open it again; `PUT …/{tenant}/settings` says what was agreed with it.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::tenant::command::Kind;
use runtime::openapi::Responses;
use runtime::problem::Problem;
use utoipa::IntoResponses;

use super::{Write, openapi};
use crate::ingress::decode;

pub(super) struct Provisioned;

impl IntoResponses for Provisioned {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::CREATED, &[&[(403, "tenant_suspended"), (409, "tenant_conflict")]])
    }
}

pub(super) struct Changed;

impl IntoResponses for Changed {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, &[(422, "number_out_of_range")]])
    }
}

/// Provision a tenant
///
/// The one that `X-Tenant-ID` names; no other command makes a tenant exist.
#[utoipa::path(
    post,
    path = "/tenants",
    operation_id = "provision_tenant",
    tag = "tenants",
    params(Write),
    request_body(content = ref("#/components/schemas/ProvisionTenant"), content_type = "application/json", example = json!({"name": "Blue Note"})),
    responses(Provisioned)
)]
pub(super) async fn provision(write: Write) -> Result<Response, Problem> {
    let command = Command::Tenant(Kind::Provision(decode::json(&write.json)?));
    write.execute(command, StatusCode::CREATED).await
}

/// Suspend a tenant
///
/// From now on nothing is written for it, and nothing of it is read.
#[utoipa::path(
    post,
    path = "/tenants/{tenant}/suspend",
    operation_id = "suspend_tenant",
    tag = "tenants",
    params(("tenant" = String, Path, description = "The same as in `X-Tenant-ID`."), Write),
    request_body(content = ref("#/components/schemas/SuspendTenant"), content_type = "application/json", example = json!({"reason": "payment_overdue"})),
    responses(Changed)
)]
pub(super) async fn suspend(path: Result<Path<String>, PathRejection>, write: Write) -> Result<Response, Problem> {
    require_same(path, &write)?;
    let command = Command::Tenant(Kind::Suspend(decode::json(&write.json)?));
    write.execute(command, StatusCode::OK).await
}

/// Resume a tenant
#[utoipa::path(
    post,
    path = "/tenants/{tenant}/resume",
    operation_id = "resume_tenant",
    tag = "tenants",
    params(("tenant" = String, Path, description = "The same as in `X-Tenant-ID`."), Write),
    request_body(content = ref("#/components/schemas/ResumeTenant"), content_type = "application/json", example = json!({})),
    responses(Changed)
)]
pub(super) async fn resume(path: Result<Path<String>, PathRejection>, write: Write) -> Result<Response, Problem> {
    require_same(path, &write)?;
    let command = Command::Tenant(Kind::Resume(decode::json(&write.json)?));
    write.execute(command, StatusCode::OK).await
}

/// Replace a tenant's settings
///
/// All of them: what is not given is as the installation has it.
#[utoipa::path(
    put,
    path = "/tenants/{tenant}/settings",
    operation_id = "configure_tenant",
    tag = "tenants",
    params(("tenant" = String, Path, description = "The same as in `X-Tenant-ID`."), Write),
    request_body(content = ref("#/components/schemas/ConfigureTenant"), content_type = "application/json", example = json!({"requests_per_s": 500})),
    responses(Changed)
)]
pub(super) async fn configure(path: Result<Path<String>, PathRejection>, write: Write) -> Result<Response, Problem> {
    require_same(path, &write)?;
    let command = Command::Tenant(Kind::Configure(decode::json(&write.json)?));
    write.execute(command, StatusCode::OK).await
}

/// Header and path agree, or nobody knows whose tenant is meant.
fn require_same(path: Result<Path<String>, PathRejection>, write: &Write) -> Result<(), Problem> {
    if path.is_ok_and(|Path(named)| named == write.tenant.as_str()) {
        return Ok(());
    }
    let detail = "the tenant in the path is not the one in X-Tenant-ID";
    Err(Problem::new(StatusCode::FORBIDDEN, "tenant_mismatch", detail))
}
