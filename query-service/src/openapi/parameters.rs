//! Parameters that several reads take.

use runtime::openapi::{header_parameter, path_parameter, query_parameter, text, whole_number};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::freshness::{MAX_WAIT_MS, MIN_POSITION_HEADER, WAIT_HEADER};
use crate::guest_path::GuestPath;
use crate::page::MAX_LIMIT;
use crate::read::Scope;

impl IntoParams for GuestPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = "Our id of the guest (`prf_…`), or an identifier of yours.";
        let namespace = "What kind of identifier it is when it is yours; `user_id` unless given.";
        vec![
            path_parameter("guest_id", id, text()),
            query_parameter("namespace", namespace, text().pattern(Some("^[a-z0-9_]{0,64}$"))),
        ]
    }
}

/// How fresh an answer must be.
impl IntoParams for Scope {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let position = "The consistency token of a write: the answer has seen that write.";
        let wait = "Milliseconds to wait for the read model to be there; 2,000 unless given.";
        vec![
            header_parameter(MIN_POSITION_HEADER, position, text().pattern(Some(r"^0\.[0-9]{1,18}$"))),
            header_parameter(WAIT_HEADER, wait, whole_number(0, MAX_WAIT_MS)),
        ]
    }
}

/// Of what has an entity tag.
pub(crate) enum IfNoneMatch {}

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The `ETag` of an answer you have: 304 while nothing has changed.";
        vec![header_parameter("If-None-Match", about, text())]
    }
}

/// Of what is answered member by member.
pub(crate) enum Selection {}

impl IntoParams for Selection {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Names of members with commas between them: only those are answered, of a list those of each item.";
        vec![query_parameter("fields", about, text())]
    }
}

/// Of lists.
pub(crate) enum Paging {}

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let cursor = "`cursor.next` of the page before, asked for with the same filters.";
        vec![
            query_parameter("limit", "Items of a page, at most; 50 unless given.", whole_number(1, MAX_LIMIT.into())),
            query_parameter("cursor", cursor, text()),
        ]
    }
}
