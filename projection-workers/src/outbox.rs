//! The outbox: published events that are derived while folding, written in the transaction that moves the rows.
//!
//! Several builds of a read model may derive the same ones. A floor for each policy and partition moves with the rows of whichever
//! is ahead, and only what lies above it is written: each is published once, by whoever comes first. `outbox/send.rs` publishes them.

mod send;

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use proto::subject::LogSubject;
use proto::token;
use serde_json::{Map, Value, json};
use tokio_postgres::GenericClient;

use crate::due::stable_id;

pub(crate) use send::Sender;

/// A floor never sinks: who is below it by this has nothing to write, and waits for nobody.
const AHEAD: &str = "
-- outbox_floors_below()
SELECT g.ordinality - 1 AS place
FROM UNNEST($1::text[], $2::smallint[], $3::bigint[]) WITH ORDINALITY AS g (policy, pp, up_to)
LEFT JOIN keepsake.outbox_floor f ON f.policy = g.policy AND f.pp = g.pp
WHERE g.up_to > COALESCE(f.position, 0)
ORDER BY place";

/// Locks the floors, in an order that is everybody's.
const FLOORS: &str = "
-- lock_outbox_floors()
INSERT INTO keepsake.outbox_floor AS f (policy, pp, position)
SELECT policy, pp, 0 FROM UNNEST($1::text[], $2::smallint[]) AS g (policy, pp) ORDER BY policy, pp
ON CONFLICT (policy, pp) DO UPDATE SET position = f.position
RETURNING policy, pp, position";

const RAISE: &str = "
-- raise_outbox_floors()
UPDATE keepsake.outbox_floor AS f SET position = g.position
FROM UNNEST($1::text[], $2::smallint[], $3::bigint[]) AS g (policy, pp, position)
WHERE f.policy = g.policy AND f.pp = g.pp AND f.position < g.position";

const PUT: &str = "
-- put_into_outbox()
INSERT INTO keepsake.outbox (tenant, event_id, name, body)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])";

/// What a policy derived in one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// Names its floor for ever: `segments`.
    pub policy: &'static str,
    pub pp: i16,
    /// Everything the partition has up to this position was looked at.
    pub up_to: i64,
    /// In the order of their positions.
    pub transitions: Vec<Transition>,
}

/// One published event that is no stored one's.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    pub subject: LogSubject,
    /// Of the commit by which it came about.
    pub position: i64,
    /// Tells apart what one commit leads to.
    pub step: String,
    /// `guest.segment.entered`
    pub name: &'static str,
    pub time: DateTime<Utc>,
    /// Ids of ours, times and what is no personal data: it lies in the table in clear.
    pub data: Map<String, Value>,
}

/// Writes what lies above the floors and raises them; within the transaction that writes the rows. Says how many were new.
pub async fn put(client: &impl GenericClient, derived: &[Derived]) -> Result<usize, tokio_postgres::Error> {
    let derived = ahead(client, derived).await?;
    if derived.is_empty() {
        return Ok(0);
    }
    let policies: Vec<_> = derived.iter().map(|derived| derived.policy).collect();
    let pps: Vec<_> = derived.iter().map(|derived| derived.pp).collect();
    let up_to: Vec<_> = derived.iter().map(|derived| derived.up_to).collect();
    let mut floors = HashMap::new();
    for row in client.query(FLOORS, &[&policies, &pps]).await? {
        let (policy, pp): (String, i16) = (row.try_get("policy")?, row.try_get("pp")?);
        floors.insert((policy, pp), row.try_get::<_, i64>("position")?);
    }
    let (mut tenants, mut ids, mut names, mut bodies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Derived { policy, pp, transitions, .. } in derived {
        let floor = floors.get(&((*policy).to_owned(), *pp)).copied().unwrap_or_default();
        for transition in transitions.iter().filter(|transition| transition.position > floor) {
            let id = transition.event_id(policy);
            bodies.push(transition.body(&id));
            tenants.push(transition.subject.tenant.as_str());
            ids.push(id);
            names.push(transition.name);
        }
    }
    if !ids.is_empty() {
        client.execute(PUT, &[&tenants, &ids, &names, &bodies]).await?;
    }
    client.execute(RAISE, &[&policies, &pps, &up_to]).await?;
    Ok(ids.len())
}

/// What may lie above the floors, in the order in which they are locked.
async fn ahead<'d>(
    client: &impl GenericClient,
    derived: &'d [Derived],
) -> Result<Vec<&'d Derived>, tokio_postgres::Error> {
    let policies: Vec<_> = derived.iter().map(|derived| derived.policy).collect();
    let pps: Vec<_> = derived.iter().map(|derived| derived.pp).collect();
    let up_to: Vec<_> = derived.iter().map(|derived| derived.up_to).collect();
    let mut ahead = Vec::new();
    for row in client.query(AHEAD, &[&policies, &pps, &up_to]).await? {
        let place = usize::try_from(row.try_get::<_, i64>("place")?).unwrap_or(usize::MAX);
        ahead.extend(derived.get(place));
    }
    ahead.sort_unstable_by_key(|derived| (derived.policy, derived.pp));
    Ok(ahead)
}

impl Transition {
    /// The same whoever derives it and whenever.
    fn event_id(&self, policy: &str) -> String {
        let (tenant, owner) = (self.subject.tenant.as_str(), self.subject.owner.as_str());
        stable_id("drv_", &[policy, tenant, owner, &self.position.to_string(), &self.step])
    }

    fn body(&self, id: &str) -> String {
        let body = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/keepsake/{}", self.subject.tenant),
            "type": self.name,
            "subject": self.subject.owner.as_str(),
            "time": self.time.to_rfc3339_opts(SecondsFormat::Micros, true),
            "datacontenttype": "application/json",
            "tenant": self.subject.tenant.as_str(),
            "position": token::write(self.position.cast_unsigned()),
            "data": self.data,
        });
        body.to_string()
    }
}
