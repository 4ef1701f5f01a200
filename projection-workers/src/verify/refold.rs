//! Folding owners again, one commit at a time, into shadows of the tables, and comparing them with the live rows.
//!
//! The rows and the positions they are at are read in one snapshot, so that folding may go on meanwhile.

use std::collections::{BTreeMap, HashMap, HashSet};

use deadpool_postgres::{ClientWrapper, Pool};
use event_log::read::LogMessage;
use futures_util::future::try_join_all;
use proto::subject::{LogSubject, PARTITIONS};
use vault::Vault;

use super::compare;
use super::tables::{self, Table, shadowed};
use crate::error::{Fault, Unfolded};
use crate::finding::{Extent, Finding};
use crate::open::unpack;
use crate::projection::Kind;
use crate::projections;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
const COMMIT: &str = "COMMIT";

const POSITIONS: &str = "
-- positions()
SELECT projection, pp, position FROM keepsake.progress";

const ASIDE: &str = "
-- parked_and_skipped_commits()
SELECT c.projection, c.position FROM keepsake.parked_commit c JOIN keepsake.generation g ON g.generation = c.generation
WHERE g.state = 'live'";

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
    pool: Pool,
    /// This read model alone.
    only: Option<String>,
    connection: ClientWrapper,
    tables: Vec<Table>,
    vault: Vault,
    positions: Positions,
    /// By read model and position: commits that are not in its rows, and should not be.
    aside: HashSet<(usize, i64)>,
}

impl Refolder {
    /// `only` this read model, or all.
    pub(crate) async fn start(pool: &Pool, vault: Vault, only: Option<&str>) -> Result<Self, Fault> {
        let (connection, tables) = shadowed(pool).await?;
        let (pool, only) = (pool.clone(), only.map(ToOwned::to_owned));
        Ok(Self { pool, only, connection, tables, vault, positions: Positions::default(), aside: HashSet::new() })
    }

    /// Takes the snapshot that is compared, and says up to where the log explains it: read it no less far.
    pub(crate) async fn begin(&mut self) -> Result<i64, Fault> {
        self.connection.batch_execute(BEGIN).await?;
        while tables::tables(&self.connection).await? != self.tables {
            // Others are live by now: a switch or a migration has been made.
            (self.connection, self.tables) = shadowed(&self.pool).await?;
            self.connection.batch_execute(BEGIN).await?;
        }
        self.positions = positions(&self.connection).await?;
        self.aside = aside(&self.connection).await?;
        Ok(self.positions.furthest_of_all())
    }

    /// What is different from what these commits make; `lives` are all commits of those whose rows are compared.
    pub(crate) async fn finish(&self, whose: &Whose, lives: Lives) -> Result<Vec<Finding>, Fault> {
        self.fold(lives).await?;
        let secret = self.vault.derive(ROW_KEYS);
        let mut findings = Vec::new();
        for table in self.compared() {
            findings.extend(compare::table(&self.connection, table, whose, &*secret).await?);
        }
        self.connection.batch_execute(COMMIT).await?;
        Ok(findings)
    }

    fn compared(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| self.only.as_ref().is_none_or(|only| *only == table.projection))
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
        let mut batches: Vec<_> = projections::ALL.iter().map(|kind| (kind.empty)()).collect();
        for sealed in unpack(&self.vault, round).await? {
            let (position, subject) = (sealed.message.position.cast_signed(), sealed.message.subject.clone());
            let pp = i16::from(subject.partition());
            let opened = sealed.open();
            let facet =
                opened.as_ref().map_or_else(|unopened| unopened.facet.as_deref(), |commit| Some(&*commit.facet));
            let has_it = |(number, kind): &(usize, &Kind)| {
                self.tables.iter().any(|table| table.projection == kind.name)
                    && facet.is_none_or(|facet| kind.facets.contain(facet))
                    && position <= positions.of(kind.name, pp)
                    && !self.aside.contains(&(*number, position))
            };
            let readers: Vec<usize> =
                projections::ALL.iter().enumerate().filter(has_it).map(|(number, _)| number).collect();
            let unfolded = |reason| {
                Fault::Unfolded(Box::new(Unfolded { position, subject, projections: readers.clone(), reason }))
            };
            match opened {
                Ok(commit) => {
                    let folded = readers.iter().try_for_each(|number| batches[*number].fold(&commit));
                    folded.map_err(unfolded)?;
                }
                Err(unopened) if !readers.is_empty() => return Err(unfolded(unopened.reason)),
                // Whoever should have it has set it aside.
                Err(_) => {}
            }
        }
        try_join_all(batches.iter().map(|batch| batch.flush(&self.connection))).await?;
        Ok(())
    }

    /// What a check of `whose` looks at.
    pub(crate) fn extent(&self, whose: &Whose, found: &[Finding]) -> Extent {
        // Where more is wrong than is told, nothing that was told before is well only because it is not told now.
        let is_told = |table: &&Table| {
            found.iter().filter(|finding| finding.relation == table.relation()).count() < compare::MOST
        };
        let mut extent = Extent {
            projections: self.compared().map(|table| table.projection.clone()).collect(),
            relations: self.compared().filter(is_told).map(Table::relation).collect(),
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

async fn aside(connection: &ClientWrapper) -> Result<HashSet<(usize, i64)>, Fault> {
    let mut aside = HashSet::new();
    for row in connection.query(ASIDE, &[]).await? {
        if let Some(projection) = projections::index_of(row.try_get("projection")?) {
            aside.insert((projection, row.try_get("position")?));
        }
    }
    Ok(aside)
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
