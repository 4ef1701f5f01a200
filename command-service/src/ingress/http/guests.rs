//! `POST /users`: registers a guest under the caller's id.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::guest::RegisterGuest;
use proto::guest::command::Kind;
use runtime::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Write;
use crate::ingress::decode;

/// A new user, in the words of the user service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// The caller's id of the user; without it the guest is known by our id alone.
    #[serde(default, alias = "userId")]
    user_id: String,
    /// What kind of identifier `user_id` is; `user_id` when absent.
    #[serde(default)]
    namespace: String,
    /// What the caller knows about the user: a JSON object.
    attributes: Option<Box<RawValue>>,
}

pub(super) async fn register(write: Write) -> Result<Response, Problem> {
    let NewUser { user_id, namespace, attributes } = decode::json(&write.json)?;
    let attributes = decode::object("attributes", attributes.as_deref())?;
    let command = Command::Guest(Kind::Register(RegisterGuest { identifier: user_id, namespace, attributes }));
    write.execute(command, StatusCode::CREATED).await
}
