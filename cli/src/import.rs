//! `keepsake import FILE`: every record of a file through the command path, once however often the file is imported.

pub mod cdnow;
mod checkpoint;
mod lanes;
pub mod record;
mod rejects;
pub mod segment;
mod source;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use event_log::{User, stream};
use tokio::sync::watch;

use crate::import::checkpoint::{Checkpoint, ImportKey};
use crate::import::lanes::{Lanes, Numbered};
use crate::import::record::Format;
use crate::import::rejects::Rejects;
pub use crate::import::source::Source;
use crate::import::tally::Tally;
use crate::nats_args::NatsArgs;
use crate::progress::Progress;

/// Sends every record of a file as a command, with a progress bar; a file imported twice changes nothing.
///
/// Each command's id derives from the file's content and the record's number (Segment: from its messageId). An import that was
/// interrupted goes on where it stopped when the same command is typed again. Lines that are no records, and records that are
/// refused, go to a rejects file with line number and reason; the import then ends with exit code 1.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file; `.gz` is read as it is
    pub file: PathBuf,
    /// What the file's lines are
    #[arg(long, value_enum)]
    pub format: FileFormat,
    /// Whose guests these are
    #[arg(long, env = "KEEPSAKE_TENANT")]
    pub tenant: proto::subject::Tenant,
    #[command(flatten)]
    pub nats: NatsArgs,
    /// Where refused lines go [default: the name of FILE with .rejects, in this folder]
    #[arg(long)]
    pub rejects: Option<PathBuf>,
    /// Where the import remembers how far it came
    #[arg(long, env = "KEEPSAKE_STATE_DIR", default_value = ".run/import")]
    pub state_dir: PathBuf,
    /// Commands under way at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Seconds to keep trying while no command-service answers
    #[arg(long, default_value_t = 120)]
    pub patience: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// `customer date number_of_cds dollar_value`, as in the CDNOW data set
    Cdnow,
    /// One Segment-spec `identify` or `track` message a line
    SegmentNdjson,
}

impl FileFormat {
    fn reader(self) -> Box<dyn Format> {
        match self {
            Self::Cdnow => Box::new(cdnow::Cdnow),
            Self::SegmentNdjson => Box::new(segment::Segment),
        }
    }
}

/// How an import ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub records: u64,
    pub accepted: u64,
    pub replayed: u64,
    /// Of the whole file: those before an interruption count too.
    pub rejected: u64,
    /// False when it was interrupted.
    pub finished: bool,
}

pub async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let (interrupt, interrupted) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.send_replace(true);
            interrupt.closed().await;
        }
    });
    let source = Source::open(&args.file)?;
    let rejects = args.rejects.clone().unwrap_or_else(|| rejects::default_path(&args.file));
    anyhow::ensure!(!is_same_file(&args.file, &rejects), "--rejects names the file that is imported");
    let summary = import(&args, source, rejects, interrupted).await?;
    Ok(if summary.finished && summary.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A fresh import removes the rejects of the last one.
fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Imports a source; ends early when `interrupted` turns true: what is under way is then tried once, not again.
pub async fn import(
    args: &ImportArgs,
    source: Source,
    rejects: PathBuf,
    interrupted: watch::Receiver<bool>,
) -> anyhow::Result<Summary> {
    let client = event_log::connect(&args.nats.address(), User::Operator, "keepsake import").await?;
    let log_id = stream::info(&client).await?.log_id;
    let key = ImportKey { tenant: &args.tenant, log_id: &log_id, content_hash: &source.content_hash };
    let checkpoint = Checkpoint::load(&args.state_dir, &key)?;
    let resumed_from = checkpoint.done();
    let rejects = if resumed_from > 0 { Rejects::resumed(rejects) } else { Rejects::fresh(rejects)? };
    let progress = Progress::start("lines", resumed_from, source.lines);
    if resumed_from > 0 {
        progress.note(&format!("going on after line {resumed_from}, where the last import stopped"));
    }
    let tally = Arc::new(Tally::new(source.lines, checkpoint, rejects, progress));
    let lanes = Lanes::start(&client, args, &source.content_hash, &tally, &interrupted);
    let fed = tokio::select! {
        () = raised(interrupted) => Ok(false),
        fed = feed(args.format, source, resumed_from, &tally, &lanes) => fed,
    };
    let finished = fed.unwrap_or_else(|fault| {
        tally.fail(fault);
        false
    });
    lanes.finish().await;
    tally.end(finished, &args.file)
}

/// Hands every line to where it is answered; false when that ended before the file did.
async fn feed(
    format: FileFormat,
    source: Source,
    resumed_from: u64,
    tally: &Tally,
    lanes: &Lanes,
) -> anyhow::Result<bool> {
    let mut format = format.reader();
    let mut text_lines = source.into_lines();
    while let Some((line, text)) = text_lines.recv().await {
        if tally.failed() {
            return Ok(false);
        }
        let skip = line <= resumed_from;
        match text?.and_then(|text| format.read(&text)) {
            Ok(Some(record)) => {
                if !lanes.take(Numbered { line, record, skip }).await? {
                    return Ok(false);
                }
            }
            Ok(None) if !skip => tally.no_record(line)?,
            Err(reason) if !skip => tally.rejected(line, "malformed_record", &reason.0)?,
            Ok(None) | Err(_) => {}
        }
    }
    Ok(true)
}

/// Ends when the flag turns true; never, when nobody is left to raise it.
async fn raised(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|raised| *raised).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How long a lane waits before it asks an unresponsive service again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
