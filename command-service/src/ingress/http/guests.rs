//! What is known of guests: `POST /users` registers one under the caller's id, `PUT /users/{userId}` and `PATCH …/profile` change it.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::guest::command::Kind;
use proto::guest::{ActivateGuest, DeactivateGuest, RegisterGuest, ReplaceGuest, UpdateGuest};
use runtime::openapi::{Codes, Responses};
use runtime::problem::Problem;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoResponses, ToSchema};

use super::addressed::Addressed;
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

const CHANGED: &Codes = &[(404, "guest_not_found"), (422, "invalid_filter"), (428, "precondition_required")];

pub(super) struct Changed;

impl IntoResponses for Changed {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, CHANGED])
    }
}

pub(super) struct Updated;

impl IntoResponses for Updated {
    fn responses() -> Responses {
        let sums: &Codes = &[(422, "not_a_number"), (422, "number_out_of_range")];
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, CHANGED, sums])
    }
}

/// Replace what is known of a guest
///
/// All of it: an attribute that is not given is known no more.
#[utoipa::path(
    put,
    path = "/users/{guest_id}",
    operation_id = "replace_user",
    tag = "guests",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/ReplaceGuest"), content_type = "application/json", example = json!({
        "attributes": {"plan": "gold"},
    })),
    responses(Changed)
)]
pub(super) async fn replace(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let replace =
        guest.command(&write, |replace: &mut ReplaceGuest| (&mut replace.guest_id, &mut replace.namespace))?;
    write.execute(Command::Guest(Kind::Replace(replace)), StatusCode::OK).await
}

/// Change some of what is known of a guest
///
/// `attributes` is a JSON merge patch (RFC 7396): members replace those of their names, `null` takes one away. `increment` adds to numbers.
#[utoipa::path(
    patch,
    path = "/guests/{guest_id}/profile",
    operation_id = "update_guest_profile",
    tag = "guests",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/UpdateGuest"), content_type = "application/json", example = json!({
        "attributes": {"plan": "silver", "coupon": null}, "increment": {"visits": 1},
    })),
    responses(Updated)
)]
pub(super) async fn update(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let update = guest.command(&write, |update: &mut UpdateGuest| (&mut update.guest_id, &mut update.namespace))?;
    write.execute(Command::Guest(Kind::Update(update)), StatusCode::OK).await
}

/// Make a guest active again
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/activate",
    operation_id = "activate_guest",
    tag = "guests",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/ActivateGuest"), content_type = "application/json", example = json!({})),
    responses(Changed)
)]
pub(super) async fn activate(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let activate =
        guest.command(&write, |activate: &mut ActivateGuest| (&mut activate.guest_id, &mut activate.namespace))?;
    write.execute(Command::Guest(Kind::Activate(activate)), StatusCode::OK).await
}

/// Make a guest inactive
///
/// It is remembered and read as before, and says so: nothing is to be begun with it.
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/deactivate",
    operation_id = "deactivate_guest",
    tag = "guests",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/DeactivateGuest"), content_type = "application/json", example = json!({
        "reason": "moved away",
    })),
    responses(Changed)
)]
pub(super) async fn deactivate(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let deactivate = guest
        .command(&write, |deactivate: &mut DeactivateGuest| (&mut deactivate.guest_id, &mut deactivate.namespace))?;
    write.execute(Command::Guest(Kind::Deactivate(deactivate)), StatusCode::OK).await
}
