//! `GET /api/v1/guests/me/profile`: what is known of the guest who asks.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use proto::identifier::GuestRef;
use runtime::openapi::Responses;
use utoipa::IntoResponses;

use super::profile::{self, Profile};
use crate::Service;
use crate::error::Fault;
use crate::fields::Fields;
use crate::openapi::{self, ETAG, IfNoneMatch, Selection};
use crate::parameters::Parameters;
use crate::read::Scope;

const NO_GUEST: Fault = Fault::WrongPrincipal("this is for guests: your token is no guest's");

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::read_of_a_guest(&[ETAG], &[(403, "wrong_principal"), (404, "no_profile")])
    }
}

/// Read your own profile
///
/// Of the guest whose token it is: what is known of it, and of those it was merged with.
#[utoipa::path(
    get,
    path = "/guests/me/profile",
    operation_id = "get_own_profile",
    tag = "guests",
    params(Selection, Scope, IfNoneMatch),
    responses(
        (status = 200, description = "What is known.", body = Profile),
        (status = 304, description = "You have it."),
        Answers
    )
)]
pub(crate) async fn read(
    State(service): State<Service>,
    scope: Scope,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let fields = Fields::take::<Profile>(&mut parameters)?;
    parameters.finish()?;
    let own = scope.principal.own().cloned().ok_or(NO_GUEST)?;
    match profile::answer(&service, &scope, GuestRef::Theirs(own), fields, &headers).await {
        Err(Fault::GuestNotFound) => Err(Fault::NoProfile),
        answered => answered,
    }
}
