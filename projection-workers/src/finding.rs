//! A finding: a place where a read model is not what the log says, kept until a later look finds it well.

use deadpool_postgres::ClientWrapper;

use crate::error::Fault;
use crate::projection::column;

/// Findings are about this tenant when no single one is concerned.
pub(crate) const NOBODY: &str = "_sys";

const RECORD: &str = "
-- record_findings()
INSERT INTO keepsake.finding AS f (tenant, guest_id, pp, projection, relation, row_key, position, difference)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[])
ON CONFLICT (tenant, projection, relation, row_key) DO UPDATE
SET position = excluded.position, difference = excluded.difference, last_seen_at = now()";

/// Of the owners that were looked at, or of whole partitions.
const SETTLE: &str = "
-- settle_findings()
DELETE FROM keepsake.finding f
WHERE f.projection = ANY ($1) AND f.relation = ANY ($9)
  AND (f.pp = ANY ($2) OR (f.tenant, f.guest_id) IN (SELECT * FROM UNNEST($3::text[], $4::text[])))
  AND NOT (f.tenant, f.projection, f.relation, f.row_key) IN (SELECT * FROM UNNEST($5::text[], $6::text[], $7::text[], $8::text[]))";

/// One row, or one sum, that is not as it should be. Values that may be personal are not in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub projection: String,
    /// The table.
    pub relation: String,
    pub tenant: String,
    /// None when the row is about many.
    pub guest_id: Option<String>,
    pub pp: i16,
    /// Of the commit that the row, as it should be, was last changed by.
    pub position: i64,
    /// What is wrong: the row is missing or should not be there, or which columns differ.
    pub difference: String,
    /// Stands for the row's primary key, which may be personal.
    pub row_key: String,
}

/// What was looked at: everything of these partitions, or of these owners alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) projections: Vec<String>,
    pub(crate) relations: Vec<String>,
    pub(crate) partitions: Vec<i16>,
    pub(crate) tenants: Vec<String>,
    pub(crate) owners: Vec<String>,
}

/// Keeps what was found; forgets what had been found in the same extent and is well now.
pub(crate) async fn keep(connection: &ClientWrapper, extent: &Extent, findings: &[Finding]) -> Result<(), Fault> {
    let tenants = column(findings, |finding| finding.tenant.as_str());
    let guests = column(findings, |finding| finding.guest_id.as_deref());
    let pps = column(findings, |finding| finding.pp);
    let projections = column(findings, |finding| finding.projection.as_str());
    let relations = column(findings, |finding| finding.relation.as_str());
    let keys = column(findings, |finding| finding.row_key.as_str());
    let positions = column(findings, |finding| finding.position);
    let differences = column(findings, |finding| finding.difference.as_str());
    let Extent { projections: of, relations: of_relations, partitions, tenants: of_tenants, owners } = extent;
    connection
        .execute(SETTLE, &[of, partitions, of_tenants, owners, &tenants, &projections, &relations, &keys, of_relations])
        .await?;
    connection
        .execute(RECORD, &[&tenants, &guests, &pps, &projections, &relations, &keys, &positions, &differences])
        .await?;
    Ok(())
}

impl Finding {
    /// For the log of this process.
    pub(crate) fn report(&self) {
        let Self { projection, relation, tenant, guest_id, pp, position, difference, .. } = self;
        let guest = guest_id.as_deref().unwrap_or("-");
        tracing::error!(
            projection,
            relation,
            tenant,
            guest,
            pp,
            position,
            difference,
            "a read model is not what the log says"
        );
    }
}
