//! Whom a read about one guest is about: the guest itself and everybody it was merged with, over any chain of merges.
//!
//! An absorbed guest's row names its survivor and a survivor's rows name whom it absorbed, each written by its own lane. One of
//! the two may be there before the other, so both are followed.

/// The cluster of guest `$2` of tenant `$1`, left in the transaction's settings for the queries after it, and how far all rows
/// are that they may use: those of read models `$3`, of the cluster's partitions and of `$4`; and from where on commits of those
/// it is about are parked, if any are. A chain is followed upwards for 100 steps: no more guests
/// are let into one cluster (`domain::guest::MOST_MEMBERS`).
///
/// A step is a LATERAL that its LIMIT or OFFSET keeps from becoming a join over a whole tenant: the planner takes every cluster
/// for a huge one, and nearly all have one member.
pub(super) const CLUSTER: &str = "
-- cluster()
WITH RECURSIVE up (guest_id, pp, canonical_id, canonical_pp, steps) AS (
  SELECT guest_id, pp, canonical_id, canonical_pp, 0
  FROM read.identity
  WHERE tenant = $1 AND guest_id = $2
  UNION ALL
  SELECT next.guest_id, next.pp, next.canonical_id, next.canonical_pp, up.steps + 1
  FROM up CROSS JOIN LATERAL (
    SELECT guest_id, pp, canonical_id, canonical_pp
    FROM read.identity
    WHERE tenant = $1 AND guest_id = up.canonical_id
    LIMIT 1
  ) AS next
  WHERE up.canonical_id <> up.guest_id AND up.steps < 100
), cluster (guest_id, pp) AS (
  SELECT met.* FROM up CROSS JOIN LATERAL (VALUES (guest_id, pp), (canonical_id, canonical_pp)) AS met
  UNION
  SELECT absorbed.absorbed_id, absorbed.absorbed_pp
  FROM cluster CROSS JOIN LATERAL (
    SELECT absorbed_id, absorbed_pp
    FROM read.identity_absorbed
    WHERE tenant = $1 AND guest_id = cluster.guest_id
    OFFSET 0
  ) AS absorbed
), known (canonical_id, members, partitions) AS MATERIALIZED (
  SELECT (SELECT canonical_id FROM up ORDER BY steps DESC LIMIT 1), ARRAY(SELECT guest_id FROM cluster),
         $4::smallint[] || ARRAY(SELECT pp FROM cluster)
)
SELECT canonical_id, partitions,
       set_config('keepsake.canonical', canonical_id, true), set_config('keepsake.cluster', members::text, true),
       (SELECT CASE WHEN count(*) = cardinality($3::text[]) * (SELECT count(DISTINCT pp) FROM unnest(partitions) AS pp)
                    THEN min(position) ELSE 0 END
        FROM keepsake.progress
        WHERE projection = ANY ($3) AND pp = ANY (partitions)) AS position,
       tenant.suspended AS tenant_suspended, tenant.requests_per_s AS tenant_requests_per_s,
       (SELECT min(position)
        FROM keepsake.parked_guest
        WHERE tenant = $1 AND projection = ANY ($3) AND generation IN (SELECT generation FROM keepsake.generation WHERE state = 'live')
          AND ($2 = '' OR owner = ANY (members || ARRAY[$2, 'tenant']))) AS parked_from
FROM known
LEFT JOIN LATERAL (
  SELECT suspended_at IS NOT NULL AS suspended, requests_per_s
  FROM read.tenant
  WHERE tenant = $1
  LIMIT 1
) AS tenant ON true";

/// A relation `member (guest_id)` of everybody in the cluster: an item of FROM.
macro_rules! members {
    () => {
        "unnest(current_setting('keepsake.cluster')::text[]) AS member (guest_id)"
    };
}

/// The id the cluster goes by, as a subquery.
macro_rules! canonical_id {
    () => {
        "(SELECT current_setting('keepsake.canonical'))"
    };
}

pub(crate) use {canonical_id, members};
