//! `keepsake lanes`: who folds which partitions, and into how many lanes they are cut.

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use clap::Args;
use runtime::config::Secret;
use vault::audit::Chain;

use crate::audit::Recorder;
use crate::migrate;

const NOBODY: Style = AnsiColor::Yellow.on_default();

const LANES: &str = "
-- show_lanes()
SELECT l.track, l.first_pp, l.last_pp, l.position, w.worker,
       (SELECT string_agg(g.projection || CASE g.state WHEN 'live' THEN '' ELSE ' (' || g.state || ')' END, ', ' ORDER BY g.projection)
        FROM keepsake.generation g WHERE g.track = l.track) AS folds
FROM keepsake.lane l LEFT JOIN keepsake.worker w ON w.worker = l.holder AND w.expires_at > now()
ORDER BY l.track, l.first_pp";

/// Shows the lanes the log is folded in, or cuts the 64 partitions into another number of them.
///
/// Each lane is folded by one worker process at a time, over one connection to Postgres. More lanes than processes times cores
/// help nobody; fewer lanes than processes leave some standing by. It may be done at any time: workers take up the new lanes
/// within a second or two.
#[derive(Args, Debug)]
pub struct LanesArgs {
    /// So many lanes, of the same size
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub cut: Option<u8>,
    /// The read database, as projection-workers use it
    #[arg(long, env = "KEEPSAKE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    #[command(flatten)]
    recorder: Recorder,
}

pub async fn run(args: LanesArgs) -> anyhow::Result<()> {
    let mut client = migrate::connect(&args.database_url, None).await?;
    if let Some(lanes) = args.cut {
        args.recorder.record(Chain::Installation, "lanes.cut", &[], format!("{lanes} lanes")).await?;
        schema::recut(&mut client, lanes).await?;
    }
    let lanes = client.query(LANES, &[]).await.context("there are no lanes here: run `keepsake migrate`")?;
    let mut last = None;
    for lane in lanes {
        let track: i64 = lane.try_get("track")?;
        if last.replace(track) != Some(track) {
            anstream::println!("track {track}: {}", lane.try_get::<_, String>("folds")?);
        }
        let (first, last): (i16, i16) = (lane.try_get("first_pp")?, lane.try_get("last_pp")?);
        let (position, worker): (i64, Option<String>) = (lane.try_get("position")?, lane.try_get("worker")?);
        let held =
            worker.map_or_else(|| format!("{NOBODY}held by nobody{NOBODY:#}"), |worker| format!("held by {worker}"));
        anstream::println!("  pp {first:02}-{last:02}  position {position}  {held}");
    }
    Ok(())
}
