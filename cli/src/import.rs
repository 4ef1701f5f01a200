//! `keepsake import FILE`: every record of a file through the command path, once however often the file is imported.

pub mod cdnow;
mod checkpoint;
mod lanes;
mod progress;
pub mod record;
mod rejects;
pub mod segment;
mod source;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::watch;

use crate::import::checkpoint::Checkpoint;
use crate::import::lanes::{Lanes, Numbered};
use crate::import::progress::Progress;
use crate::import::record::Format;
use crate::import::rejects::Rejects;
pub use crate::import::source::Source;
use crate::import::tally::Tally;

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
    /// nats-server
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
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
    let summary = import(&args, source, rejects, interrupted).await?;
    Ok(if summary.finished && summary.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Imports a source; ends early, with everything under way answered, when `interrupted` turns true.
pub async fn import(
    args: &ImportArgs,
    source: Source,
    rejects: PathBuf,
    interrupted: watch::Receiver<bool>,
) -> anyhow::Result<Summary> {
    let client = event_log::connect(&args.nats_url, "keepsake import").await?;
    let checkpoint = Checkpoint::load(&args.state_dir, &source.content_hash, &args.tenant)?;
    let resumed_from = checkpoint.done();
    let rejects = Rejects::new(rejects, resumed_from > 0);
    let progress = Progress::start(source.lines, resumed_from);
    let tally = Arc::new(Tally::new(checkpoint, rejects, progress));
    let mut lanes = Lanes::start(&client, args, &source.content_hash, &tally);

    let mut format = args.format.reader();
    let mut text_lines = source.into_lines();
    let mut finished = true;
    while let Some((line, text)) = text_lines.recv().await {
        if *interrupted.borrow() || tally.failed() {
            finished = false;
            break;
        }
        match format.read(&text?) {
            Ok(Some(record)) => lanes.take(Numbered { line, record, skip: line <= resumed_from }).await?,
            Ok(None) => tally.no_record(line)?,
            Err(reason) if line > resumed_from => tally.rejected(line, "malformed_record", &reason.0)?,
            Err(_) => {}
        }
    }
    lanes.finish().await;
    tally.end(finished, &args.file)
}

/// How long a lane waits before it asks an unresponsive service again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
