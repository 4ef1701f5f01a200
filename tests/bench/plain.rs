//! Interactions as plain JSON on a stream of their own: what a team would publish that seals nothing.

use std::sync::atomic::Ordering;

use anyhow::ensure;
use async_nats::jetstream::{self, stream};
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use proto::subject::Owner;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::atomic::{self, BATCH};
use crate::contestant::Request;
use crate::contestant::command::{KIND, PROPERTIES, TENANT};
use crate::deed::{Active, Deed, scattered};
use crate::progress::Progress;
use crate::site::Site;

pub(crate) const STREAM: &str = "BENCH_RAW";
const SUBJECTS: &str = "bench_raw.>";

/// An interaction as whoever reads the stream knows it.
#[derive(Deserialize)]
pub(crate) struct Plain<'a> {
    pub(crate) id: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) guest_id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) offset_minutes: i16,
    pub(crate) recorded_at: DateTime<Utc>,
    #[serde(borrow)]
    pub(crate) properties: &'a RawValue,
}

/// A deed as it is published, under an id that is as long as one of ours.
pub(crate) fn payload(number: usize, deed: &Deed) -> Bytes {
    let Deed { topic, occurred_at, .. } = deed;
    let (id, guest) = (number, guest_id(deed.guest));
    Bytes::from(
        format!(
            r#"{{"id":"evt_{id:032x}","tenant":"{TENANT}","guest_id":"{guest}","kind":"{KIND}","topic":"{topic}","#
        ) + &format!(
            r#""occurred_at":"{occurred_at}","offset_minutes":60,"recorded_at":"2026-03-01T09:00:00Z","properties":{PROPERTIES}}}"#
        ),
    )
}

/// As long and as scattered as one of ours.
fn guest_id(guest: usize) -> Owner {
    let half = |number: u64| u128::from(scattered(number));
    Owner::guest(half(guest as u64) << 64 | half(!(guest as u64)))
}

pub(crate) fn subject(guest: usize) -> Subject {
    Subject::from(format!("bench_raw.{guest}"))
}

/// Makes the stream, on the log's own server and with a file as the log has it.
pub(crate) async fn create(site: &Site) -> anyhow::Result<()> {
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECTS.to_owned()],
        allow_atomic_publish: true,
        ..stream::Config::default()
    };
    jetstream::new(site.client().clone()).create_stream(config).await?;
    Ok(())
}

/// Publishes so many deeds of so many guests.
pub(crate) async fn fill(site: &Site, deeds: usize, guests: usize, progress: &Progress) -> anyhow::Result<()> {
    let filling = progress.filling("publishing plain interactions", deeds as u64);
    for first in (0..deeds).step_by(BATCH) {
        let requests = (first..deeds.min(first + BATCH)).map(|number| {
            let deed = Deed::nth(number, Active::everybody(guests));
            Request { subject: subject(deed.guest), headers: HeaderMap::new(), body: payload(number, &deed) }
        });
        atomic::store(site.client(), requests).await?;
        filling.done().store((first + BATCH) as u64, Ordering::Relaxed);
    }
    let stored = site.last_position_of(STREAM).await?;
    ensure!(stored == deeds as u64, "{deeds} interactions were published and {stored} are in the stream");
    Ok(())
}
