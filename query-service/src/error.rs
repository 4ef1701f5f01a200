//! Every way a read can end without an answer, and the one place that tells callers so.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use proto::identifier::InvalidIdentifier;
use runtime::http_client::HttpError;
use runtime::problem::Problem;
use tokio::task::JoinError;
use vault::VaultError;
use vault::audit::Full;

use crate::database::DatabaseFault;
use crate::position::Position;

const UNRECORDED: &str = "that personal data is read cannot be recorded now, and so it is not shown";

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the tenant is not provisioned")]
    TenantUnknown,
    #[error("the tenant is suspended")]
    TenantSuspended,
    #[error("no such guest")]
    GuestNotFound,
    #[error("{0}")]
    WrongPrincipal(&'static str),
    #[error("nobody registered the guest who asks")]
    NoProfile,
    #[error("no such route")]
    RouteNotFound,
    #[error("no such topic")]
    TopicNotFound,
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
    #[error("a character that cannot be stored")]
    Character,
    #[error("{0}")]
    Filter(&'static str),
    #[error("none of the fields there are")]
    Fields(&'static [&'static str]),
    #[error("not an order")]
    Order(&'static str),
    #[error("not a limit")]
    Limit,
    #[error("{0} is not an instant")]
    Date(&'static str),
    #[error("{0}")]
    Position(&'static str),
    #[error("not a cursor of this list")]
    Cursor,
    #[error("a cursor of another query")]
    CursorMismatch,
    #[error("the read model has not come as far")]
    Behind,
    #[error("commits of the guest from {0} on are parked")]
    GuestParked(Position),
    #[error(transparent)]
    Database(#[from] DatabaseFault),
    #[error("the vault does not answer: {0}")]
    VaultAway(String),
    #[error(transparent)]
    Vault(VaultError),
    #[error(transparent)]
    Unrecordable(#[from] Full),
    #[error("the command service is not there: {0}")]
    CommandServiceAway(HttpError),
    #[error("the command service took the request and gave no answer: {0}")]
    OutcomeUnknown(HttpError),
    #[error("the command service has never said what it takes")]
    ContractUnknown,
    #[error("the request body was not passed on whole")]
    Body(Problem),
    #[error(transparent)]
    Task(#[from] JoinError),
    #[error(transparent)]
    Encoding(#[from] serde_json::Error),
    #[error(transparent)]
    Response(#[from] axum::http::Error),
    #[error("an event cannot be written: {0}")]
    Stream(axum::Error),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TenantUnknown => Self::not_found("tenant_unknown", "this tenant is not provisioned"),
            Fault::TenantSuspended => {
                Self::new(StatusCode::FORBIDDEN, "tenant_suspended", "this tenant is suspended: nothing of it is read")
            }
            Fault::GuestNotFound => Self::not_found("guest_not_found", "this tenant knows no such guest"),
            Fault::WrongPrincipal(why) => Self::forbidden("wrong_principal", why),
            Fault::NoProfile => Self::not_found("no_profile", "nothing is known of you yet"),
            Fault::RouteNotFound => Self::not_found("route_not_found", "there is no such route"),
            Fault::TopicNotFound => Self::not_found("topic_not_found", "no interaction of this tenant has that topic"),
            Fault::Identifier(InvalidIdentifier::Blocked) => {
                Self::unprocessable("blocked_identifier", InvalidIdentifier::Blocked.to_string())
            }
            Fault::Identifier(reason) => Self::unprocessable("invalid_identifier", reason.to_string()),
            Fault::Character => Self::unprocessable("invalid_character", "the character U+0000 cannot be stored"),
            Fault::Filter(detail) => Self::unprocessable("invalid_filter", detail),
            Fault::Fields(known) => {
                Self::unprocessable("invalid_filter", format!("fields takes some of: {}", known.join(", ")))
            }
            Fault::Order(field) => {
                Self::unprocessable("invalid_filter", format!("sort takes {field} for oldest first, or -{field}"))
            }
            Fault::Limit => Self::unprocessable("invalid_limit", "limit takes a whole number from 1 to 500"),
            Fault::Date(name) => Self::unprocessable("invalid_date", not_a_date(name)),
            Fault::Position(detail) => Self::bad_request("invalid_position", detail),
            Fault::Cursor => Self::bad_request("invalid_cursor", "this cursor was not issued for this list"),
            Fault::CursorMismatch => Self::bad_request("cursor_mismatch", "this cursor was issued for other filters"),
            Fault::Behind => {
                Self::unavailable("read_model_behind", "the read model has not reached X-Min-Position in time")
            }
            Fault::GuestParked(_) => Self::unavailable(
                "guest_parked",
                "what happened to this guest of late cannot be shown until an operator has looked at it; read without X-Min-Position",
            ),
            Fault::Database(DatabaseFault::Overloaded) => {
                Self::unavailable("overloaded", "too many requests are under way")
            }
            Fault::Database(DatabaseFault::Away(_)) => {
                unavailable("database_unavailable", "the read models cannot be read now", &fault)
            }
            Fault::VaultAway(_) => unavailable("vault_unavailable", "identifiers cannot be looked up now", &fault),
            Fault::Unrecordable(_) => unavailable("audit_unavailable", UNRECORDED, &fault),
            Fault::CommandServiceAway(_) => {
                unavailable("command_service_unavailable", "commands cannot be taken now", &fault)
            }
            Fault::ContractUnknown => Self::unavailable(
                "command_service_unavailable",
                "what the command service takes is not known yet: ask again",
            ),
            Fault::OutcomeUnknown(_) => logged(&fault, unknown_outcome()),
            Fault::Body(problem) => problem,
            Fault::Database(DatabaseFault::Refused(_))
            | Fault::Vault(_)
            | Fault::Task(_)
            | Fault::Encoding(_)
            | Fault::Response(_)
            | Fault::Stream(_) => Self::internal(&fault),
        }
    }
}

fn not_a_date(name: &str) -> String {
    format!("{name} takes RFC 3339 with an offset: 2026-03-01T10:00:00+01:00")
}

fn unknown_outcome() -> Problem {
    let detail = "the command was passed on and no answer came; a retry with the same command id tells";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail).outcome_unknown()
}

fn unavailable(code: &'static str, detail: &str, fault: &Fault) -> Problem {
    logged(fault, Problem::unavailable(code, detail))
}

/// A dependency that is gone is told to the operator once per refused request, without the request.
fn logged(fault: &Fault, problem: Problem) -> Problem {
    tracing::warn!(problem.code = problem.code(), error = fault as &dyn std::error::Error, "request refused");
    problem
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::TenantUnknown => Self::TenantUnknown,
            VaultError::Unavailable(_) | VaultError::Database(_) | VaultError::Timeout | VaultError::Overloaded => {
                Self::VaultAway(error.to_string())
            }
            VaultError::Address(_)
            | VaultError::Key(_)
            | VaultError::WrongKeyFile(_)
            | VaultError::Seal(_)
            | VaultError::Corrupt(_) => Self::Vault(error),
        }
    }
}
