//! `keepsake rebuild`: folds a read model anew beside the one that is read, shows what differs, and switches.

mod build;
mod print;
mod take_over;

use std::process::ExitCode;
use std::str::FromStr as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use event_log::{NatsAddress, User};
use projection_workers::rebuild::{self, RebuildError};
use runtime::config::Secret;
use schema::{Generation, State};
use tokio_postgres::{Client, Config};
use vault::audit::Chain;

use crate::audit::Recorder;
use crate::migrate;
use crate::nats_args::NatsArgs;
use build::{Building, catch_up};
pub(crate) use take_over::{outdated, take_over};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// Nothing failed and nothing was switched: somebody has to decide.
const DECIDE: u8 = 2;

/// Folds a read model anew while it is read, compares both, and switches when they are the same.
///
/// Without a name it lists the generations there are. With one it begins a generation beside the live one, or goes on with the one
/// that was begun: workers of this version fold the whole log into it, whether or not this command waits, and follow the log from
/// then on. Then each row is compared with what is read. When nothing differs, readers are switched, all at once; when something
/// does, nothing is switched and the differences are shown: `switch` switches all the same, `drop` gives the new generation up. The
/// former generation is folded on, so that `rollback` can bring it back, until `drop` drops it. Exit code 2 when somebody has to
/// decide.
#[derive(Args, Debug)]
pub struct RebuildArgs {
    /// The read model: profile, interaction, ...
    projection: Option<String>,
    #[arg(value_enum, default_value_t = Act::Build)]
    act: Act,
    /// Lanes to fold in, each by one worker at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    lanes: u8,
    /// Whether folding gives way while Postgres answers slower than it could
    #[arg(long, value_enum, default_value_t = Throttle::Auto)]
    throttle: Throttle,
    /// Of which generation, when it is not the latest one
    #[arg(long)]
    generation: Option<i32>,
    /// How long a switch waits for the generation to be where the live one is, and for whoever reads, in seconds
    #[arg(long, default_value_t = 60)]
    wait: u64,
    /// Postgres as an administrator: may create schemas and views
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    admin_url: Secret,
    /// The read database, as projection-workers use it
    #[arg(long, env = "KEEPSAKE_DATABASE_URL", hide_env_values = true)]
    database_url: Secret,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    recorder: Recorder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Act {
    /// Fold it anew, compare, and switch when nothing differs
    Build,
    /// Compare the latest generation with the live one
    Diff,
    /// Make the generation that is being built live, whatever differs
    Switch,
    /// Make the generation live that was live before
    Rollback,
    /// Drop every generation of it that is not live
    Drop,
}

impl Act {
    /// As the audit trail calls it; `None` when it changes nothing.
    fn recorded(self) -> Option<&'static str> {
        match self {
            Self::Build => Some("read_model.build"),
            Self::Switch => Some("read_model.switch"),
            Self::Rollback => Some("read_model.rollback"),
            Self::Drop => Some("read_model.drop"),
            Self::Diff => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Throttle {
    Auto,
    None,
}

pub async fn run(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let writer = migrate::connect(&args.database_url, None).await?;
    let Some(projection) = &args.projection else {
        print::generations(&rebuild::built(&writer).await?, end_of_log(&args.nats.address()).await);
        return Ok(ExitCode::SUCCESS);
    };
    let mut admin = admin(&args).await?;
    if let Some(act) = args.act.recorded() {
        let detail = args.generation.map_or_else(String::new, |number| format!(", generation {number}"));
        args.recorder.record(Chain::Installation, act, &[], format!("{projection}{detail}")).await?;
    }
    match args.act {
        Act::Build => build(&args, &mut admin, &writer, projection).await,
        Act::Diff => {
            Ok(if compare(&writer, projection, args.generation).await? { ExitCode::SUCCESS } else { decide() })
        }
        Act::Switch => switch(&args, &mut admin, &writer, projection, State::Building).await,
        Act::Rollback => switch(&args, &mut admin, &writer, projection, State::Former).await,
        Act::Drop => drop_all(&args, &mut admin, projection).await,
    }
}

fn decide() -> ExitCode {
    ExitCode::from(DECIDE)
}

/// An administrator in the database that the workers write.
async fn admin(args: &RebuildArgs) -> anyhow::Result<Client> {
    let config = Config::from_str(args.database_url.expose()).context("KEEPSAKE_DATABASE_URL is not a Postgres URL")?;
    let database = config.get_dbname().context("KEEPSAKE_DATABASE_URL must name a database")?;
    migrate::connect(&args.admin_url, Some(database)).await
}

async fn end_of_log(nats: &NatsAddress) -> Option<u64> {
    let log = event_log::connect(nats, User::Operator, "keepsake rebuild").await.ok()?;
    event_log::stream::info(&log).await.ok().map(|log| log.last_position)
}

async fn build(args: &RebuildArgs, admin: &mut Client, writer: &Client, projection: &str) -> anyhow::Result<ExitCode> {
    let (number, was_found) = rebuild::begin(admin, projection, args.lanes, args.throttle == Throttle::Auto).await?;
    if was_found {
        anstream::eprintln!("going on with generation {number} of {projection}");
    }
    let log = event_log::connect(&args.nats.address(), User::Operator, "keepsake rebuild").await?;
    let took = catch_up(writer, &log, Building { projection, number }).await?;
    rebuild::hurry(admin, number).await?;
    anstream::eprintln!("generation {number} of {projection} is folded, {:.1} s", took.as_secs_f64());
    if !compare(writer, projection, Some(number)).await? {
        anstream::eprintln!(
            "nothing is switched: `keepsake rebuild {projection} switch` makes generation {number} live all the same, \
             `keepsake rebuild {projection} drop` gives it up"
        );
        return Ok(decide());
    }
    rebuild::switch(admin, number, Duration::from_secs(args.wait)).await?;
    told(projection, number);
    Ok(ExitCode::SUCCESS)
}

/// True when nothing differs.
async fn compare(writer: &Client, projection: &str, number: Option<i32>) -> anyhow::Result<bool> {
    let (live, mut beside) = rebuild::pair(writer, projection, None).await?;
    if let Some(number) = number {
        beside = named(writer, projection, number).await?;
    }
    let Some(live) = live else {
        bail!("nothing of {projection} is live: there is nothing to compare with");
    };
    let diff = rebuild::diff(writer, &live, &beside, |table| anstream::eprintln!("comparing {table}")).await?;
    let parked = rebuild::built(writer).await?.into_iter().find(|one| one.generation == beside.number);
    print::diff(&diff, &live, &beside, parked.map_or(0, |one| one.parked_guests));
    Ok(diff.is_empty())
}

/// The generation of this number, if it is one of this read model.
async fn named(writer: &Client, projection: &str, number: i32) -> anyhow::Result<Generation> {
    let all = schema::generations(writer).await?;
    let named = all.into_iter().find(|one| one.number == number && one.projection == projection);
    named.with_context(|| format!("there is no generation {number} of {projection}"))
}

async fn switch(
    args: &RebuildArgs,
    admin: &mut Client,
    writer: &Client,
    projection: &str,
    state: State,
) -> anyhow::Result<ExitCode> {
    let number = match args.generation {
        Some(number) => named(writer, projection, number).await?.number,
        None => rebuild::pair(writer, projection, Some(state)).await?.1.number,
    };
    rebuild::switch(admin, number, Duration::from_secs(args.wait)).await?;
    told(projection, number);
    Ok(ExitCode::SUCCESS)
}

fn told(projection: &str, number: i32) {
    anstream::println!("{GOOD}live{GOOD:#}  generation {number} of {projection} is read from now on");
    anstream::eprintln!(
        "the former one is folded on: `keepsake rebuild {projection} rollback` brings it back, `keepsake rebuild {projection} drop` \
         drops it"
    );
}

async fn drop_all(args: &RebuildArgs, admin: &mut Client, projection: &str) -> anyhow::Result<ExitCode> {
    let is_known = rebuild::version(projection).is_ok();
    let all = schema::generations(admin).await?;
    let is_it = |number: i32| args.generation.is_none_or(|only| only == number);
    let of_it: Vec<_> = all
        .into_iter()
        .filter(|one| one.projection == projection && is_it(one.number) && (!one.is_live() || !is_known))
        .collect();
    if of_it.is_empty() {
        return Err(RebuildError::NothingBuilt(projection.to_owned()).into());
    }
    for one in of_it {
        rebuild::drop_generation(admin, one.number, Duration::from_secs(args.wait)).await?;
        anstream::println!("generation {} of {projection} is dropped", one.number);
    }
    Ok(ExitCode::SUCCESS)
}
