//! Who is whom: identifiers of guests, logins, merges.

use axum::http::StatusCode;
use axum::response::Response;
use proto::Command;
use proto::guest::command::Kind;
use proto::guest::{IdentifyGuest, LinkIdentifier, MergeGuests, UnlinkIdentifier, UnmergeGuests};
use runtime::openapi::{Codes, Responses};
use runtime::problem::Problem;
use utoipa::IntoResponses;

use super::addressed::{Addressed, AddressedIdentifier};
use super::{Write, openapi};
use crate::ingress::decode;

const OF_A_KNOWN_GUEST: &Codes = &[(404, "guest_not_found"), (422, "invalid_filter"), (428, "precondition_required")];
const LINKING: &Codes = &[(409, "identifier_taken"), (409, "too_many_identifiers")];

/// What linking and unlinking say.
pub(super) struct Linked;

impl IntoResponses for Linked {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, OF_A_KNOWN_GUEST, LINKING])
    }
}

pub(super) struct Unlinked;

impl IntoResponses for Unlinked {
    fn responses() -> Responses {
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, OF_A_KNOWN_GUEST])
    }
}

pub(super) struct Identified;

impl IntoResponses for Identified {
    fn responses() -> Responses {
        let taken: &Codes = &[(409, "identifier_taken"), (409, "merged_already")];
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, taken])
    }
}

pub(super) struct Merged;

impl IntoResponses for Merged {
    fn responses() -> Responses {
        let of_two: &Codes = &[(409, "merged_already"), (409, "merged_with_itself"), (409, "too_many_members")];
        openapi::carried_out(StatusCode::OK, &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, OF_A_KNOWN_GUEST, of_two])
    }
}

pub(super) struct Unmerged;

impl IntoResponses for Unmerged {
    fn responses() -> Responses {
        let of_a_merge: &Codes = &[(404, "merge_not_found"), (409, "merged_further")];
        openapi::carried_out(
            StatusCode::OK,
            &[openapi::FOR_A_TENANT, openapi::FOR_A_GUEST, OF_A_KNOWN_GUEST, of_a_merge],
        )
    }
}

/// Link an identifier
///
/// The guest is known by it from now on, too. One that another guest is known by is refused.
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/identifiers",
    operation_id = "link_guest_identifier",
    tag = "identity",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/LinkIdentifier"), content_type = "application/json", example = json!({
        "identifier": "ada@example.com", "identifier_namespace": "email",
    })),
    responses(Linked)
)]
pub(super) async fn link(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let link = guest.command(&write, |link: &mut LinkIdentifier| (&mut link.guest_id, &mut link.namespace))?;
    write.execute(Command::Guest(Kind::Link(link)), StatusCode::OK).await
}

/// Unlink an identifier
///
/// From now on it names nobody, until it is linked or registered again.
#[utoipa::path(
    delete,
    path = "/guests/{guest_id}/identifiers/{identifier_namespace}/{identifier}",
    operation_id = "unlink_guest_identifier",
    tag = "identity",
    params(AddressedIdentifier, Write),
    responses(Unlinked)
)]
pub(super) async fn unlink(addressed: AddressedIdentifier, write: Write) -> Result<Response, Problem> {
    let AddressedIdentifier { guest, namespace: identifier_namespace, identifier } = addressed;
    let unlink =
        guest.command(&write, |unlink: &mut UnlinkIdentifier| (&mut unlink.guest_id, &mut unlink.namespace))?;
    let unlink = UnlinkIdentifier { identifier, identifier_namespace, ..unlink };
    write.execute(Command::Guest(Kind::Unlink(unlink)), StatusCode::OK).await
}

/// Say which user somebody anonymous is
///
/// Whom nobody knows is registered; what only one of the two ids names gets the other as well; an anonymous guest beside a known user
/// becomes part of it. Two guests who are both identified stay two, and the conflict is listed.
#[utoipa::path(
    post,
    path = "/guests/identify",
    operation_id = "identify_guest",
    tag = "identity",
    params(Write),
    request_body(content = ref("#/components/schemas/IdentifyGuest"), content_type = "application/json", example = json!({
        "user_id": "ada", "anonymous_id": "b3c8f0e2", "attributes": {"plan": "gold"},
    })),
    responses(Identified)
)]
pub(super) async fn identify(write: Write) -> Result<Response, Problem> {
    let identify: IdentifyGuest = decode::json(&write.json)?;
    write.execute(Command::Guest(Kind::Identify(identify)), StatusCode::OK).await
}

/// Merge two guests
///
/// Both are read as the one in the path from now on, by whichever id. Nothing is rewritten, and it can be undone.
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/merge",
    operation_id = "merge_guests",
    tag = "identity",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/MergeGuests"), content_type = "application/json", example = json!({
        "absorbed_id": "ada-at-work", "prefer_absorbed": ["address"], "reason": "she called",
    })),
    responses(Merged)
)]
pub(super) async fn merge(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let merge = guest.command(&write, |merge: &mut MergeGuests| (&mut merge.guest_id, &mut merge.namespace))?;
    write.execute(Command::Guest(Kind::Merge(merge)), StatusCode::OK).await
}

/// Undo a merge
///
/// Both guests are again what they were, and keep what was said of each since.
#[utoipa::path(
    post,
    path = "/guests/{guest_id}/unmerge",
    operation_id = "unmerge_guests",
    tag = "identity",
    params(Addressed, Write),
    request_body(content = ref("#/components/schemas/UnmergeGuests"), content_type = "application/json", example = json!({
        "merge_id": "mrg_019aa5b2c4d87f10a1b2c3d4e5f60718", "reason": "two people after all",
    })),
    responses(Unmerged)
)]
pub(super) async fn unmerge(guest: Addressed, write: Write) -> Result<Response, Problem> {
    let unmerge =
        guest.command(&write, |unmerge: &mut UnmergeGuests| (&mut unmerge.guest_id, &mut unmerge.namespace))?;
    write.execute(Command::Guest(Kind::Unmerge(unmerge)), StatusCode::OK).await
}
