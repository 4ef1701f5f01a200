//! A track: the generations of read models that a lane folds, at most one of each.

use schema::State;
use tokio_postgres::Row;

use crate::error::Fault;
use crate::projections::{ALL, VERSIONS, index_of};

/// As its lane knew it when it was taken up.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// By projection; None for those that are folded elsewhere.
    generations: Vec<Option<Generation>>,
    /// It gives way to readers.
    pub(crate) throttled: bool,
}

/// What a lane has to know of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) number: i32,
    pub(crate) schema: String,
    /// Readers see it.
    pub(crate) is_live: bool,
}

impl Track {
    /// Out of rows that tell of each generation at least once. One that this binary cannot fold makes the lane another's.
    pub(crate) fn in_rows(rows: &[Row]) -> Result<Self, Fault> {
        let mut track = Self { generations: vec![None; ALL.len()], throttled: false };
        for row in rows {
            let fingerprint: &str = row.try_get("fingerprint")?;
            let projection = index_of(row.try_get("projection")?)
                .filter(|projection| VERSIONS[*projection].fingerprint == fingerprint)
                .ok_or(Fault::TakenOver)?;
            track.throttled = row.try_get("throttled")?;
            track.generations[projection] = Some(Generation {
                number: row.try_get("generation")?,
                schema: row.try_get("schema_name")?,
                is_live: row.try_get::<_, &str>("state")? == State::Live.name(),
            });
        }
        Ok(track)
    }

    /// The generation of a projection, by its place in the list; None when it is folded elsewhere.
    pub(crate) fn generation(&self, projection: usize) -> Option<&Generation> {
        self.generations.get(projection)?.as_ref()
    }

    /// The projections that are folded here.
    pub(crate) fn projections(&self) -> impl Iterator<Item = usize> {
        (0..self.generations.len()).filter(|projection| self.generations[*projection].is_some())
    }

    /// The projections whose rows are read.
    pub(crate) fn live(&self) -> impl Iterator<Item = usize> {
        self.projections().filter(|projection| self.generation(*projection).is_some_and(|one| one.is_live))
    }

    /// The projection whose generation this is.
    pub(crate) fn projection_of(&self, number: i32) -> Option<usize> {
        self.projections().find(|projection| self.generation(*projection).is_some_and(|one| one.number == number))
    }

    pub(crate) fn numbers(&self) -> Vec<i32> {
        self.generations.iter().flatten().map(|generation| generation.number).collect()
    }

    /// A statement after which tables named without their schema are those of this track, and no others.
    pub(crate) fn search_path(&self) -> String {
        let schemas: Vec<_> = self.generations.iter().flatten().map(|generation| generation.schema.as_str()).collect();
        format!("SET search_path = {}, pg_temp", schemas.join(", "))
    }

    #[cfg(test)]
    pub(crate) fn of_all() -> Self {
        let generation = |number: i32| Some(Generation { number, schema: format!("read_{number}"), is_live: true });
        Self { generations: (0..).take(ALL.len()).map(generation).collect(), throttled: false }
    }
}
