//! `POST /users`: registers a guest under the caller's id.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::guest::RegisterGuest;
use proto::guest::command::Kind;
use runtime::openapi::Responses;
use runtime::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoResponses, ToSchema};

use super::{Write, openapi};
use crate::ingress::decode;

/// A new user, in the words of the user service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// The caller's id of the user; without it the guest is known by our id alone. `userId`, too.
    #[serde(default, alias = "userId")]
    user_id: String,
    /// What kind of identifier `user_id` is; `user_id` when absent.
    #[serde(default)]
    namespace: String,
    /// What the caller knows about the user: a JSON object.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Box<RawValue>>,
}

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::carried_out(
            StatusCode::CREATED,
            &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, &[(409, "guest_conflict")]],
        )
    }
}

/// Register a guest
///
/// The same identifier always meets the same guest.
#[utoipa::path(
    post,
    path = "/users",
    operation_id = "register_user",
    tag = "guests",
    params(Write),
    request_body(content = NewUser, example = json!({
        "user_id": "ada@example.com", "namespace": "email", "attributes": {"plan": "gold"},
    })),
    responses(Answers)
)]
pub(super) async fn register(write: Write) -> Result<Response, Problem> {
    let NewUser { user_id, namespace, attributes } = decode::json(&write.json)?;
    let attributes = decode::object("attributes", attributes.as_deref())?;
    let command = Command::Guest(Kind::Register(RegisterGuest { identifier: user_id, namespace, attributes }));
    write.execute(command, StatusCode::CREATED).await
}
