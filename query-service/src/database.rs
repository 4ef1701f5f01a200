//! The read database as a borrower of its connections meets it: bounded, and with few ways to fail.

use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType, Timeouts};
use scopeguard::ScopeGuard;
use tokio_postgres::error::SqlState;

/// For a connection to come free; longer queues are refused.
const WAIT: Duration = Duration::from_millis(500);
/// For a connection to come free, or be made.
const CONNECT: Duration = Duration::from_secs(2);
/// After this long Postgres is taken for gone; its own statement timeout is shorter.
const DEADLINE: Duration = Duration::from_secs(6);

/// Why nothing was read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DatabaseFault {
    #[error("no database connection came free in time")]
    Overloaded,
    #[error("the read database does not answer: {0}")]
    Away(String),
    #[error("the read database answered SQLSTATE {0}")]
    Refused(String),
}

/// Only the SQLSTATE is kept: Postgres' own words may repeat the values it was asked about.
impl From<tokio_postgres::Error> for DatabaseFault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE) => Self::Overloaded,
            Some(code) if is_going_away(code) => Self::Away(code.code().to_owned()),
            Some(code) => Self::Refused(code.code().to_owned()),
            None => Self::Away(error.to_string()),
        }
    }
}

/// Shutting down, starting up, or no connection left: a later attempt may succeed.
fn is_going_away(code: &SqlState) -> bool {
    ["57P", "08", "53"].iter().any(|class| code.code().starts_with(class))
}

impl From<PoolError> for DatabaseFault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::Overloaded,
            PoolError::Backend(error) => Self::from(error),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                Self::Away("no connection in time".to_owned())
            }
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Away("the connection pool is closed".to_owned())
            }
        }
    }
}

/// Runs `work` on a pooled connection, which goes back only when it ended: one on which it failed, was broken off or does not answer
/// in time is closed rather than given to the next request. So each is as clean as `work` leaves it.
pub(crate) async fn within_deadline<T>(
    pool: &Pool,
    work: impl AsyncFnOnce(&Object) -> Result<T, tokio_postgres::Error>,
) -> Result<T, DatabaseFault> {
    let connection = scopeguard::guard(connection(pool).await?, |connection| drop(Object::take(connection)));
    match tokio::time::timeout(DEADLINE, work(&connection)).await {
        Ok(Ok(done)) => {
            give_back(connection);
            Ok(done)
        }
        Ok(Err(error)) => {
            if is_harmless(&error) {
                give_back(connection);
            }
            Err(error.into())
        }
        Err(_) => Err(DatabaseFault::Away("no answer in time".to_owned())),
    }
}

fn give_back(connection: ScopeGuard<Object, impl FnOnce(Object)>) {
    drop(ScopeGuard::into_inner(connection));
}

/// A statement that took too long says nothing about its connection, and whoever is overloaded had better not connect anew.
fn is_harmless(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE))
}

async fn connection(pool: &Pool) -> Result<Object, DatabaseFault> {
    let timeouts = Timeouts { wait: Some(WAIT), create: None, recycle: None };
    // Of a pool whose connections all hang, each is tried in turn: the limit is for all of them together.
    let connection = tokio::time::timeout(CONNECT, pool.timeout_get(&timeouts)).await;
    Ok(connection.map_err(|_| DatabaseFault::Away("no connection in time".to_owned()))??)
}
