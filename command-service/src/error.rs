//! How a command can end other than carried out, and the one place that says so to callers.

use axum::http::StatusCode;
use domain::{Rejection, RejectionKind};
use event_log::LogError;
use event_log::durability::Unproved;
use proto::subject::LogSubject;
use runtime::problem::Problem;
use schema::SchemaError;
use vault::{OpenError, SealError, VaultError};

use crate::appender::AppendFault;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The door could not make a command of the request.
    #[error("{}", .0.detail())]
    Refused(Problem),
    #[error("no such tenant")]
    TenantUnknown,
    #[error("a guest does what is about itself, and nothing else")]
    NotOwn,
    #[error("the command id was used for another command")]
    IdReused,
    #[error("the version in If-Match is not the present one: read it again")]
    Outdated,
    #[error("others changed the same guest again and again meanwhile")]
    VersionConflict,
    #[error("too many commands are under way")]
    Overloaded,
    #[error("the time the sender gave was over before the command was begun")]
    DeadlineExceeded,
    /// Of the streams beside the log.
    #[error("the durable intake cannot be reached")]
    Intake(#[source] LogError),
    #[error("the log cannot be reached")]
    Log(#[source] LogError),
    #[error("the log may lose what it acknowledges, so it is given nothing")]
    NotDurable(#[from] Unproved),
    #[error(transparent)]
    Append(#[from] AppendFault),
    /// The append may or may not have been stored, and the log does not say.
    #[error("the log did not say whether the command was stored")]
    OutcomeUnknown,
    /// Only for a command that may be an old one.
    #[error("whether the command was carried out before cannot be looked up")]
    CommandLog(#[source] SchemaError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("a stored commit cannot be read")]
    Unreadable(#[source] OpenError),
    /// Not erased, which the log would say, but gone.
    #[error("the vault has lost the key of a guest")]
    KeyMissing { subject: Box<LogSubject>, which: String },
    /// Nobody new is registered in a vault that has lost keys: it may be an old copy, and make a second guest of a known one.
    #[error("the vault has lost keys of guests: nobody is registered until they are back")]
    VaultIncomplete,
    #[error("an owner's state cannot be encoded")]
    Unencodable,
    #[error("an event cannot be sealed")]
    Seal(#[source] SealError),
    #[error("position {0} of the log does not hold a commit that follows the one before it")]
    Corrupt(u64),
}

impl Fault {
    /// What came after a commit was stored failed: whoever sends the command again has it done.
    pub(crate) fn half_done(fault: &Self) -> Self {
        tracing::warn!(error = fault as &dyn std::error::Error, "a command was stored, and not carried to its end");
        Self::OutcomeUnknown
    }

    /// Why a commit of this owner could not be opened.
    pub(crate) fn unreadable(subject: &LogSubject) -> impl Fn(OpenError) -> Self + use<'_> {
        |error| match error {
            OpenError::MissingKey { .. } => Self::key_missing(subject, &error),
            OpenError::Event(_) | OpenError::Forged(_) => Self::Unreadable(error),
        }
    }

    /// Why an event of this owner could not be sealed.
    pub(crate) fn unsealable(subject: &LogSubject) -> impl Fn(SealError) -> Self + use<'_> {
        |error| match error {
            SealError::MissingKey(_) => Self::key_missing(subject, &error),
            SealError::Unclassed { .. } | SealError::Fault(_) | SealError::Encoding => Self::Seal(error),
        }
    }

    fn key_missing(subject: &LogSubject, error: &dyn std::error::Error) -> Self {
        Self::KeyMissing { subject: Box::new(subject.clone()), which: error.to_string() }
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Rejected(rejection) => rejected(&rejection),
            Fault::Refused(problem) => problem,
            Fault::TenantUnknown => {
                Self::not_found("tenant_unknown", "no such tenant: it is provisioned before it is used")
            }
            Fault::NotOwn => Self::forbidden("wrong_principal", fault.to_string()),
            Fault::IdReused => Self::unprocessable("idempotency_key_reused", fault.to_string()),
            Fault::Outdated => Self::new(StatusCode::PRECONDITION_FAILED, "version_conflict", fault.to_string()),
            Fault::VersionConflict => {
                Self::new(StatusCode::CONFLICT, "version_conflict", fault.to_string()).retryable()
            }
            Fault::Overloaded => Self::unavailable("overloaded", fault.to_string()),
            Fault::DeadlineExceeded => Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", fault.to_string()),
            Fault::Intake(ref source) => unavailable("intake_unavailable", &fault, source),
            Fault::Log(ref source) => unavailable("log_unavailable", &fault, source),
            Fault::CommandLog(ref source) => unavailable("idempotency_unavailable", &fault, source),
            Fault::NotDurable(ref source) => unavailable("log_not_durable", &fault, source),
            Fault::Append(AppendFault::StorageFull) => Self::unavailable("storage_full", fault.to_string()),
            Fault::Append(AppendFault::Stopped) => Self::unavailable("stopping", fault.to_string()),
            Fault::KeyMissing { .. } | Fault::VaultIncomplete => Self::unavailable("key_missing", fault.to_string()),
            Fault::Vault(VaultError::Overloaded) => Self::from(Fault::Overloaded),
            Fault::Vault(VaultError::TenantUnknown) => Self::from(Fault::TenantUnknown),
            Fault::Vault(ref source @ (VaultError::Unavailable(_) | VaultError::Database(_) | VaultError::Timeout)) => {
                unavailable("vault_unavailable", source, source)
            }
            Fault::OutcomeUnknown => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", "send the command again with the same id")
                    .outcome_unknown()
            }
            Fault::Append(AppendFault::Refused(_))
            | Fault::Vault(_)
            | Fault::Unreadable(_)
            | Fault::Unencodable
            | Fault::Seal(_)
            | Fault::Corrupt(_) => Self::internal(&fault),
        }
    }
}

fn rejected(rejection: &Rejection) -> Problem {
    let status = match rejection.kind() {
        RejectionKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RejectionKind::NotFound => StatusCode::NOT_FOUND,
        RejectionKind::Conflict => StatusCode::CONFLICT,
        RejectionKind::Forbidden => StatusCode::FORBIDDEN,
    };
    let problem = Problem::new(status, rejection.code(), rejection.to_string());
    match rejection.field() {
        Some(field) => problem.at(format!("#/{field}")),
        None => problem,
    }
}

/// A dependency is away: the caller hears which, the log hears why.
fn unavailable(code: &'static str, what: &dyn std::error::Error, why: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::warn!(problem.code = code, error = why, "a dependency is away");
    Problem::unavailable(code, what.to_string())
}
