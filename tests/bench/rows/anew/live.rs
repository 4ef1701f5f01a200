//! `rebuild.live`: what readers notice of a read model that is folded anew beside the one they read.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use projection_workers::rebuild;

use super::Spec;
use super::history::{GUESTS, History, INTERACTIONS};
use crate::bench::{Bench, conditions_of_folding};
use crate::contestant::command::TENANT;
use crate::readers::{Lasting, Readers};
use crate::row::{Rounds, Row};

pub(super) const PAIRS: usize = 5;
const REBUILT: &str = "interaction";
const LANES: u8 = 4;
/// Each reader asks that often, so that readers alone keep no core busy.
const READERS: usize = 4;
const ASKS_EVERY: Duration = Duration::from_millis(10);
/// The rebuild has to last longer.
const LASTING: Lasting = Lasting { warm_up: WARM_UP, timed: Duration::from_secs(8) };
/// The first batches belong to it.
const WARM_UP: Duration = Duration::from_secs(2);
const SOME: &str = "SELECT guest_id FROM read.profile ORDER BY md5(guest_id) LIMIT 500";

pub(super) async fn measure(bench: &Bench, history: &mut History, spec: &Spec) -> anyhow::Result<Row> {
    let folding = &mut history.folding;
    let guests = folding.admin().query(SOME, &[]).await?;
    let guests: Vec<String> = guests.iter().map(|row| row.get(0)).collect();
    folding.site.start_folding().await;
    let address = folding.site.start_query_service().await;
    let bearer = folding.site.bearer();
    let (connections, asks_every) = (READERS, ASKS_EVERY);
    let readers =
        Readers { address: &address, tenant: TENANT, bearer: &bearer, guests: &guests, connections, asks_every };
    folding.site.everything_is_folded(&bench.progress).await?;
    let mut rounds = Rounds::default();
    for number in 1..=PAIRS {
        let label = |which: &str| format!("{} {number}/{PAIRS} {which}", spec.name);
        bench.progress.measuring(&label("before"));
        let before = readers.read(LASTING).await?;
        bench.progress.measuring(&label("during"));
        let (generation, _) = rebuild::begin(folding.admin(), REBUILT, LANES, true).await?;
        let during = readers.read(LASTING).await?;
        let all = rebuild::built(folding.admin()).await?;
        let built = all.iter().find(|one| one.generation == generation).context("the generation is there")?;
        let (folded, end) = (built.mean_position, folding.site.last_position().await?);
        ensure!(built.position.cast_unsigned() < end, "the rebuild ended before it was measured");
        ensure!(before.refused + during.refused == 0, "readers asked too often");
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
