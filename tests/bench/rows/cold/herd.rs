//! Guests with a history of a known length, and guests who only wake the service up.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use proto::subject::{LOG_STREAM, LogSubject, Owner};

use crate::bench::Bench;
use crate::contestant::command::{Commands, TENANT, identifier};
use crate::contestant::{Contestant, Verdict};
use crate::field::{OWNERS, fill, fill_with};
use crate::figures::{median, micros, ms};
use crate::load::Load;
use crate::progress::Progress;
use crate::site::Site;

/// Each guest of a herd is this much older than the one before, so that they do not all stand right behind a snapshot.
const APART: usize = 33;
/// Callers who make a history.
const WRITERS: usize = 60;
const WARMERS: Range<usize> = OWNERS..OWNERS + 20;

/// How many guests there are of each length, and the number of the first.
fn guests(events: usize) -> Range<usize> {
    let first = WARMERS.end + events;
    match events {
        0..=99 => first..first + 20,
        100..=4_999 => first..first + 6,
        _ => first..first + 3,
    }
}

pub(super) struct Herd {
    pub(super) events: usize,
    subjects: Vec<LogSubject>,
    record: Arc<dyn Contestant>,
}

impl Herd {
    /// Registers the guests and lets them live through their history, over the same door as anybody.
    pub(super) async fn with_history(site: &Site, events: usize, progress: &Progress) -> anyhow::Result<Self> {
        let numbers = guests(events);
        let subjects = register(site, numbers.clone()).await?;
        let record: Arc<dyn Contestant> = Arc::new(Commands::record(numbers.clone()));
        let guests = numbers.len();
        let writers = WRITERS / guests;
        // Registration was the first event.
        let to_record = move |guest: usize| length(events, guest) - 1;
        let turns = move |caller: usize, turn: u64| {
            let (guest, writer) = (caller % guests, caller / guests);
            let mine = (to_record(guest) + writers - 1 - writer) / writers;
            (turn < mine as u64).then_some(guest)
        };
        let callers = writers * guests;
        let load = Load { clients: site.connections(callers), callers, turns: Arc::new(turns) };
        let all = (0..guests).map(to_record).sum();
        fill_with(&load, &record, all, &format!("making histories of {events} events"), progress).await?;
        Ok(Self { events, subjects, record })
    }

    /// Median milliseconds of a command on each guest, and of reading the last message of its subject.
    pub(super) async fn first_commands(&self, site: &Site) -> anyhow::Result<(f64, f64)> {
        let (mut ours, mut raw) = (Vec::new(), Vec::new());
        for (guest, subject) in self.subjects.iter().enumerate() {
            ours.push(ms(micros(command(site, &self.record, guest).await?)));
            raw.push(ms(micros(direct_get(site, subject).await?)));
        }
        let nobody = "there are guests of every length";
        Ok((median(&ours).context(nobody)?, median(&raw).context(nobody)?))
    }

    pub(super) fn describe(&self) -> String {
        let (guests, longest) = (self.subjects.len(), length(self.events, self.subjects.len() - 1));
        format!(
            "the first command on each of {guests} guests of {} to {longest} events after a `kill -9` and restart of the \
             service, one caller; limit = one Direct Get of the last message of the same subject",
            self.events
        )
    }
}

/// Events of a herd's guest.
fn length(events: usize, guest: usize) -> usize {
    if events < 100 { events } else { events + APART * guest }
}

/// Guests whose commands make the connections and fill the caches that are no guest's own.
pub(super) struct Warmers(Arc<dyn Contestant>);

impl Warmers {
    pub(super) async fn register(site: &Site) -> anyhow::Result<Self> {
        register(site, WARMERS).await?;
        Ok(Self(Arc::new(Commands::record(WARMERS))))
    }

    pub(super) async fn record(&self, site: &Site, bench: &Bench) -> anyhow::Result<()> {
        fill(site, &self.0, WARMERS.len(), "waking the service up", &bench.progress).await
    }
}

async fn register(site: &Site, guests: Range<usize>) -> anyhow::Result<Vec<LogSubject>> {
    let mut subjects = Vec::new();
    for guest in guests {
        let body = format!(r#"{{"identifier":"{}"}}"#, identifier(guest));
        let owner = site.accepted("guest.register", body).await?.guest_id;
        let owner = Owner::parse_guest(&owner).context("a registration names the guest")?;
        subjects.push(LogSubject::new(TENANT.parse()?, owner));
    }
    Ok(subjects)
}

async fn command(site: &Site, contestant: &Arc<dyn Contestant>, guest: usize) -> anyhow::Result<Duration> {
    let request = contestant.request(guest);
    let started = Instant::now();
    let answer = site.client().request_with_headers(request.subject, request.headers, request.body).await?;
    let took = started.elapsed();
    let verdict = contestant.judge(guest, &answer)?;
    ensure!(verdict != Verdict::Overloaded, "a service that has nothing to do is overloaded");
    Ok(took)
}

async fn direct_get(site: &Site, subject: &LogSubject) -> anyhow::Result<Duration> {
    let asked = format!("$JS.API.DIRECT.GET.{LOG_STREAM}.{subject}");
    let started = Instant::now();
    let answer = site.client().request(asked, Bytes::new()).await?;
    let took = started.elapsed();
    ensure!(answer.status.is_none() && !answer.payload.is_empty(), "the last message of {subject} cannot be read");
    Ok(took)
}
