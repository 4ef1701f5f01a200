//! Why the read database cannot be made, brought up to date, connected to, or asked.

use deadpool_postgres::{BuildError, PoolError};

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the address of the read database is not a Postgres URL")]
    Address(#[source] tokio_postgres::Error),
    #[error("the connection pool cannot be made")]
    Pool(#[from] BuildError),
    #[error("the read database cannot be reached")]
    Unavailable(#[from] PoolError),
    #[error("the read models were folded from another log, {0}")]
    OtherLog(String),
    #[error("the read database did not answer in time")]
    Late,
    #[error("the read database did not take a statement")]
    Database(#[from] tokio_postgres::Error),
    #[error("the SQL of {name} fails")]
    Sql { name: &'static str, source: tokio_postgres::Error },
    #[error("there is no SQL of read model {0} in this binary")]
    NoSql(&'static str),
    #[error("there is no generation {0}: `keepsake rebuild` shows those there are")]
    NoGeneration(i32),
    #[error("generation {0} is the one that is read: switch to another one first")]
    Live(i32),
    #[error("migration {0} was changed after it had been applied: restore it, and append a new file instead")]
    MigrationChanged(&'static str),
    #[error("the read database has migration {0}, which this binary does not know: run a newer keepsake")]
    MigrationUnknown(String),
    #[error("the read database would not keep tenants apart: {}", .0.join("; "))]
    Unsafe(Vec<String>),
}
