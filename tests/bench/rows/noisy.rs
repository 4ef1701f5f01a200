//! `read.noisy`: what one tenant's readers notice of another that asks ten times as often as it may.

use std::time::Duration;

use anyhow::ensure;

use super::Spec;
use crate::bench::{Bench, conditions_of_folding};
use crate::contestant::command::{TENANT, identifier};
use crate::folding::Folding;
use crate::readers::{Lasting, Readers};
use crate::row::{Rounds, Row};

pub(super) const PAIRS: usize = 5;
const LOUD: &str = "loud";
const GUESTS: usize = 500;
/// Of each tenant, and of each caller.
const LIMIT: u32 = 200;
/// Half the limit: 4 connections, each 25 times a second.
const CALM: (usize, Duration) = (4, Duration::from_millis(40));
/// Ten times the limit: 20 connections, each 100 times a second.
const TOO_OFTEN: (usize, Duration) = (20, Duration::from_millis(10));
const LASTING: Lasting = Lasting { warm_up: Duration::from_secs(1), timed: Duration::from_secs(8) };

pub(super) async fn measure(bench: &Bench, spec: &Spec) -> anyhow::Result<Row> {
    let mut folding = Folding::start().await?;
    folding.register(GUESTS, &bench.progress).await?;
    let site = &mut folding.site;
    site.accepted_of(LOUD, "tenant.provision", r#"{"name":"Loud"}"#.to_owned()).await?;
    for guest in 0..GUESTS {
        let json = format!(r#"{{"identifier":"{}"}}"#, identifier(guest));
        site.accepted_of(LOUD, "guest.register", json).await?;
    }
    site.start_folding().await;
    let limit = LIMIT.to_string();
    let limits =
        ["KEEPSAKE_TENANT_REQUESTS_PER_S", "KEEPSAKE_PRINCIPAL_REQUESTS_PER_S"].map(|name| (name, limit.as_str()));
    let address = site.start_query_service_with(&limits).await;
    site.everything_is_folded(&bench.progress).await?;
    let guests: Vec<String> = (0..GUESTS).map(identifier).collect();
    let (calm, loud) = (site.bearer_of(TENANT), site.bearer_of(LOUD));
    let (connections, asks_every) = CALM;
    let calm = Readers { address: &address, tenant: TENANT, bearer: &calm, guests: &guests, connections, asks_every };
    let (connections, asks_every) = TOO_OFTEN;
    let loud = Readers { tenant: LOUD, bearer: &loud, connections, asks_every, ..calm };
    let mut rounds = Rounds::default();
    for number in 1..=PAIRS {
        let label = |which: &str| format!("{} {number}/{PAIRS} {which}", spec.name);
        bench.progress.measuring(&label("alone"));
        let alone = calm.read(LASTING).await?;
        bench.progress.measuring(&label("beside the loud one"));
        let (beside, noise) = tokio::try_join!(calm.read(LASTING), loud.read(LASTING))?;
        ensure!(alone.refused + beside.refused == 0, "who keeps to the limit is refused");
        ensure!(noise.refused > noise.answered * 5, "the loud one was let in: {} times", noise.answered);
        bench.progress.measured(&format!(
            "{}: p99 {:.2} ms alone, {:.2} ms beside one that was answered {} times and refused {} times",
            label("p99"),
            alone.p99_ms,
            beside.p99_ms,
            noise.answered,
            noise.refused
        ));
        rounds.ours.push(beside.p99_ms);
        rounds.limit.push(alone.p99_ms);
        rounds.p50_ms.push(beside.p50_ms);
    }
    let what = format!(
        "99th percentile of GET /api/v1/guests/{{id}}/interactions over HTTP for one tenant that asks 100 times a second, while another \
         asks 2,000 times a second of the same process, with {LIMIT} agreed for each; limit = the same without the other"
    );
    Ok(Row::new(spec.name, "ms", &rounds, conditions_of_folding(PAIRS, &what)))
}
