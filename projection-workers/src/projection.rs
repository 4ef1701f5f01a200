//! What a projection is: a batch that commits are folded into and that is then written at once.
//!
//! A projection has no effects but its rows: it is given nothing to have any with.

use deadpool_postgres::ClientWrapper;
use futures_util::future::BoxFuture;
use tokio_postgres::types::ToSql;

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;

/// Folds commits into one read model. The implementing type is a batch of changes, empty by default.
pub(crate) trait Projection: Default + Send + Sync + 'static {
    /// The name of the read model: file, folder, table and checkpoint alike.
    const NAME: &'static str;

    /// Facets whose events it reads; commits of others are not given to it.
    const FACETS: Facets;

    /// Adds what one commit changes. Several commits about one row become one change of it.
    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable>;

    /// Writes the changes, one statement per table, in the transaction the connection is in. Its statements name tables without
    /// their schema: whose tables they are is the connection's affair. The rows and the checkpoint are committed together, so
    /// no commit is ever folded into a row twice.
    fn flush(&self, connection: &ClientWrapper) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Which commits a projection is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facets {
    /// Of any facet: it is about commits, not about what is in them.
    Any,
    /// Of these.
    These(&'static [&'static str]),
}

impl Facets {
    pub(crate) fn contain(&self, facet: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(facets) => facets.contains(&facet),
        }
    }
}

/// A kind of projection, as the list of them holds it.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) facets: Facets,
    pub(crate) empty: fn() -> Box<dyn Batch>,
}

impl Kind {
    pub(crate) const fn of<P: Projection>() -> Self {
        Self { name: P::NAME, facets: P::FACETS, empty: || Box::<P>::default() }
    }
}

/// A [`Projection`] of any kind.
pub(crate) trait Batch: Send + Sync {
    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable>;
    fn flush<'a>(&'a self, connection: &'a ClientWrapper) -> BoxFuture<'a, Result<(), Fault>>;
}

impl<P: Projection> Batch for P {
    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        Projection::fold(self, commit)
    }

    fn flush<'a>(&'a self, connection: &'a ClientWrapper) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(Projection::flush(self, connection))
    }
}

/// One array of a statement: what `of` takes from every row.
pub(crate) fn column<'a, R, T>(rows: impl IntoIterator<Item = R> + 'a, of: impl Fn(R) -> T) -> Vec<T> {
    rows.into_iter().map(of).collect()
}

/// The rows in the order of their keys: neighbours in an index are written one after the other.
pub(crate) fn by_key<'a, R, K: Ord>(rows: &'a [R], key: impl Fn(&'a R) -> K) -> Vec<&'a R> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_by_key(|row| key(row));
    rows
}

/// Runs a statement that must reach each of the `given` rows. Upserts refuse a row whose position is not behind the batch's.
pub(crate) async fn write<P: Projection>(
    connection: &ClientWrapper,
    statement: &str,
    columns: &[&(dyn ToSql + Sync)],
    given: usize,
) -> Result<(), Fault> {
    if given == 0 {
        return Ok(());
    }
    let statement = connection.prepare_cached(statement).await?;
    let written = connection.execute(&statement, columns).await?;
    if written == given as u64 { Ok(()) } else { Err(Fault::RowsAhead { projection: P::NAME, given, written }) }
}

/// Runs a statement that takes the `given` rows away, some of which the same batch may have brought and taken away again.
pub(crate) async fn remove(
    connection: &ClientWrapper,
    statement: &str,
    columns: &[&(dyn ToSql + Sync)],
    given: usize,
) -> Result<(), Fault> {
    if given > 0 {
        let statement = connection.prepare_cached(statement).await?;
        connection.execute(&statement, columns).await?;
    }
    Ok(())
}

/// Events leave an empty JSON object out.
pub(crate) fn object(json: &str) -> &str {
    if json.is_empty() { "{}" } else { json }
}
