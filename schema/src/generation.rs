//! Generations: each is one build of a read model's tables, in a Postgres schema of its own. One of them is live: the views in
//! schema `read` show it.

use tokio_postgres::{GenericClient, Row};

use crate::sources::{READ_MODELS, ReadModel};
use crate::version::hash;

const ALL: &str = "
-- generations()
SELECT generation, projection, fingerprint, schema_name, tables, track, state
FROM keepsake.generation
ORDER BY projection, generation";

/// A read model as one binary folds it: the fold and the SQL have one fingerprint together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub projection: &'static str,
    pub fingerprint: String,
}

impl Version {
    /// `fold` stands for the code that folds into the read model; whoever changes it makes another version.
    pub fn of(projection: &'static str, fold: &str) -> Self {
        let sql = READ_MODELS.iter().find(|model| model.name == projection).map(ReadModel::version);
        let fingerprint = hash([projection, sql.as_deref().unwrap_or_default(), fold]);
        Self { projection, fingerprint: fingerprint[..16].to_owned() }
    }
}

/// What a generation is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is folded and nobody reads it yet.
    Building,
    /// It is read.
    Live,
    /// It was live, and is folded on so that it can be again.
    Former,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Former => "former",
        }
    }
}

/// One build of a read model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// No two have the same, whatever they are generations of.
    pub number: i32,
    pub projection: String,
    /// Who may fold into it: see [`Version`].
    pub fingerprint: String,
    /// The Postgres schema its tables are in; a name that needs no quotes.
    pub schema: String,
    /// Their names in it.
    pub tables: Vec<String>,
    /// Those of one track are folded together.
    pub track: i64,
    pub state: State,
}

impl Generation {
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }
}

/// Every generation there is, by read model.
pub async fn generations(client: &impl GenericClient) -> Result<Vec<Generation>, tokio_postgres::Error> {
    client.query(ALL, &[]).await?.iter().map(generation_in).collect()
}

fn generation_in(row: &Row) -> Result<Generation, tokio_postgres::Error> {
    let state = match row.try_get("state")? {
        "building" => State::Building,
        "live" => State::Live,
        _ => State::Former,
    };
    Ok(Generation {
        number: row.try_get("generation")?,
        projection: row.try_get("projection")?,
        fingerprint: row.try_get("fingerprint")?,
        schema: row.try_get("schema_name")?,
        tables: row.try_get("tables")?,
        track: row.try_get("track")?,
        state,
    })
}

/// The names of the read models there are: each is a folder, a projection and a checkpoint alike.
pub fn read_models() -> impl Iterator<Item = &'static str> {
    READ_MODELS.iter().map(|model| model.name)
}

/// Those of `versions` that no generation is of, so that nobody can fold them; they need [`crate::migrate`].
pub async fn missing(
    client: &impl GenericClient,
    versions: &[Version],
) -> Result<Vec<&'static str>, tokio_postgres::Error> {
    let generations = generations(client).await?;
    let is_there = |version: &&Version| {
        generations.iter().any(|generation| {
            generation.projection == version.projection && generation.fingerprint == version.fingerprint
        })
    };
    Ok(versions.iter().filter(|version| !is_there(version)).map(|version| version.projection).collect())
}
