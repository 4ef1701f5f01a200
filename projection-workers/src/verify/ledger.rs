//! Counting the log again: what every checkpoint must say of the commits up to its position.

use deadpool_postgres::ClientWrapper;
use event_log::read::LogMessage;
use proto::subject::PARTITIONS;

use crate::checkpoint::sum_in;
use crate::error::Fault;
use crate::finding::{Extent, Finding, NOBODY};
use crate::proof::{self, Proof};

const LEDGER: &str = "
-- ledger()
SELECT c.projection, c.pp, p.position, c.applied + c.parked + c.skipped AS commits, c.proof, c.parked + c.skipped AS aside,
       (SELECT count(*) FROM keepsake.parked_commit s WHERE s.generation = c.generation AND s.pp = c.pp AND s.position <= p.position) AS listed
FROM keepsake.checkpoint c JOIN keepsake.progress p USING (generation, projection, pp)
WHERE $1::text IS NULL OR c.projection = $1
ORDER BY c.projection, c.pp";

/// Not of a read model that was made anew meanwhile.
const VERIFIED: &str = "
-- note_verified()
INSERT INTO keepsake.verified AS k (projection, pp, position, generation)
SELECT v.projection, v.pp, v.position, p.generation
FROM UNNEST($1::text[], $2::smallint[], $3::bigint[]) AS v (projection, pp, position)
JOIN keepsake.progress p ON p.projection = v.projection AND p.pp = v.pp AND p.position >= v.position
ORDER BY 1, 2
ON CONFLICT (generation, pp) DO UPDATE SET position = greatest(k.position, excluded.position)";

const CHECKPOINTS: &str = "keepsake.checkpoint";

/// Every checkpoint as it was at one instant, and what the log gives for it.
pub(super) struct Ledger {
    accounts: Vec<Account>,
    /// Indexes of the accounts of each partition.
    of_partition: Vec<Vec<usize>>,
}

struct Account {
    projection: String,
    pp: i16,
    position: i64,
    said: Proof,
    counted: Proof,
    /// Commits that are not in the rows: as many as the checkpoint says, and as many as are listed.
    aside: i64,
    listed: i64,
}

impl Ledger {
    pub(super) async fn read(connection: &ClientWrapper, only: Option<&str>) -> Result<Self, Fault> {
        let mut ledger = Self { accounts: Vec::new(), of_partition: vec![Vec::new(); PARTITIONS.into()] };
        for row in connection.query(LEDGER, &[&only]).await? {
            let said = Proof { commits: row.try_get("commits")?, sum: sum_in(&row)? };
            let (projection, pp, position) = (row.try_get("projection")?, row.try_get("pp")?, row.try_get("position")?);
            if let Some(accounts) = usize::try_from(pp).ok().and_then(|pp| ledger.of_partition.get_mut(pp)) {
                accounts.push(ledger.accounts.len());
            }
            let (aside, listed) = (row.try_get("aside")?, row.try_get("listed")?);
            let counted = Proof::default();
            ledger.accounts.push(Account { projection, pp, position, said, counted, aside, listed });
        }
        Ok(ledger)
    }

    /// Up to where the log has to be read.
    pub(super) fn furthest(&self) -> i64 {
        self.accounts.iter().map(|account| account.position).max().unwrap_or_default()
    }

    pub(super) fn count(&mut self, message: &LogMessage) {
        let mark = proof::mark(message.position, &message.wire_subject, &message.payload);
        for index in &self.of_partition[usize::from(message.subject.partition())] {
            let account = &mut self.accounts[*index];
            if message.position.cast_signed() <= account.position {
                account.counted.add(mark);
            }
        }
    }

    /// What a count looks at.
    pub(super) fn extent(&self) -> Extent {
        Extent {
            projections: self.accounts.iter().map(|account| account.projection.clone()).collect(),
            relations: vec![CHECKPOINTS.to_owned()],
            partitions: self.accounts.iter().map(|account| account.pp).collect(),
            ..Extent::default()
        }
    }

    /// Checkpoints that say something else than the log.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.accounts.iter().filter(|account| !account.is_right()).map(Account::finding).collect()
    }

    /// Notes how far each proof was found right.
    pub(super) async fn note(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let right: Vec<_> = self.accounts.iter().filter(|account| account.is_right()).collect();
        let projections: Vec<_> = right.iter().map(|account| account.projection.as_str()).collect();
        let pps: Vec<_> = right.iter().map(|account| account.pp).collect();
        let positions: Vec<_> = right.iter().map(|account| account.position).collect();
        connection.execute(VERIFIED, &[&projections, &pps, &positions]).await?;
        Ok(())
    }
}

impl Account {
    fn is_right(&self) -> bool {
        self.said == self.counted && self.aside == self.listed
    }

    fn finding(&self) -> Finding {
        let (said, counted) = (self.said.commits, self.counted.commits);
        let difference = match said - counted {
            0 if self.said == self.counted => {
                format!("{} commits are said to be parked or skipped, {} are listed", self.aside, self.listed)
            }
            0 => format!("{said} commits went in, but not those of the log"),
            _ => format!("{said} commits went in, the log has {counted}"),
        };
        Finding {
            projection: self.projection.clone(),
            relation: CHECKPOINTS.to_owned(),
            tenant: NOBODY.to_owned(),
            guest_id: None,
            pp: self.pp,
            position: self.position,
            difference,
            row_key: format!("{}/{:02}", self.projection, self.pp),
        }
    }
}
