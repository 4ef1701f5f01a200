//! The table of commands that wait for their time: one table for every timer.
//!
//! Only the database's clock says when a timer is due (`due/fire.rs`). What a timer's command says lies in the table in clear, so
//! it holds ids of ours and what a policy chose, never what somebody told about a person.

mod fire;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use proto::subject::{LogSubject, Tenant};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

pub(crate) use fire::{durable, run};

/// The last one stays: a timer that waits still may be put off.
const SCHEDULE: &str = "
-- schedule_timers()
INSERT INTO keepsake.due AS d (tenant, timer_id, owner, pp, due_at, facet, command, body, cause)
SELECT *
FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[])
ON CONFLICT (tenant, timer_id) DO UPDATE
SET cause = excluded.cause, owner = excluded.owner, pp = excluded.pp, due_at = excluded.due_at, facet = excluded.facet, command = excluded.command,
    body = excluded.body";

const CANCEL: &str = "
-- cancel_timers()
DELETE FROM keepsake.due AS d USING UNNEST($1::text[], $2::text[]) AS c (tenant, timer_id)
WHERE d.tenant = c.tenant AND d.timer_id = c.timer_id";

const CANCEL_ALL: &str = "
-- cancel_all_timers_of()
DELETE FROM keepsake.due WHERE tenant = $1 AND owner = $2";

/// A command that is to be carried out at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// Whose it is.
    pub subject: LogSubject,
    /// Of one tenant no two have the same. At most 255 bytes.
    pub timer_id: String,
    /// What it is made for, as an event's id; may be empty. With the timer's id and its time it makes the command's id: what fires twice
    /// for the same cause and time is carried out once.
    pub cause: String,
    /// By the database's clock; fires at once when it is past.
    pub due_at: DateTime<Utc>,
    pub command: DueCommand,
}

/// What is published to `cmdq.<tenant>.<facet>.<command>` then. It lies in the table in clear: ids of ours, no personal data.
#[derive(Clone, Debug, PartialEq)]
pub struct DueCommand {
    /// `interactions`
    pub facet: &'static str,
    /// `record`
    pub command: &'static str,
    pub body: Map<String, Value>,
}

/// A timer that is made, or no longer wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Appointment {
    Made(Timer),
    Cancelled { tenant: Tenant, timer_id: String },
}

/// Makes timers, at best in the transaction that is their reason. Made again, a timer that has not fired yet is as the last one says.
pub async fn schedule(client: &impl GenericClient, timers: &[Timer]) -> Result<(), tokio_postgres::Error> {
    // Postgres refuses to put one row right twice.
    let mut known = HashSet::new();
    let last: Vec<&Timer> =
        timers.iter().rev().filter(|timer| known.insert((&timer.subject.tenant, &timer.timer_id))).collect();
    let texts = |of: fn(&Timer) -> String| last.iter().map(|timer| of(timer)).collect::<Vec<_>>();
    let pps: Vec<i16> = last.iter().map(|timer| timer.subject.partition().into()).collect();
    let due: Vec<_> = last.iter().map(|timer| timer.due_at).collect();
    let (tenants, owners) = (texts(|t| t.subject.tenant.to_string()), texts(|t| t.subject.owner.to_string()));
    let (facets, commands) = (texts(|t| t.command.facet.to_owned()), texts(|t| t.command.command.to_owned()));
    let (ids, bodies) = (texts(|t| t.timer_id.clone()), texts(|t| Value::Object(t.command.body.clone()).to_string()));
    let causes = texts(|t| t.cause.clone());
    let columns: [&(dyn ToSql + Sync); 9] = [&tenants, &ids, &owners, &pps, &due, &facets, &commands, &bodies, &causes];
    client.execute(SCHEDULE, &columns).await.map(drop)
}

/// Forgets timers that have not fired yet; those that are not there are no error.
pub async fn cancel(client: &impl GenericClient, timers: &[(&Tenant, &str)]) -> Result<(), tokio_postgres::Error> {
    let (tenants, ids): (Vec<_>, Vec<_>) = timers.iter().map(|(tenant, id)| (tenant.as_str(), *id)).unzip();
    client.execute(CANCEL, &[&tenants, &ids]).await.map(drop)
}

/// Forgets every timer of an owner; says how many there were.
pub async fn cancel_all(client: &impl GenericClient, of: &LogSubject) -> Result<u64, tokio_postgres::Error> {
    client.execute(CANCEL_ALL, &[&of.tenant.as_str(), &of.owner.as_str()]).await
}

/// Makes and forgets timers in this order.
pub(crate) async fn arrange(
    client: &impl GenericClient,
    appointments: &[Appointment],
) -> Result<(), tokio_postgres::Error> {
    for group in appointments.chunk_by(|one, next| one.is_made() == next.is_made()) {
        let (mut made, mut cancelled) = (Vec::new(), Vec::new());
        for appointment in group {
            match appointment {
                Appointment::Made(timer) => made.push(timer.clone()),
                Appointment::Cancelled { tenant, timer_id } => cancelled.push((tenant, timer_id.as_str())),
            }
        }
        schedule(client, &made).await?;
        cancel(client, &cancelled).await?;
    }
    Ok(())
}

impl Appointment {
    fn is_made(&self) -> bool {
        matches!(self, Self::Made(_))
    }
}

/// `prefix` and 128 bits of these texts: the same id for the same texts, wherever and whenever it is made.
pub(crate) fn stable_id(prefix: &str, texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let bits = hash.finalize().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    format!("{prefix}{bits:032x}")
}

#[cfg(test)]
mod tests {
    use super::stable_id;

    #[test]
    fn an_id_is_the_same_for_the_same_texts_alone() {
        assert_eq!(stable_id("tmr_", &["a", "bc"]), stable_id("tmr_", &["a", "bc"]));
        assert_ne!(stable_id("tmr_", &["a", "bc"]), stable_id("tmr_", &["ab", "c"]));
        let id = stable_id("tmr_", &["demo", "one"]);
        assert!(id.len() == 36 && id.starts_with("tmr_"), "{id}");
    }
}
