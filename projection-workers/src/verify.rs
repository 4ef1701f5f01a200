//! Proving the read models: against the log, commit by commit, and row by row against the same fold done again.

mod compare;
mod ledger;
mod refold;
mod selection;
mod tables;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::Client;
use deadpool_postgres::Pool;
use event_log::read::Reader;
use event_log::{NatsAddress, User};
use proto::subject::PARTITIONS;
use runtime::config::Secret;
use tokio::time::timeout;
use vault::Vault;

use crate::checkpoint;
use crate::error::Fault;
use crate::finding::{self, Finding};
use crate::projections;
use ledger::Ledger;
use selection::Selection;

pub(crate) use compare::{Change, columns_that_differ};
pub(crate) use refold::{Lives, Refolder, Whose};

/// Commits of one read of the log.
const READ: usize = 5_000;
/// What of the log is held in memory at once, in bytes.
const HELD: u64 = 256 * 1024 * 1024;
/// For the next commits of a log that has them.
const PATIENCE_SECONDS: u64 = 30;
const CONNECTIONS: usize = 3;

/// Where everything is that is compared.
#[derive(Debug)]
pub struct Verification {
    /// The log.
    pub nats: NatsAddress,
    /// The read database, as the writer role.
    pub database_url: Secret,
    /// The vault, as the opener role.
    pub vault_url: Secret,
    /// The key-encryption key.
    pub key_file: PathBuf,
    /// This read model alone; all when absent.
    pub projection: Option<String>,
    /// So many guests, chosen at random, are folded again; everybody when absent.
    pub guests: Option<usize>,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Commits of the log read, and how many there are to be read in all.
    Reading { read: u64, of: u64 },
    /// Owners whose life is folded again.
    Folding { owners: u64 },
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Commits whose proof was computed again.
    pub commits: u64,
    /// Owners, guests above all, that were folded again.
    pub owners: u64,
    pub findings: Vec<Finding>,
}

/// There is no read model of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no read model {0}: there are {1}")]
pub struct UnknownProjection(String, String);

/// Compares the read models with the log. What it finds is kept in `keepsake.finding`, and what was found before and is well now
/// is forgotten. Folding may go on meanwhile.
pub async fn verify(verification: &Verification, progress: impl Fn(Progress) + Sync) -> anyhow::Result<Verified> {
    let only = verification.projection.as_deref();
    if let Some(unknown) = only.filter(|only| projections::ALL.iter().all(|kind| kind.name != *only)) {
        let names: Vec<_> = projections::ALL.iter().map(|kind| kind.name).collect();
        return Err(UnknownProjection(unknown.to_owned(), names.join(", ")).into());
    }
    let nats = event_log::connect(&verification.nats, User::Operator, "keepsake verify").await?;
    let vault = Vault::connect(&verification.vault_url, &verification.key_file)?;
    let pool = schema::pool(&verification.database_url, CONNECTIONS)?;
    let refolder = Refolder::start(&pool, vault, only).await?;
    let mut run = Run { nats, pool, refolder, verified: Verified::default(), progress: &progress, read: 0, to_read: 0 };
    run.all(only, verification.guests).await?;
    Ok(run.verified)
}

struct Run<'a> {
    nats: Client,
    pool: Pool,
    refolder: Refolder,
    verified: Verified,
    progress: &'a (dyn Fn(Progress) + Sync),
    read: u64,
    to_read: u64,
}

impl Run<'_> {
    async fn all(&mut self, only: Option<&str>, guests: Option<usize>) -> Result<(), Fault> {
        let log = event_log::stream::info(&self.nats).await?;
        let connection = self.pool.get().await?;
        let mut ledger = Ledger::read(&connection, only).await?;
        checkpoint::check_log(&connection, &log, ledger.furthest()).await?;
        let passes = log.bytes.div_ceil(HELD).clamp(1, PARTITIONS.into());
        let mut selections = match guests {
            Some(guests) => vec![Selection::sample(guests)],
            None => by_partition(&(0..i16::from(PARTITIONS)).collect::<Vec<_>>(), passes),
        };
        self.to_read = selections.len() as u64 * ledger.furthest().cast_unsigned();
        let first = selections.remove(0);
        self.pass(first, Some(&mut ledger)).await?;
        let wrong = ledger.findings();
        finding::keep(&connection, &ledger.extent(), &wrong).await?;
        ledger.note(&connection).await?;
        if guests.is_some() {
            // Which commits are at fault shows only when everybody they may belong to is folded again.
            let partitions: BTreeSet<i16> = wrong.iter().map(|finding| finding.pp).collect();
            selections = by_partition(&partitions.into_iter().collect::<Vec<_>>(), passes);
            self.to_read += selections.len() as u64 * ledger.furthest().cast_unsigned();
        }
        self.verified.findings.extend(wrong);
        for selection in selections {
            self.pass(selection, None).await?;
        }
        self.verified.findings.iter().for_each(Finding::report);
        Ok(())
    }

    /// Reads the log once, and folds those again whose commits are selected.
    async fn pass(&mut self, mut selection: Selection, mut ledger: Option<&mut Ledger>) -> Result<(), Fault> {
        let end = self.refolder.begin().await?.max(ledger.as_ref().map_or(0, |ledger| ledger.furthest()));
        let mut reader = Reader::start(&self.nats, 0).await?;
        let mut position = 0;
        while position < end {
            let read = timeout(Duration::from_secs(PATIENCE_SECONDS), reader.next_batch(READ)).await;
            let messages = read.map_err(|_| Fault::Timeout(PATIENCE_SECONDS))??;
            for message in messages.into_iter().take_while(|message| message.position.cast_signed() <= end) {
                self.read += message.position - position.cast_unsigned();
                position = message.position.cast_signed();
                if message.is_system() {
                    continue;
                }
                if let Some(ledger) = &mut ledger {
                    ledger.count(&message);
                    self.verified.commits += 1;
                }
                selection.offer(message);
            }
            (self.progress)(Progress::Reading { read: self.read, of: self.to_read.max(self.read) });
        }
        drop(reader);
        let (whose, lives) = selection.finish();
        (self.progress)(Progress::Folding { owners: lives.len() as u64 });
        self.verified.owners += lives.len() as u64;
        let found = self.refolder.finish(&whose, lives).await?;
        finding::keep(&*self.pool.get().await?, &self.refolder.extent(&whose, &found), &found).await?;
        self.verified.findings.extend(found);
        Ok(())
    }
}

/// As many selections, each of some of these partitions, as there are passes; fewer when there are fewer partitions.
fn by_partition(partitions: &[i16], passes: u64) -> Vec<Selection> {
    let in_each = partitions.len().div_ceil(usize::try_from(passes).unwrap_or(1)).max(1);
    partitions.chunks(in_each).map(|some| Selection::partitions(some.to_vec())).collect()
}
