//! `command.http.*`: callers over HTTP, beside the service a team would write by hand.

mod peer;

use std::sync::Arc;

use super::Spec;
use crate::bench::{Bench, ROUNDS, conditions};
use crate::by_hand::CONNECTIONS;
use crate::contestant::Contestant;
use crate::contestant::command::{Commands, interaction};
use crate::contestant::http::{OverHttp, Posts};
use crate::field::{OWNERS, fill};
use crate::load::Sample;
use crate::row::{Rounds, Row};
use crate::site::Site;
use peer::Peer;

const CALLERS: usize = 64;

/// On a site of its own, whose workers fold all the while: both contestants bring the guest's row up to date.
pub(super) async fn measure_folded(bench: &Bench, spec: &Spec) -> anyhow::Result<Row> {
    let mut site = Site::start(spec.servers).await?;
    site.start_folding().await;
    let register: Arc<dyn Contestant> = Arc::new(Commands::register(0..OWNERS));
    fill(&site, &register, OWNERS, "registering guests", &bench.progress).await?;
    compare(bench, &site, spec, "our read models are folded meanwhile, by workers that share the processor").await
}

/// The guests of the service are those of the field.
pub(super) async fn measure(bench: &Bench, site: &Site, spec: &Spec) -> anyhow::Result<Row> {
    compare(bench, site, spec, "our read models are not folded meanwhile").await
}

/// Through the one origin, beside the command service itself.
pub(super) async fn measure_passed_on(bench: &Bench, spec: &Spec) -> anyhow::Result<Row> {
    let mut site = Site::start(spec.servers).await?;
    let register: Arc<dyn Contestant> = Arc::new(Commands::register(0..OWNERS));
    fill(&site, &register, OWNERS, "registering guests", &bench.progress).await?;
    let origin = format!("http://{}", site.start_query_service().await);
    let bearer = site.bearer();
    let ours: Arc<dyn OverHttp> = Arc::new(Posts::record(&origin, &bearer, 0..OWNERS)?);
    let itself: Arc<dyn OverHttp> = Arc::new(Posts::record(&site.http_url(), &bearer, 0..OWNERS)?);
    let stored = async || site.last_position().await;
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = |contestant: &str| format!("{} {number}/{ROUNDS} {contestant}", spec.name);
        let ours = rate(bench, &ours, stored, &label("passed on")).await?;
        rounds.ours.push(ours.rate);
        rounds.p50_ms.extend(ours.percentile_ms(500));
        rounds.p99_ms.extend(ours.percentile_ms(990));
        rounds.limit.push(rate(bench, &itself, stored, &label("direct")).await?.rate);
    }
    let what = format!(
        "{CALLERS} callers over HTTP/1.1, each on a connection it keeps, who send commands to query-service, which passes them on; \
         limit = the same to command-service itself"
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, &site, &what)))
}

async fn compare(bench: &Bench, site: &Site, spec: &Spec, meanwhile: &str) -> anyhow::Result<Row> {
    bench.progress.measuring(&format!("{}: starting the service by hand", spec.name));
    let peer = Peer::start().await?;
    let bearer = site.bearer();
    let ours: Arc<dyn OverHttp> = Arc::new(Posts::record(&site.http_url(), &bearer, 0..OWNERS)?);
    let by_hand: Arc<dyn OverHttp> = Arc::new(Posts::record(peer.url(), &bearer, 0..OWNERS)?);
    let mut rounds = Rounds::default();
    for number in 1..=ROUNDS {
        let label = |contestant: &str| format!("{} {number}/{ROUNDS} {contestant}", spec.name);
        let ours = rate(bench, &ours, async || site.last_position().await, &label("ours")).await?;
        rounds.ours.push(ours.rate);
        rounds.p50_ms.extend(ours.percentile_ms(500));
        rounds.p99_ms.extend(ours.percentile_ms(990));
        rounds.limit.push(rate(bench, &by_hand, async || peer.events().await, &label("by hand")).await?.rate);
    }
    peer.stop().await?;
    let what = format!(
        "{CALLERS} callers over HTTP/1.1, each on a connection it keeps, guests: {OWNERS}, bytes of a body: {}; limit = the \
         service by hand, axum and a durable Postgres of its own over {CONNECTIONS} connections, which brings the guest's row \
         up to date in the same transaction; {meanwhile}",
        interaction(0).len()
    );
    Ok(Row::new(spec.name, "commands/s", &rounds, conditions(bench, site, &what)))
}

/// One closed loop, told as a line; `stored` counts what the contestant has on disk.
async fn rate(
    bench: &Bench,
    contestant: &Arc<dyn OverHttp>,
    stored: impl AsyncFn() -> anyhow::Result<u64>,
    label: &str,
) -> anyhow::Result<Sample> {
    bench.progress.measuring(label);
    let sample = bench.closed_over_http(CALLERS, OWNERS, contestant, stored).await?;
    bench.progress.measured(&format!("{label}: {sample}"));
    Ok(sample)
}
