//! Which interactions a caller asks for, and the statement that finds a page of them.

use chrono::{DateTime, Utc};
use runtime::tenant::Tenant;
use tokio_postgres::types::Timestamp;

use super::Seen;
use crate::error::Fault;
use crate::instant;
use crate::page::Order;
use crate::parameters::Parameters;
use crate::read::{Query, members};

/// The statement for one set of filters: each set has an index of its own, so the planner must not see the others. No
/// COALESCE: Postgres thinks it may leak rows of other tenants, and under row-level security keeps it out of index conditions.
/// Each member of the cluster gives its own next page, and the first of all those rows are the page.
macro_rules! page {
    ($name:literal, $bound:literal, $beyond:literal, $order:literal, $filter:literal) => {
        concat!(
            "\n-- ",
            $name,
            "()
SELECT page.*
FROM ",
            members!(),
            "
CROSS JOIN LATERAL (
  SELECT interaction_id, kind, topic, occurred_at, occurred_at_offset_minutes, recorded_at, properties::text AS properties,
         context::text AS context, told_at,
         position
  FROM read.interaction
  WHERE tenant = $1
    AND guest_id = member.guest_id
    AND occurred_at ",
            $bound,
            " $2
    AND (occurred_at, interaction_id) ",
            $beyond,
            " ($3, $4)
    ",
            $filter,
            "
  ORDER BY occurred_at ",
            $order,
            ", interaction_id ",
            $order,
            "
  LIMIT $5
) AS page
ORDER BY occurred_at ",
            $order,
            ", interaction_id ",
            $order,
            "
LIMIT $5"
        )
    };
}

/// Newest first, then oldest first.
macro_rules! both {
    ($name:literal, $filter:literal) => {
        [page!($name, ">=", "<", "DESC", $filter), page!($name, "<", ">", "ASC", $filter)]
    };
}

const ALL: [&str; 2] = both!("interactions", "");
const OF_KIND: [&str; 2] = both!("interactions_of_kind", "AND kind = $6");
const ON_TOPIC: [&str; 2] = both!("interactions_on_topic", "AND topic_key = $6");
const OF_KIND_ON_TOPIC: [&str; 2] = both!("interactions_of_kind_on_topic", "AND kind = $6 AND topic_key = $7");

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    kind: Option<String>,
    topic_key: Option<String>,
    /// Inclusive.
    from: Option<DateTime<Utc>>,
    /// Exclusive.
    to: Option<DateTime<Utc>>,
    /// Both as the caller wrote them: part of what a cursor belongs to.
    from_text: Option<String>,
    to_text: Option<String>,
    order: Order,
}

impl Filter {
    /// Takes `kind` (or `type`), `topic`, `from`, `to` and `sort`.
    pub(super) fn take(parameters: &mut Parameters) -> Result<Self, Fault> {
        let (kind, alias) = (parameters.take("kind"), parameters.take("type"));
        if kind.is_some() && alias.is_some() {
            return Err(Fault::Filter("kind and type mean the same: give one of them"));
        }
        let topic_key = parameters.take("topic").map(|topic| schema::topic_key(&topic));
        let (from_text, to_text) = (parameters.take("from"), parameters.take("to"));
        let (from, to) = (parse("from", from_text.as_deref())?, parse("to", to_text.as_deref())?);
        let order = Order::take(parameters, "occurred_at")?;
        Ok(Self { kind: kind.or(alias), topic_key, from, to, from_text, to_text, order })
    }

    pub(super) fn texts(&self) -> Vec<Option<&str>> {
        let texts = [&self.kind, &self.topic_key, &self.from_text, &self.to_text].map(Option::as_deref);
        texts.into_iter().chain(self.order.text().map(Some)).collect()
    }

    /// Finds at most `limit` interactions that come after `after`, or the first.
    pub(super) fn query(&self, tenant: &Tenant, after: Option<Seen>, limit: i64) -> Query {
        let [newest_first, oldest_first] = match (&self.kind, &self.topic_key) {
            (None, None) => ALL,
            (Some(_), None) => OF_KIND,
            (None, Some(_)) => ON_TOPIC,
            (Some(_), Some(_)) => OF_KIND_ON_TOPIC,
        };
        let from = self.from.map_or(Timestamp::NegInfinity, Timestamp::Value);
        let to = self.to.map_or(Timestamp::PosInfinity, Timestamp::Value);
        // No id sorts before the empty one: the first page has what happened at `from` itself, and nothing of `to`.
        let (sql, end, begin) = match self.order {
            Order::NewestFirst => (newest_first, from, to),
            Order::OldestFirst => (oldest_first, to, from),
        };
        let (begin, seen_id) = after.map_or((begin, String::new()), |seen| (Timestamp::Value(seen.at), seen.id));
        let query = Query::new(sql).with(tenant.to_string()).with(end).with(begin).with(seen_id).with(limit);
        [&self.kind, &self.topic_key].into_iter().flatten().fold(query, |query, value| query.with(value.clone()))
    }
}

fn parse(name: &'static str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Fault> {
    text.map(|text| instant::parse(text).ok_or(Fault::Date(name))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Result<Filter, Fault> {
        let uri = format!("/?{query}").parse().expect("a URI");
        Filter::take(&mut Parameters::of(&uri)?)
    }

    #[test]
    fn type_is_another_name_of_kind() {
        assert_eq!(filter("type=order.created").expect("valid"), filter("kind=order.created").expect("valid"));
        assert!(matches!(filter("type=a&kind=a"), Err(Fault::Filter(_))));
    }

    #[test]
    fn only_the_time_is_an_order() {
        assert_eq!(filter("").expect("valid"), filter("sort=-occurred_at").expect("valid"));
        assert_eq!(filter("sort=occurred_at").expect("valid").order, Order::OldestFirst);
        for unknown in ["sort=", "sort=email;drop", "sort=--occurred_at", "sort=kind"] {
            assert!(matches!(filter(unknown), Err(Fault::Order("occurred_at"))), "{unknown}");
        }
    }

    #[test]
    fn times_need_an_offset() {
        assert!(filter("from=2026-03-01T10:00:00%2B01:00&to=2026-03-02T10:00:00Z").is_ok());
        assert!(matches!(filter("from=2026-03-01T10:00:00"), Err(Fault::Date("from"))));
        assert!(matches!(filter("to=yesterday"), Err(Fault::Date("to"))));
    }
}
