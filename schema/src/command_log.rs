//! Asking the command log: the one read model that the command side reads, as a role that sees nothing else.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use runtime::config::Secret;

use crate::error::SchemaError;

const POOL_SIZE: usize = 4;
/// Of one question, whatever holds it up.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Which command a commit carried out that could not be folded is not known: it may be any.
const FIND: &str = "
-- find_command()
SELECT p.position AS folded_to, (SELECT log_id FROM keepsake.log) AS log_id,
       ARRAY(SELECT l.position FROM read.command_log l WHERE l.tenant = $1 AND l.owner = $2 AND l.command = $3
             UNION ALL
             SELECT s.position FROM keepsake.parked_commit s
             WHERE s.tenant = $1 AND s.owner = $2 AND s.projection = 'command_log') AS found
FROM keepsake.progress p
WHERE p.projection = 'command_log' AND p.pp = $4";

/// Where a command may have been carried out.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Log positions of commits whose command has this hash, or may have.
    pub positions: Vec<u64>,
    /// The log position up to which the answer holds.
    pub folded_to: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct CommandLog {
    pool: Pool,
    /// The log whose commits it must be about.
    log_id: Arc<str>,
}

impl CommandLog {
    /// Prepares the connections; the first one is made when it is needed.
    pub fn connect(url: &Secret, log_id: &str) -> Result<Self, SchemaError> {
        Ok(Self { pool: crate::pool(url, POOL_SIZE)?, log_id: log_id.into() })
    }

    /// The owner's commits under this hash, within 3 s. `pp` is the owner's virtual partition.
    pub async fn find(&self, tenant: &str, owner: &str, pp: u8, command: u64) -> Result<Found, SchemaError> {
        tokio::time::timeout(TIMEOUT, self.ask(tenant, owner, pp, command)).await.map_err(|_| SchemaError::Late)?
    }

    async fn ask(&self, tenant: &str, owner: &str, pp: u8, command: u64) -> Result<Found, SchemaError> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(FIND).await?;
        let (pp, command) = (i16::from(pp), command.cast_signed());
        let Some(row) = connection.query_opt(&statement, &[&tenant, &owner, &command, &pp]).await? else {
            return Ok(Found { positions: Vec::new(), folded_to: 0 });
        };
        let log_id: Option<&str> = row.try_get("log_id")?;
        if let Some(other) = log_id.filter(|log_id| **log_id != *self.log_id) {
            return Err(SchemaError::OtherLog(other.to_owned()));
        }
        let positions: Vec<i64> = row.try_get("found")?;
        Ok(Found {
            positions: positions.into_iter().map(i64::cast_unsigned).collect(),
            folded_to: row.try_get::<_, i64>("folded_to")?.cast_unsigned(),
        })
    }
}
