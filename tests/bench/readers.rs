//! Readers over HTTP that ask at a pace of their own, whatever the answers take.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::figures::{micros, ms, percentile};

type Door = SendRequest<Empty<Bytes>>;

/// So many connections; each reads the interactions of one guest after the other.
#[derive(Clone, Copy)]
pub(crate) struct Readers<'a> {
    /// `127.0.0.1:<port>`
    pub(crate) address: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) bearer: &'a str,
    pub(crate) guests: &'a [String],
    pub(crate) connections: usize,
    /// Of each connection.
    pub(crate) asks_every: Duration,
}

/// What they met.
pub(crate) struct Reading {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) answered: usize,
    /// Because somebody asked too often.
    pub(crate) refused: usize,
}

/// What of it counts: the first part is for connections, plans and caches.
#[derive(Clone, Copy)]
pub(crate) struct Lasting {
    pub(crate) warm_up: Duration,
    pub(crate) timed: Duration,
}

#[derive(Default)]
struct Met {
    /// Microseconds, counted from when the request was due.
    took: Vec<u32>,
    refused: usize,
}

impl Readers<'_> {
    /// Refusals count, anything but those and answers is an error.
    pub(crate) async fn read(self, lasting: Lasting) -> anyhow::Result<Reading> {
        let readers = (0..self.connections).map(|reader| self.ask(reader, lasting));
        let met = futures_util::future::try_join_all(readers).await?;
        let refused = met.iter().map(|met| met.refused).sum();
        let mut took: Vec<u32> = met.into_iter().flat_map(|met| met.took).collect();
        took.sort_unstable();
        let figure = |permille| percentile(&took, permille).map(ms).context("nothing was read");
        Ok(Reading { p50_ms: figure(500)?, p99_ms: figure(990)?, answered: took.len(), refused })
    }

    async fn ask(self, reader: usize, lasting: Lasting) -> anyhow::Result<Met> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut door, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let asking = async {
            let (began, mut met) = (Instant::now(), Met::default());
            // Readers know nothing of each other: their turns are spread evenly, not all at one instant.
            let offset = self.asks_every * u32::try_from(reader)? / u32::try_from(self.connections)?;
            let mut ticks = interval_at((began + offset).into(), self.asks_every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for guest in self.guests.iter().cycle().skip(reader * 97) {
                let due = ticks.tick().await.into_std();
                if began.elapsed() > lasting.warm_up + lasting.timed {
                    break;
                }
                let is_answered = self.one(&mut door, guest).await?;
                if began.elapsed() <= lasting.warm_up {
                    continue;
                }
                if is_answered {
                    met.took.push(micros(due.elapsed()));
                } else {
                    met.refused += 1;
                }
            }
            Ok(met)
        };
        tokio::select! {
            ended = connection => {
                ended?;
                anyhow::bail!("{} closed the connection", self.address)
            }
            met = asking => met,
        }
    }

    /// False when it was refused because somebody asked too often.
    async fn one(self, door: &mut Door, guest: &str) -> anyhow::Result<bool> {
        door.ready().await?;
        let request = Request::get(format!("/api/v1/guests/{guest}/interactions?limit=20"));
        let request = request.header("Host", self.address).header("Authorization", self.bearer);
        let request = request.header("X-Tenant-ID", self.tenant).body(Empty::new())?;
        let answer = door.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        ensure!(status.is_success() || status == StatusCode::TOO_MANY_REQUESTS, "a read was answered with {status}");
        Ok(status.is_success())
    }
}
