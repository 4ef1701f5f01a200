//! Parking: an owner is set aside for a read model that cannot fold one of its commits; what follows waits behind it, in order,
//! and everybody else's goes on.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::ClientWrapper;
use proto::subject::{LogSubject, Owner, Tenant};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Fault;
use crate::lane::Lane;
use crate::projection::column;
use crate::projections;
use crate::track::Track;

/// Guests newly set aside within a minute; when there are more, hardly each of them is at fault.
const MOST_IN_A_MINUTE: i64 = 100;
/// Who sets aside by itself.
const WORKER: &str = "projection-workers";

const PARKED: &str = "
-- parked_guests()
SELECT tenant, owner, generation FROM keepsake.parked_guest WHERE pp BETWEEN $1 AND $2 AND generation = ANY ($3)";

const SKIPPED: &str = "
-- skipped_commits()
SELECT generation, position FROM keepsake.parked_commit WHERE skipped AND pp BETWEEN $1 AND $2 AND generation = ANY ($3)";

/// Writes nothing when too many were set aside of late.
const PARK_GUESTS: &str = "
-- park_guests()
WITH parked AS (
  INSERT INTO keepsake.parked_guest (tenant, owner, projection, pp, position, reason, generation)
  SELECT given.*
  FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::text[], $9::integer[])
    AS given (tenant, owner, projection, pp, position, reason, generation)
  WHERE (SELECT count(DISTINCT (tenant, owner))
         FROM keepsake.parked_guest
         WHERE parked_at > clock_timestamp() - interval '1 minute') < $7
  RETURNING tenant, owner, projection, generation, position, reason
)
INSERT INTO keepsake.parking_act (tenant, owner, projection, generation, act, position, actor, reason, waiting)
SELECT tenant, owner, projection, generation, 'park', position, $8, reason, 1 FROM parked";

const PARK_COMMITS: &str = "
-- park_commits()
INSERT INTO keepsake.parked_commit (tenant, owner, projection, position, pp, generation)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bigint[], $5::smallint[], $6::integer[])";

/// A commit that a read model cannot fold: from it on its owner is set aside for that read model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Its place in the list.
    pub(crate) projection: usize,
    pub(crate) subject: LogSubject,
    pub(crate) position: i64,
    pub(crate) reason: String,
}

/// A commit that was not folded into one read model, to be noted in the transaction that moves past it.
#[derive(Debug)]
pub(crate) struct SetAside {
    projection: usize,
    subject: LogSubject,
    position: i64,
    /// Why, when it is the one its owner is set aside for.
    reason: Option<String>,
}

impl SetAside {
    pub(crate) fn new(projection: usize, subject: &LogSubject, position: i64, verdict: Option<&Verdict>) -> Self {
        let reason = verdict.filter(|verdict| verdict.position == position).map(|verdict| verdict.reason.clone());
        Self { projection, subject: subject.clone(), position, reason }
    }

    fn pp(&self) -> i16 {
        self.subject.partition().into()
    }

    fn generation(&self, track: &Track) -> Option<i32> {
        track.generation(self.projection).map(|generation| generation.number)
    }
}

/// What becomes of a commit in a read model that reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate<'a> {
    Folded,
    /// Its owner is set aside, for this reason unless that was written before.
    Parked(Option<&'a Verdict>),
    /// Somebody decided so, perhaps before the read model was folded anew.
    Skipped,
}

/// Who of a lane is set aside, and for which read models.
#[derive(Debug, Default)]
pub(crate) struct Lot {
    guests: HashMap<(Tenant, Owner), HashMap<usize, Option<Verdict>>>,
    skipped: HashSet<(usize, i64)>,
}

impl Lot {
    /// As it stands.
    pub(crate) async fn read(connection: &ClientWrapper, lane: Lane, track: &Track) -> Result<Self, Fault> {
        let mut lot = Self::default();
        for row in connection.query(PARKED, &[&lane.first_pp, &lane.last_pp, &track.numbers()]).await? {
            if let Some(projection) = track.projection_of(row.try_get("generation")?) {
                lot.set_aside(&subject_in(&row)?, projection, None);
            }
        }
        for row in connection.query(SKIPPED, &[&lane.first_pp, &lane.last_pp, &track.numbers()]).await? {
            if let Some(projection) = track.projection_of(row.try_get("generation")?) {
                lot.skipped.insert((projection, row.try_get("position")?));
            }
        }
        Ok(lot)
    }

    /// Adds those who are to be set aside.
    #[must_use]
    pub(crate) fn with(mut self, verdicts: &[Verdict]) -> Self {
        for verdict in verdicts {
            self.set_aside(&verdict.subject, verdict.projection, Some(verdict.clone()));
        }
        self
    }

    fn set_aside(&mut self, subject: &LogSubject, projection: usize, verdict: Option<Verdict>) {
        let owner = (subject.tenant.clone(), subject.owner.clone());
        let known = self.guests.entry(owner).or_default().entry(projection).or_insert_with(|| verdict.clone());
        // What was written before goes first, then the earlier of two.
        if let (Some(known), Some(verdict)) = (known, verdict)
            && verdict.position < known.position
        {
            *known = verdict;
        }
    }

    /// What becomes of an owner's commit, read model by read model.
    pub(crate) fn fates(&self, subject: &LogSubject, position: i64) -> Fates<'_> {
        let owner = || (subject.tenant.clone(), subject.owner.clone());
        let parked = if self.guests.is_empty() { None } else { self.guests.get(&owner()) };
        Fates { parked, skipped: &self.skipped, position }
    }
}

/// What becomes of one commit.
pub(crate) struct Fates<'a> {
    parked: Option<&'a HashMap<usize, Option<Verdict>>>,
    skipped: &'a HashSet<(usize, i64)>,
    position: i64,
}

impl<'a> Fates<'a> {
    /// In a read model, by its projection's place in the list.
    pub(crate) fn of(&self, projection: usize) -> Fate<'a> {
        if !self.skipped.is_empty() && self.skipped.contains(&(projection, self.position)) {
            return Fate::Skipped;
        }
        match self.parked.and_then(|parked| parked.get(&projection)) {
            Some(None) => Fate::Parked(None),
            Some(Some(verdict)) if verdict.position <= self.position => Fate::Parked(Some(verdict)),
            // What is before the commit at fault is folded once more, with the batch that was given up.
            Some(Some(_)) | None => Fate::Folded,
        }
    }
}

/// Notes what was set aside, in the transaction the connection is in.
pub(crate) async fn note(connection: &ClientWrapper, track: &Track, aside: &[SetAside]) -> Result<(), Fault> {
    if aside.is_empty() {
        return Ok(());
    }
    let first: Vec<(&SetAside, &str)> =
        aside.iter().filter_map(|aside| Some((aside, aside.reason.as_deref()?))).collect();
    let (guests, commits) =
        tokio::join!(park_guests(connection, track, &first), park_commits(connection, track, aside));
    guests?;
    commits
}

async fn park_guests(connection: &ClientWrapper, track: &Track, first: &[(&SetAside, &str)]) -> Result<(), Fault> {
    if first.is_empty() {
        return Ok(());
    }
    let tenants = column(first, |(aside, _)| aside.subject.tenant.as_str());
    let owners = column(first, |(aside, _)| aside.subject.owner.as_str());
    let projections = column(first, |(aside, _)| projections::ALL[aside.projection].name);
    let pps = column(first, |(aside, _)| aside.pp());
    let positions = column(first, |(aside, _)| aside.position);
    let reasons = column(first, |(_, reason)| *reason);
    let generations = column(first, |(aside, _)| aside.generation(track));
    let noted: [&(dyn ToSql + Sync); 9] =
        [&tenants, &owners, &projections, &pps, &positions, &reasons, &MOST_IN_A_MINUTE, &WORKER, &generations];
    let parked = connection.execute(PARK_GUESTS, &noted).await?;
    if parked == first.len() as u64 { Ok(()) } else { Err(Fault::ParkingFull(MOST_IN_A_MINUTE)) }
}

async fn park_commits(connection: &ClientWrapper, track: &Track, aside: &[SetAside]) -> Result<(), Fault> {
    let tenants = column(aside, |aside| aside.subject.tenant.as_str());
    let owners = column(aside, |aside| aside.subject.owner.as_str());
    let projections = column(aside, |aside| projections::ALL[aside.projection].name);
    let positions = column(aside, |aside| aside.position);
    let pps = column(aside, SetAside::pp);
    let generations = column(aside, |aside| aside.generation(track));
    connection.execute(PARK_COMMITS, &[&tenants, &owners, &projections, &positions, &pps, &generations]).await?;
    Ok(())
}

/// Tells of those who were set aside now, once that is committed.
pub(crate) fn tell(aside: &[SetAside]) {
    for SetAside { projection, subject, position, reason } in aside {
        if let Some(reason) = reason {
            let (tenant, owner, projection) = (&subject.tenant, &subject.owner, projections::ALL[*projection].name);
            tracing::error!(%tenant, %owner, projection, position, error = %reason, "a guest is parked");
        }
    }
}

pub(crate) fn subject_in(row: &Row) -> Result<LogSubject, Fault> {
    let (tenant, owner): (&str, &str) = (row.try_get("tenant")?, row.try_get("owner")?);
    let (tenant, owner) = (tenant.parse(), owner.parse());
    match (tenant, owner) {
        (Ok(tenant), Ok(owner)) => Ok(LogSubject::new(tenant, owner)),
        _ => Err(Fault::Corrupt("an owner that is set aside")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(guest: u128) -> LogSubject {
        LogSubject::new("shop".parse().expect("a token"), Owner::guest(guest))
    }

    #[test]
    fn an_owner_is_set_aside_for_one_read_model_and_no_other() {
        let verdict = Verdict { projection: 2, subject: subject(1), position: 7, reason: "bad".to_owned() };
        let lot = Lot::default().with(std::slice::from_ref(&verdict));
        assert_eq!(lot.fates(&subject(1), 9).of(2), Fate::Parked(Some(&verdict)));
        assert_eq!([lot.fates(&subject(1), 9).of(3), lot.fates(&subject(2), 9).of(2)], [Fate::Folded, Fate::Folded]);
    }

    #[test]
    fn what_is_before_the_earliest_commit_at_fault_is_folded() {
        let verdict = |position| Verdict { projection: 2, subject: subject(1), position, reason: String::new() };
        let lot = Lot::default().with(&[verdict(7), verdict(5)]);
        let parked = [4, 5, 6, 7].map(|position| lot.fates(&subject(1), position).of(2) != Fate::Folded);
        assert_eq!(parked, [false, true, true, true]);
    }

    #[test]
    fn only_the_commit_that_is_at_fault_has_the_reason() {
        let verdict = Verdict { projection: 2, subject: subject(1), position: 7, reason: "bad".to_owned() };
        let reason = |position, verdict| SetAside::new(2, &subject(1), position, verdict).reason;
        assert_eq!(reason(7, Some(&verdict)).as_deref(), Some("bad"));
        assert_eq!([reason(8, Some(&verdict)), reason(8, None)], [None, None]);
    }
}
