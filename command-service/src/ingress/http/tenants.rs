//! `POST /api/v1/tenants` provisions the tenant that `X-Tenant-ID` names; `…/{tenant}/suspend` and `…/{tenant}/resume` close it and
//! open it again; `PUT …/{tenant}/settings` says what was agreed with it.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::tenant::command::Kind;
use runtime::problem::Problem;

use super::Write;
use crate::ingress::decode;

pub(super) async fn provision(write: Write) -> Result<Response, Problem> {
    let command = Command::Tenant(Kind::Provision(decode::json(&write.json)?));
    write.execute(command, StatusCode::CREATED).await
}

pub(super) async fn suspend(path: Result<Path<String>, PathRejection>, write: Write) -> Result<Response, Problem> {
    require_same(path, &write)?;
    let command = Command::Tenant(Kind::Suspend(decode::json(&write.json)?));
    write.execute(command, StatusCode::OK).await
}

pub(super) async fn resume(path: Result<Path<String>, PathRejection>, write: Write) -> Result<Response, Problem> {
    require_same(path, &write)?;
    let command = Command::Tenant(Kind::Resume(decode::json(&write.json)?));
    write.execute(command, StatusCode::OK).await
}

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
