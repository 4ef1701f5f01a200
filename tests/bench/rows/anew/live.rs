//! `rebuild.live`: what readers notice of a read model that is folded anew beside the one they read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use projection_workers::rebuild;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};

use super::Spec;
use super::history::{GUESTS, History, INTERACTIONS};
use crate::bench::{Bench, conditions_of_folding};
use crate::contestant::command::TENANT;
use crate::figures::{micros, ms, percentile};
use crate::row::{Rounds, Row};

pub(super) const PAIRS: usize = 5;
const REBUILT: &str = "interaction";
const LANES: u8 = 4;
/// Each reader asks that often, so that readers alone keep no core busy.
const READERS: usize = 4;
const ASKS_EVERY: Duration = Duration::from_millis(10);
/// Of one measurement; the rebuild has to last longer.
const TIMED: Duration = Duration::from_secs(8);
/// Not counted: connections, plans, and the first batches.
const WARM_UP: Duration = Duration::from_secs(2);
const SOME: &str = "SELECT guest_id FROM read.profile ORDER BY md5(guest_id) LIMIT 500";

type Door = SendRequest<Empty<Bytes>>;

pub(super) async fn measure(bench: &Bench, history: &mut History, spec: &Spec) -> anyhow::Result<Row> {
    let folding = &mut history.folding;
    let guests = folding.admin().query(SOME, &[]).await?;
    let guests: Vec<String> = guests.iter().map(|row| row.get(0)).collect();
    folding.site.start_folding().await;
    let address = folding.site.start_query_service().await;
    let bearer = folding.site.bearer();
    let origin = Origin { address: &address, bearer: &bearer };
    folding.site.everything_is_folded(&bench.progress).await?;
    let mut rounds = Rounds::default();
    for number in 1..=PAIRS {
        let label = |which: &str| format!("{} {number}/{PAIRS} {which}", spec.name);
        bench.progress.measuring(&label("before"));
        let before = read(origin, &guests).await?;
        bench.progress.measuring(&label("during"));
        let (generation, _) = rebuild::begin(folding.admin(), REBUILT, LANES, true).await?;
        let during = read(origin, &guests).await?;
        let all = rebuild::built(folding.admin()).await?;
        let built = all.iter().find(|one| one.generation == generation).context("the generation is there")?;
        let (folded, end) = (built.mean_position, folding.site.last_position().await?);
        ensure!(built.position.cast_unsigned() < end, "the rebuild ended before it was measured");
        ensure!(folded > 0.0, "the rebuild did not begin");
        rebuild::drop_generation(folding.admin(), generation, WARM_UP).await?;
        bench.progress.measured(&format!(
            "{}: p99 {:.2} ms before, {:.2} ms during, {folded:.0} commits folded",
            label("p99"),
            before.p99_ms,
            during.p99_ms
        ));
        rounds.ours.push(during.p99_ms);
        rounds.limit.push(before.p99_ms);
        rounds.p50_ms.push(during.p50_ms);
    }
    folding.site.stop_folding().await;
    let what = format!(
        "99th percentile of GET /api/v1/guests/{{id}}/interactions over HTTP, {READERS} connections asking every {} ms each, while \
         `{REBUILT}` is folded anew from {INTERACTIONS} commits of {GUESTS} guests, --throttle auto; limit = the same before",
        ASKS_EVERY.as_millis()
    );
    Ok(Row::new(spec.name, "ms", &rounds, conditions_of_folding(PAIRS, &what)))
}

/// Who is asked, and with what token.
#[derive(Clone, Copy)]
struct Origin<'a> {
    address: &'a str,
    bearer: &'a str,
}

struct Latency {
    p50_ms: f64,
    p99_ms: f64,
}

async fn read(origin: Origin<'_>, guests: &[String]) -> anyhow::Result<Latency> {
    let readers = (0..READERS).map(|reader| ask(origin, guests, reader));
    let mut took: Vec<u32> = futures_util::future::try_join_all(readers).await?.into_iter().flatten().collect();
    took.sort_unstable();
    let figure = |permille| percentile(&took, permille).map(ms).context("nothing was read");
    Ok(Latency { p50_ms: figure(500)?, p99_ms: figure(990)? })
}

/// Latencies in microseconds, counted from when the request was due.
async fn ask(origin: Origin<'_>, guests: &[String], reader: usize) -> anyhow::Result<Vec<u32>> {
    let stream = TcpStream::connect(origin.address).await?;
    stream.set_nodelay(true)?;
    let (mut door, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let (began, mut took) = (Instant::now(), Vec::new());
        let mut ticks = interval(ASKS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for guest in guests.iter().cycle().skip(reader * 97) {
            let due = ticks.tick().await.into_std();
            if began.elapsed() > WARM_UP + TIMED {
                break;
            }
            one(&mut door, origin, guest).await?;
            if began.elapsed() > WARM_UP {
                took.push(micros(due.elapsed()));
            }
        }
        Ok(took)
    };
    tokio::select! {
        ended = connection => {
            ended?;
            anyhow::bail!("{address} closed the connection", address = origin.address)
        }
        took = asking => took,
    }
}

async fn one(door: &mut Door, Origin { address, bearer }: Origin<'_>, guest: &str) -> anyhow::Result<()> {
    door.ready().await?;
    let request = Request::get(format!("/api/v1/guests/{guest}/interactions?limit=20"));
    let request = request.header("Host", address).header("Authorization", bearer).header("X-Tenant-ID", TENANT);
    let request = request.body(Empty::new())?;
    let answer = door.send_request(request).await?;
    let status = answer.status();
    answer.into_body().collect().await?;
    ensure!(status.is_success(), "a read was answered with {status}");
    Ok(())
}
