//! Folding owners again, one commit at a time, into shadows of the tables, and comparing them with the live rows.
//!
//! The rows and the positions they are at are read in one snapshot, so that folding may go on meanwhile.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::{ClientWrapper, Pool};
use event_log::read::LogMessage;
use futures_util::future::try_join_all;
use proto::subject::{LogSubject, PARTITIONS};
use vault::Vault;

use super::compare;
use super::tables::{Table, shadowed};
use crate::error::Fault;
use crate::finding::{Extent, Finding};
use crate::open::{Opened, unpack};
use crate::projections;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
const COMMIT: &str = "COMMIT";

const POSITIONS: &str = "
-- positions()
SELECT projection, pp, position FROM keepsake.progress";

/// What the key of findings' row keys is derived for.
const ROW_KEYS: &str = "projection-workers finding row key v1";

/// Owners opened at once.
const CHUNK: usize = 2_000;

/// The commits of owners, each owner's in order.
pub(crate) type Lives = BTreeMap<String, Vec<LogMessage>>;

/// Whose rows are compared.
#[derive(Clone, Debug)]
pub(crate) enum Whose {
    /// Every row of these partitions, also rows that nobody's commits explain.
    Partitions(Vec<i16>),
    /// The rows of these owners; rows about many are left out.
    Owners(Vec<LogSubject>),
}

pub(crate) struct Refolder {
    connection: ClientWrapper,
    tables: Vec<Table>,
    vault: Vault,
    positions: Positions,
}

impl Refolder {
    /// `only` this read model, or all.
    pub(crate) async fn start(pool: &Pool, vault: Vault, only: Option<&str>) -> Result<Self, Fault> {
        let (connection, mut tables) = shadowed(pool).await?;
        tables.retain(|table| only.is_none_or(|only| only == table.projection));
        Ok(Self { connection, tables, vault, positions: Positions::default() })
    }

    /// Takes the snapshot that is compared, and says up to where the log explains it: read it no less far.
    pub(crate) async fn begin(&mut self) -> Result<i64, Fault> {
        self.connection.batch_execute(BEGIN).await?;
        self.positions = positions(&self.connection).await?;
        Ok(self.positions.furthest_of_all())
    }

    /// What is different from what these commits make; `lives` are all commits of those whose rows are compared.
    pub(crate) async fn finish(&self, whose: &Whose, lives: Lives) -> Result<Vec<Finding>, Fault> {
        self.fold(lives).await?;
        let secret = self.vault.derive(ROW_KEYS);
        let mut findings = Vec::new();
        for table in &self.tables {
            findings.extend(compare::table(&self.connection, table, whose, &*secret).await?);
        }
        self.connection.batch_execute(COMMIT).await?;
        Ok(findings)
    }

    /// Lets go of the snapshot.
    pub(crate) async fn abandon(&self) -> Result<(), Fault> {
        Ok(self.connection.batch_execute(COMMIT).await?)
    }

    /// Round by round: every owner's first commit, every owner's second, ...
    async fn fold(&self, lives: Lives) -> Result<(), Fault> {
        let mut lives = lives.into_values().peekable();
        while lives.peek().is_some() {
            let chunk: Vec<_> = lives.by_ref().take(CHUNK).collect();
            let mut rest: Vec<_> = chunk.into_iter().map(|life| life.into_iter().peekable()).collect();
            while !rest.is_empty() {
                let round: Vec<LogMessage> = rest.iter_mut().filter_map(Iterator::next).collect();
                rest.retain_mut(|life| life.peek().is_some());
                self.fold_round(round).await?;
            }
        }
        Ok(())
    }

    async fn fold_round(&self, mut round: Vec<LogMessage>) -> Result<(), Fault> {
        let positions = &self.positions;
        round
            .retain(|message| positions.furthest(message.subject.partition().into()) >= message.position.cast_signed());
        let (sealed, fault) = unpack(&self.vault, round).await?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let commits = sealed.into_iter().map(crate::open::Sealed::open).collect::<Result<Vec<_>, _>>()?;
        let mut batches = Vec::new();
        for kind in projections::ALL {
            let mut batch = (kind.empty)();
            let folded = |commit: &&Opened| commit.position <= positions.of(kind.name, commit.pp);
            for commit in commits.iter().filter(|commit| kind.facets.contain(&commit.facet)).filter(folded) {
                batch
                    .fold(commit)
                    .map_err(|reason| Fault::unfoldable(commit.position.cast_unsigned(), &commit.subject, reason))?;
            }
            batches.push(batch);
        }
        try_join_all(batches.iter().map(|batch| batch.flush(&self.connection))).await?;
        Ok(())
    }

    /// What a check of `whose` looks at.
    pub(crate) fn extent(&self, whose: &Whose, found: &[Finding]) -> Extent {
        // Where more is wrong than is told, nothing that was told before is well only because it is not told now.
        let is_told =
            |table: &&Table| found.iter().filter(|finding| finding.relation == table.live).count() < compare::MOST;
        let mut extent = Extent {
            projections: self.tables.iter().map(|table| table.projection.clone()).collect(),
            relations: self.tables.iter().filter(is_told).map(|table| table.live.clone()).collect(),
            ..Extent::default()
        };
        match whose {
            Whose::Partitions(partitions) => extent.partitions.clone_from(partitions),
            Whose::Owners(owners) => {
                extent.tenants = owners.iter().map(|owner| owner.tenant.to_string()).collect();
                extent.owners = owners.iter().map(|owner| owner.owner.to_string()).collect();
            }
        }
        extent
    }
}

/// How far each read model is, as the snapshot has it.
#[derive(Default)]
struct Positions(HashMap<String, [i64; PARTITIONS as usize]>);

async fn positions(connection: &ClientWrapper) -> Result<Positions, Fault> {
    let mut positions = HashMap::new();
    for row in connection.query(POSITIONS, &[]).await? {
        let (projection, pp): (String, i16) = (row.try_get("projection")?, row.try_get("pp")?);
        let of_projection = positions.entry(projection).or_insert([0; PARTITIONS as usize]);
        if let Some(position) = usize::try_from(pp).ok().and_then(|pp| of_projection.get_mut(pp)) {
            *position = row.try_get("position")?;
        }
    }
    Ok(Positions(positions))
}

impl Positions {
    fn of(&self, projection: &str, pp: i16) -> i64 {
        let of_projection = self.0.get(projection);
        usize::try_from(pp).ok().and_then(|pp| of_projection?.get(pp).copied()).unwrap_or_default()
    }

    fn furthest_of_all(&self) -> i64 {
        self.0.values().flatten().copied().max().unwrap_or_default()
    }

    /// Of one partition.
    fn furthest(&self, pp: i16) -> i64 {
        projections::ALL.iter().map(|kind| self.of(kind.name, pp)).max().unwrap_or_default()
    }
}
