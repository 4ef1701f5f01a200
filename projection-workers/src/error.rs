//! Every way folding can fail, and what the worker does about it.
//!
//! Postgres repeats the values it refuses in its own words, so of its errors only the code and the place are kept.

use deadpool_postgres::PoolError;
use event_log::LogError;
use event_log::read::ReadError;
use proto::subject::LogSubject;
use tokio_postgres::error::{DbError, SqlState};
use vault::{OpenError, VaultError};

use crate::parking::Verdict;
use crate::projections;

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something is away for now: try again soon.
    Retry,
    /// Folding cannot go on until somebody mends keys, tables or the binary: try again now and then, never go past it.
    Halt,
    /// This worker must not fold at all.
    Stop,
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(
        "the read models were folded from log {known}, but this is log {found}: connect to the former log, or drop the read \
         database and run `keepsake migrate` to fold this one"
    )]
    OtherLog { known: String, found: String },
    #[error(
        "stream_regressed: the read models are at position {checkpoint}, but the log ends at {last}: commits were lost, so \
         restore the log, or drop the read database and run `keepsake migrate` to fold what is left"
    )]
    StreamRegressed { checkpoint: u64, last: u64 },
    #[error("the read models {0} are missing or made for another version: run `keepsake migrate`")]
    NotMigrated(String),
    #[error("another worker took the lane over, or the lanes were cut anew")]
    TakenOver,
    #[error("the writer broke off: {0}")]
    Panicked(String),
    #[error(transparent)]
    Unfolded(Box<Unfolded>),
    #[error("{}: {fault}", projections::ALL[*projection].name)]
    Unwritten { projection: usize, fault: Box<Self> },
    #[error(
        "more than {0} guests were parked within a minute, so it is hardly they who are at fault: see `keepsake parked list`; \
         folding goes on by itself, this slowly, or better with a binary that can fold them"
    )]
    ParkingFull(i64),
    #[error("{projection} wrote {written} of {given} rows: some are missing, or ahead of their checkpoint")]
    RowsAhead { projection: &'static str, given: usize, written: u64 },
    #[error("Postgres refused with SQLSTATE {code} {place}")]
    Refused { code: String, place: String },
    #[error("Postgres is away: {0}")]
    DatabaseAway(String),
    #[error("the read database holds a row that is none: {0}")]
    Corrupt(&'static str),
    #[error("the vault is away: {0}")]
    VaultAway(String),
    #[error("the vault gives no keys: {0}")]
    Vault(VaultError),
    #[error("the log has no commit at position {0}, which is parked: restore the log")]
    NotInTheLog(u64),
    #[error("the log is away: {0}")]
    Log(#[from] LogError),
    #[error("the log cannot be read: {}", chain(.0))]
    Read(#[from] ReadError),
    #[error("another process took the errand {0} over")]
    ErrandLost(String),
    #[error("a message to {subject} is not kept: {why}")]
    NotKept { subject: String, why: String },
    #[error(
        "the commit at position {position} cannot be published: {why}; nothing is passed over, so publishing goes on by itself with a \
         binary that knows it"
    )]
    Unpublishable { position: u64, why: String },
    #[error("a policy cannot read the commit at position {position}: {why}")]
    Unreadable { position: u64, why: String },
    #[error("no end after {0} s")]
    Timeout(u64),
}

/// One commit that cannot be folded.
#[derive(Debug, thiserror::Error)]
#[error("the commit at position {position} of {}, tenant {}, cannot be folded: {reason}", .subject.owner, .subject.tenant)]
pub struct Unfolded {
    pub(crate) position: i64,
    pub(crate) subject: LogSubject,
    /// By the read models of these places in the list.
    pub(crate) projections: Vec<usize>,
    pub(crate) reason: Unfoldable,
}

/// Why one commit cannot be folded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfoldable {
    #[error("it does not decode")]
    Undecodable(#[from] prost::DecodeError),
    #[error(transparent)]
    Sealed(#[from] OpenError),
    #[error("{0} is missing or out of range")]
    Field(&'static str),
}

impl Fault {
    /// Which commit is at fault, and for which read models, so that its owner can be set aside for them. `only` is whose a batch of
    /// one commit was, and where that is.
    pub(crate) fn verdicts(&self, only: Option<(&LogSubject, i64)>) -> Vec<Verdict> {
        if let Self::Unfolded(unfolded) = self {
            return unfolded.verdicts();
        }
        if let (Self::Unwritten { projection, fault }, Some((subject, position))) = (self, only)
            && fault.is_of_the_commits()
        {
            let (projection, subject, reason) = (*projection, subject.clone(), fault.to_string());
            return vec![Verdict { projection, subject, position, reason }];
        }
        Vec::new()
    }

    /// Without the read model it was met in.
    fn unwrapped(&self) -> &Self {
        if let Self::Unwritten { fault, .. } = self { fault } else { self }
    }

    /// Whether it only says that another statement of the same transaction has failed.
    pub(crate) fn is_of_a_broken_transaction(&self) -> bool {
        let code_of_it = SqlState::IN_FAILED_SQL_TRANSACTION.code();
        matches!(self.unwrapped(), Self::Refused { code, .. } if code == code_of_it)
    }

    /// Whether it took too long; Postgres says so of a statement with SQLSTATE 57014.
    pub(crate) fn is_late(&self) -> bool {
        let cancelled = SqlState::QUERY_CANCELED.code();
        let fault = self.unwrapped();
        matches!(fault, Self::Timeout(_)) || matches!(fault, Self::Refused { code, .. } if code == cancelled)
    }

    /// Whether it is what was to be written that was refused, and not somebody away.
    pub(crate) fn is_of_the_commits(&self) -> bool {
        matches!(self, Self::RowsAhead { .. })
            || matches!(self, Self::Refused { code, .. } if is_about_one_commit(code))
    }

    pub fn severity(&self) -> Severity {
        match self {
            Self::OtherLog { .. } | Self::StreamRegressed { .. } | Self::NotMigrated(_) => Severity::Stop,
            Self::Unfolded(_)
            | Self::RowsAhead { .. }
            | Self::ParkingFull(_)
            | Self::Corrupt(_)
            | Self::Unpublishable { .. }
            | Self::Unreadable { .. }
            | Self::Vault(_)
            | Self::Read(ReadError::Subject { .. } | ReadError::OutOfOrder { .. } | ReadError::Unplaced(_)) => {
                Severity::Halt
            }
            Self::Unwritten { fault, .. } => fault.severity(),
            Self::Refused { code, .. } if is_about_the_data(code) => Severity::Halt,
            Self::Read(_)
            | Self::TakenOver
            | Self::Refused { .. }
            | Self::Panicked(_)
            | Self::DatabaseAway(_)
            | Self::VaultAway(_)
            | Self::NotInTheLog(_)
            | Self::Log(_)
            | Self::ErrandLost(_)
            | Self::NotKept { .. }
            | Self::Timeout(_) => Severity::Retry,
        }
    }
}

/// Data exception, integrity violation, statement or right missing, program limit: the same will be refused again.
fn is_about_the_data(sql_state: &str) -> bool {
    ["22", "23", "42", "54"].iter().any(|class| sql_state.starts_with(class))
}

/// Of these it is what was to be written that is refused; a statement or a right that is missing is everybody's fault.
fn is_about_one_commit(sql_state: &str) -> bool {
    is_about_the_data(sql_state) && !sql_state.starts_with("42")
}

impl Unfolded {
    /// A key that is missing comes back, or others miss theirs, too: nobody is set aside for it.
    fn verdicts(&self) -> Vec<Verdict> {
        if matches!(self.reason, Unfoldable::Sealed(OpenError::MissingKey { .. })) {
            return Vec::new();
        }
        let Self { position, subject, projections, reason } = self;
        let verdict = |projection: &usize| Verdict {
            projection: *projection,
            subject: subject.clone(),
            position: *position,
            reason: reason.to_string(),
        };
        projections.iter().map(verdict).collect()
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&tokio_postgres::Error> for Fault {
    fn from(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => Self::Refused { code: refusal.code().code().to_owned(), place: place(refusal) },
            None => Self::DatabaseAway(chain(error)),
        }
    }
}

fn place(refusal: &DbError) -> String {
    let names = [refusal.schema(), refusal.table(), refusal.column(), refusal.constraint()];
    // What Postgres says about logins and missing databases names no values, and an operator needs it.
    let connecting = ["28", "3D", "57"].iter().any(|class| refusal.code().code().starts_with(class));
    let message = Some(refusal.message()).filter(|_| connecting || refusal.code() == &SqlState::UNDEFINED_TABLE);
    names.into_iter().chain([message]).flatten().collect::<Vec<_>>().join(" ")
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        Self::from(&error)
    }
}

impl From<&PoolError> for Fault {
    fn from(error: &PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Self::DatabaseAway("no connection in time".to_owned()),
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Unavailable(error) => Self::VaultAway(Self::from(&*error).to_string()),
            VaultError::Database(error) => Self::VaultAway(Self::from(&*error).to_string()),
            VaultError::Timeout | VaultError::Overloaded => Self::VaultAway(error.to_string()),
            other @ (VaultError::Address(_)
            | VaultError::Key(_)
            | VaultError::TenantUnknown
            | VaultError::WrongKeyFile(_)
            | VaultError::Seal(_)
            | VaultError::Corrupt(_)) => Self::Vault(other),
        }
    }
}

/// An error and everything behind it in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Severity {
        Fault::Refused { code: code.to_owned(), place: String::new() }.severity()
    }

    #[test]
    fn a_database_that_shuts_down_is_asked_again_and_bad_data_halts() {
        assert_eq!(["57P01", "53100", "40P01", "25006"].map(refused), [Severity::Retry; 4]);
        assert_eq!(["22021", "23505", "42P01", "54000"].map(refused), [Severity::Halt; 4]);
    }

    #[test]
    fn a_lost_log_stops_the_worker() {
        assert_eq!(Fault::StreamRegressed { checkpoint: 7, last: 3 }.severity(), Severity::Stop);
    }
}
