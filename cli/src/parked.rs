//! `keepsake parked`: guests with a commit that a read model cannot fold, and what is to become of it.

mod acts;

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use runtime::config::Secret;
use tokio::time::Instant;
use tokio_postgres::Client;
use vault::audit::Chain;

use self::acts::{Act, Asked, ask, outcome};
use crate::audit::Recorder;
use crate::migrate;

const REASON: Style = AnsiColor::Red.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const DIM: Style = AnsiColor::BrightBlack.on_default();
/// Some still wait, or nobody has looked at the request yet.
const NOT_DONE: u8 = 2;

const PARKED: &str = "
-- list_parked_guests()
SELECT g.tenant, g.owner, g.projection, g.generation, built.state <> 'live' AS is_unread, g.position, g.reason, g.parked_at, g.tries,
       (SELECT count(*) FROM keepsake.parked_commit c
        WHERE c.tenant = g.tenant AND c.owner = g.owner AND c.generation = g.generation AND NOT c.skipped) AS waiting
FROM keepsake.parked_guest g JOIN keepsake.generation built ON built.generation = g.generation
WHERE ($1::text IS NULL OR g.tenant = $1) AND ($2::text IS NULL OR g.owner = $2) AND ($3::text IS NULL OR g.projection = $3)
ORDER BY g.parked_at, g.tenant, g.owner, g.projection";

/// Shows, tries again or skips what a read model cannot fold.
///
/// When a commit cannot be folded into a read model, its guest is parked for that read model: the commit and all later ones of the
/// guest wait, in their order, and everybody else's go on. Once the cause is mended, `retry` folds what waits; `skip` gives one
/// commit up for good. Both are done by the worker that holds the guest's lane, and kept with who asked and why.
#[derive(Args, Debug)]
pub struct ParkedArgs {
    #[command(subcommand)]
    action: Action,
    /// The read database, as projection-workers use it
    #[arg(long, env = "KEEPSAKE_DATABASE_URL", hide_env_values = true, global = true, default_value = "")]
    database_url: Secret,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Each parked guest: tenant, guest, read model, since when, from which position, how many commits wait, why
    List(Which),
    /// Folds what waits, oldest first, up to the first that still cannot be folded
    Retry {
        #[command(flatten)]
        which: Which,
        /// Everybody who is parked
        #[arg(long, required_unless_present = "guest", conflicts_with = "guest")]
        all: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Never folds the first commit that waits, and then tries the others
    Skip {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        who: Who,
        /// Why, for those who ask later
        #[arg(long)]
        reason: String,
    },
}

/// Which parked guests.
#[derive(Args, Debug)]
struct Which {
    /// Only of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Only this guest: prf_...
    #[arg(long)]
    guest: Option<String>,
    /// Only for this read model: profile, interaction, ...
    #[arg(long)]
    projection: Option<String>,
}

#[derive(Args, Debug)]
struct Who {
    #[command(flatten)]
    recorder: Recorder,
    /// How long to wait for the worker, in seconds
    #[arg(long, default_value_t = 30)]
    wait: u64,
}

/// A guest that is parked for a read model.
struct Parked {
    tenant: String,
    owner: String,
    projection: String,
    generation: i32,
    /// Nobody reads that generation, or nobody does any more.
    is_unread: bool,
    position: i64,
    reason: String,
    since: DateTime<Utc>,
    tries: i32,
    waiting: i64,
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, owner, projection, generation, is_unread, .. } = self;
        write!(f, "{tenant}  {owner}  {projection}")?;
        if *is_unread { write!(f, " (generation {generation}, which is not read)") } else { Ok(()) }
    }
}

pub async fn run(args: ParkedArgs) -> anyhow::Result<ExitCode> {
    if args.database_url.expose().is_empty() {
        bail!("--database-url or KEEPSAKE_DATABASE_URL says which read database, as projection-workers use it");
    }
    let client = migrate::connect(&args.database_url, None).await?;
    match args.action {
        Action::List(which) => {
            list(&parked(&client, &which).await?);
            Ok(ExitCode::SUCCESS)
        }
        Action::Retry { which, who, .. } => act(&client, parked(&client, &which).await?, Act::Retry, "", &who).await,
        Action::Skip { which, who, reason } => {
            let parked = parked(&client, &which).await?;
            if parked.len() > 1 {
                bail!("{} are parked: say with --tenant, --guest and --projection whose commit to skip", parked.len());
            }
            act(&client, parked, Act::Skip, &reason, &who).await
        }
    }
}

async fn parked(client: &Client, which: &Which) -> anyhow::Result<Vec<Parked>> {
    let rows = client.query(PARKED, &[&which.tenant, &which.guest, &which.projection]).await?;
    rows.iter()
        .map(|row| {
            Ok(Parked {
                tenant: row.try_get("tenant")?,
                owner: row.try_get("owner")?,
                projection: row.try_get("projection")?,
                generation: row.try_get("generation")?,
                is_unread: row.try_get("is_unread")?,
                position: row.try_get("position")?,
                reason: row.try_get("reason")?,
                since: row.try_get("parked_at")?,
                tries: row.try_get("tries")?,
                waiting: row.try_get("waiting")?,
            })
        })
        .collect()
}

fn list(parked: &[Parked]) {
    for guest in parked {
        let Parked { position, reason, since, tries, waiting, .. } = guest;
        let since = since.format("%Y-%m-%dT%H:%M:%SZ");
        let tried = if *tries > 0 { format!(", tried again {tries} times") } else { String::new() };
        anstream::println!("{guest}  {DIM}{since}{DIM:#}  from position {position}  {waiting} waiting{tried}");
        anstream::println!("        {REASON}{reason}{REASON:#}");
    }
    anstream::eprintln!("parked: {}", parked.len());
}

async fn act(client: &Client, parked: Vec<Parked>, act: Act, reason: &str, who: &Who) -> anyhow::Result<ExitCode> {
    if parked.is_empty() {
        bail!("nobody like that is parked: `keepsake parked list` shows those who are");
    }
    let mut asked = Vec::new();
    for guest in parked {
        let Parked { tenant, owner, projection, position, .. } = &guest;
        let whose = tenant.parse().map(Chain::Tenant)?;
        who.recorder.record(whose, act.name(), &[owner], format!("{projection} from position {position}")).await?;
        // Who is not parked any more was freed by somebody else just now.
        if let Some(request) = ask(client, &guest, act, reason, &who.recorder.actor).await? {
            asked.push((guest, request));
        }
    }
    let mut is_done = true;
    let until = Instant::now() + Duration::from_secs(who.wait);
    for (whose, request) in asked {
        match outcome(client, request, until).await? {
            Some(Asked { folded, skipped, waiting: 0, .. }) => {
                let skipped = skipped.map_or_else(String::new, |position| format!(", position {position} skipped"));
                anstream::println!("{whose}  {GOOD}done{GOOD:#}  {folded} folded{skipped}");
            }
            Some(Asked { folded, waiting, reason, position, .. }) => {
                is_done = false;
                anstream::println!("{whose}  {folded} folded, {waiting} still wait from position {position} on");
                anstream::println!("        {REASON}{reason}{REASON:#}");
            }
            None => {
                is_done = false;
                anstream::println!(
                    "{whose}  asked for, not done yet: the worker that holds the lane will, once there is one"
                );
            }
        }
    }
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(NOT_DONE) })
}
