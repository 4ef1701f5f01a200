//! `POST /api/v1/tenants`: provisions the tenant that `X-Tenant-ID` names.

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
