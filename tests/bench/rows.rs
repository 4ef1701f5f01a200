//! Every row there is, and what it must reach.

mod anew;
mod closed;
mod cold;
mod growth;
mod hot;
mod http;
mod intake;
mod lag;
mod noisy;
mod old;
mod open;
mod publish;
mod read;

use crate::bench::{Bench, ROUNDS};
use crate::field::Field;
use crate::row::Must;
use crate::site::Site;
use anew::Anew;
pub(crate) use closed::{Closed, Limit};
use growth::Doing;
use read::Reading;

pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Of the log.
    pub(crate) servers: usize,
    pub(crate) kind: Kind,
    pub(crate) must: Must,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Closed(Closed),
    Hot,
    Open,
    /// Over HTTP, beside the service by hand.
    Http,
    /// A backlog of the durable intake.
    Intake,
    /// The first command on a guest with so many events.
    Cold(usize),
    /// On a site of its own.
    Own(Own),
    /// On the site whose read models are made anew.
    Anew(Anew),
    /// On the site whose read models are read.
    Read(Reading),
}

#[derive(Clone, Copy)]
pub(crate) enum Own {
    /// The same as `Http`, while the read models are folded.
    HttpFolded,
    Old,
    Lag,
    PublishLag,
    Growth(Doing),
    /// One tenant reads while another asks far too often.
    Noisy,
    /// The same commands through the one origin.
    PassThrough,
}

pub(crate) const ROWS: [Spec; 32] = [
    closed("command.c1", 1, 1, Limit::Singles, limit(0.85)),
    closed("command.c16", 1, 16, Limit::Singles, relay_and_raw(0.80, 0.80)),
    closed("command.c64", 1, 64, Limit::Singles, relay_and_raw(0.80, 1.5)),
    closed("command.c256", 1, 256, Limit::Singles, relay_and_raw(0.80, 3.5)),
    closed("command.c1000", 1, 1_000, Limit::Batches, relay_and_raw(0.80, 0.5)),
    other("command.hot", Kind::Hot, Must::NOTHING),
    other("command.open70", Kind::Open, Must::NOTHING),
    other("command.http.c64", Kind::Http, limit(1.5)),
    other("command.http.folded.c64", Kind::Own(Own::HttpFolded), Must::NOTHING),
    other("intake.drain", Kind::Intake, Must::NOTHING),
    other("command.old", Kind::Own(Own::Old), limit(0.9)),
    other("load.cold.10", Kind::Cold(10), Must::NOTHING),
    other("load.cold.1000", Kind::Cold(1_000), Must::NOTHING),
    other("load.cold.10000", Kind::Cold(10_000), times_shortest(2.0)),
    closed("command.r3.c1", 3, 1, Limit::Singles, Must::NOTHING),
    closed("command.r3.c64", 3, 64, Limit::Singles, Must::NOTHING),
    closed("command.r3.c1000", 3, 1_000, Limit::Batches, Must::NOTHING),
    other("projection.rebuild", Kind::Anew(Anew::Rebuild), limit(0.8)),
    other("projection.lanes2", Kind::Anew(Anew::Lanes), Must::NOTHING),
    other("projection.proof_cost", Kind::Anew(Anew::ProofCost), at_most(1.03)),
    other("projection.poisoned", Kind::Anew(Anew::Poisoned), at_most(1.05)),
    other("rebuild.live", Kind::Anew(Anew::Live), at_most(1.5)),
    other("projection.growth", Kind::Own(Own::Growth(Doing::AsMany)), limit(0.8)),
    other("projection.growth.all", Kind::Own(Own::Growth(Doing::Everybody)), Must::NOTHING),
    other("lag", Kind::Own(Own::Lag), p50_and_p99(1.5, 2.0)),
    other("publish.lag", Kind::Own(Own::PublishLag), Must { missing_at_most: Some(0), ..Must::NOTHING }),
    other("read.noisy", Kind::Own(Own::Noisy), at_most(1.5)),
    other("read.profile.c16", Kind::Read(Reading::Profile(16)), limit(0.85)),
    other("read.profile.c64", Kind::Read(Reading::Profile(64)), limit(0.85)),
    other("read.profile.304", Kind::Read(Reading::NotModified), Must::NOTHING),
    other("read.interactions.page", Kind::Read(Reading::Page), limit(0.9)),
    other("write.passthrough", Kind::Own(Own::PassThrough), limit(0.85)),
];

const fn closed(name: &'static str, servers: usize, callers: usize, raw: Limit, must: Must) -> Spec {
    Spec { name, servers, kind: Kind::Closed(Closed { callers, raw }), must }
}

const fn other(name: &'static str, kind: Kind, must: Must) -> Spec {
    Spec { name, servers: 1, kind, must }
}

const fn limit(least: f64) -> Must {
    Must { ratio_at_least: Some(least), ..Must::NOTHING }
}

const fn relay_and_raw(relay: f64, raw: f64) -> Must {
    Must { raw_ratio_at_least: Some(raw), ..limit(relay) }
}

const fn at_most(most: f64) -> Must {
    Must { ratio_at_most: Some(most), ..Must::NOTHING }
}

/// With every row seen.
const fn p50_and_p99(p50: f64, p99: f64) -> Must {
    Must { p99_ratio_at_most: Some(p99), missing_at_most: Some(0), ..at_most(p50) }
}

const fn times_shortest(most: f64) -> Must {
    Must { times_load_cold_10_at_most: Some(most), ..Must::NOTHING }
}

impl Spec {
    /// Whether these words name the row, or a group it is in; no words name all.
    pub(crate) fn is_named_by(&self, words: &[String]) -> bool {
        let names = |word: &String| {
            self.name.strip_prefix(word.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        words.is_empty() || words.iter().any(names)
    }

    pub(crate) fn measurements(&self) -> usize {
        match self.kind {
            Kind::Closed(_) => ROUNDS * 3,
            Kind::Hot | Kind::Open | Kind::Intake | Kind::Cold(_) | Kind::Own(Own::PublishLag) => ROUNDS,
            Kind::Own(Own::Noisy) => noisy::PAIRS * 2,
            Kind::Http | Kind::Own(_) | Kind::Read(Reading::NotModified | Reading::Page) => ROUNDS * 2,
            Kind::Anew(anew) => anew.measurements(),
            Kind::Read(Reading::Profile(_)) => ROUNDS * 5,
        }
    }

    /// On how many servers of the rows that share a site, if it is one of them.
    fn shares(&self) -> Option<usize> {
        match self.kind {
            Kind::Closed(_) | Kind::Hot | Kind::Open | Kind::Http | Kind::Intake | Kind::Cold(_) => Some(self.servers),
            Kind::Own(_) | Kind::Anew(_) | Kind::Read(_) => None,
        }
    }
}

/// Measures all of these rows, those on as many servers on one site.
pub(crate) async fn measure(bench: &mut Bench, wanted: &[&Spec]) -> anyhow::Result<()> {
    for servers in [1, 3] {
        let here: Vec<&Spec> = wanted.iter().filter(|spec| spec.shares() == Some(servers)).copied().collect();
        if !here.is_empty() {
            measure_on(bench, Site::start(servers).await?, &here).await?;
        }
    }
    for spec in wanted {
        let Kind::Own(own) = spec.kind else { continue };
        let row = match own {
            Own::HttpFolded => http::measure_folded(bench, spec).await?,
            Own::Old => old::measure(bench, spec).await?,
            Own::Lag => lag::measure(bench, spec).await?,
            Own::PublishLag => publish::measure(bench, spec).await?,
            Own::Noisy => noisy::measure(bench, spec).await?,
            Own::PassThrough => http::measure_passed_on(bench, spec).await?,
            Own::Growth(doing) => Box::pin(growth::measure(bench, spec, doing)).await?,
        };
        bench.finish(row.held_to(spec.must))?;
    }
    let reads: Vec<_> = wanted
        .iter()
        .filter_map(|spec| if let Kind::Read(reading) = spec.kind { Some((*spec, reading)) } else { None })
        .collect();
    if !reads.is_empty() {
        Box::pin(read::measure(bench, &reads)).await?;
    }
    Box::pin(anew::measure(bench, wanted)).await
}

/// What a row needs is prepared when the first such row comes.
async fn measure_on(bench: &mut Bench, mut site: Site, wanted: &[&Spec]) -> anyhow::Result<()> {
    let mut field = None;
    for spec in wanted.iter().filter(|spec| !matches!(spec.kind, Kind::Cold(_))) {
        if field.is_none() {
            field = Some(Field::prepare(&site, &bench.progress).await?);
        }
        let Some(field) = &field else { continue };
        let row = match spec.kind {
            Kind::Closed(closed) => closed::measure(bench, &site, field, spec, closed).await?,
            Kind::Hot => hot::measure(bench, &site, field, spec).await?,
            Kind::Open => open::measure(bench, &site, field, spec).await?,
            Kind::Http => http::measure(bench, &site, spec).await?,
            Kind::Intake => intake::measure(bench, &mut site, field, spec).await?,
            Kind::Cold(_) | Kind::Own(_) | Kind::Anew(_) | Kind::Read(_) => continue,
        };
        bench.finish(row.held_to(spec.must))?;
    }
    drop(field);
    cold::measure(bench, &mut site, wanted).await
}
