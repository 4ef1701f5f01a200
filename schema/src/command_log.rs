//! Asking the command log: the one read model that the command side reads, as a role that sees nothing else.

use std::time::Duration;

use deadpool_postgres::Pool;
use runtime::config::Secret;
use sha2::{Digest as _, Sha256};

use crate::error::SchemaError;

const POOL_SIZE: usize = 4;
/// Of one question, whatever holds it up.
const TIMEOUT: Duration = Duration::from_secs(3);

const FIND: &str = "
-- find_command()
SELECT c.position AS folded_to,
       ARRAY(SELECT l.position FROM read.command_log l WHERE l.tenant = $1 AND l.owner = $2 AND l.command = $3) AS found
FROM keepsake.checkpoint c
WHERE c.projection = 'command_log'";

/// What a command's id is in the command log, and wherever else many of them are kept.
pub fn command_hash(command_id: &str) -> u64 {
    let digest = Sha256::digest(command_id.as_bytes());
    u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
}

/// Where a command may have been carried out.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Log positions of commits whose command has this hash.
    pub positions: Vec<u64>,
    /// The log position up to which the answer holds.
    pub folded_to: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct CommandLog(Pool);

impl CommandLog {
    /// Prepares the connections; the first one is made when it is needed.
    pub fn connect(url: &Secret) -> Result<Self, SchemaError> {
        Ok(Self(crate::pool(url, POOL_SIZE)?))
    }

    /// The owner's commits under this hash, within 3 s.
    pub async fn find(&self, tenant: &str, owner: &str, command: u64) -> Result<Found, SchemaError> {
        tokio::time::timeout(TIMEOUT, self.ask(tenant, owner, command)).await.map_err(|_| SchemaError::Late)?
    }

    async fn ask(&self, tenant: &str, owner: &str, command: u64) -> Result<Found, SchemaError> {
        let connection = self.0.get().await?;
        let statement = connection.prepare_cached(FIND).await?;
        let Some(row) = connection.query_opt(&statement, &[&tenant, &owner, &command.cast_signed()]).await? else {
            return Ok(Found { positions: Vec::new(), folded_to: 0 });
        };
        let positions: Vec<i64> = row.try_get("found")?;
        Ok(Found {
            positions: positions.into_iter().map(i64::cast_unsigned).collect(),
            folded_to: row.try_get::<_, i64>("folded_to")?.cast_unsigned(),
        })
    }
}
