//! Whom a read about one guest is about: the guest itself and everybody it was merged with, over any chain of merges.

/// The statement `$name` about the cluster of guest `$2` of tenant `$1`. It may read `canonical (canonical_id)`, the one guest
/// all of them are read as, `member (guest_id)`, all of them, and `cluster (guest_id, pp)`, with the partition of each.
///
/// An absorbed guest's row names its survivor and a survivor's rows name whom it absorbed, each written by its own lane. One of
/// the two may be there before the other, so both are followed. A chain is followed upwards for 32 steps: merges that make a
/// longer one must not be let in.
///
/// The planner takes every cluster for a huge one, while nearly all have one member. So `member` comes out of an array, which
/// it takes for a short one, and a step is a LATERAL that its LIMIT or OFFSET keeps from becoming a join over a whole tenant.
macro_rules! of_cluster {
    ($name:literal, $($select:tt)+) => {
        concat!(
            "\n-- ",
            $name,
            "()
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
  WHERE up.canonical_id <> up.guest_id AND up.steps < 32
), canonical AS (
  SELECT canonical_id FROM up ORDER BY steps DESC LIMIT 1
), cluster (guest_id, pp) AS (
  SELECT guest_id, pp FROM up
  UNION
  SELECT canonical_id, canonical_pp FROM up
  UNION
  SELECT absorbed.absorbed_id, absorbed.absorbed_pp
  FROM cluster CROSS JOIN LATERAL (
    SELECT absorbed_id, absorbed_pp
    FROM read.identity_absorbed
    WHERE tenant = $1 AND guest_id = cluster.guest_id
    OFFSET 0
  ) AS absorbed
), member (guest_id) AS (
  SELECT unnest(ARRAY(SELECT guest_id FROM cluster))
)
",
            $($select)+
        )
    };
}

pub(crate) use of_cluster;
