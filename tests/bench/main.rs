//! `make bench`: what the service does in a second, beside what the same machine could do at most.

mod atomic;
mod bench;
mod by_hand;
mod child;
mod contestant;
mod cpu;
mod deed;
mod field;
mod figures;
mod folding;
mod load;
mod plain;
mod progress;
mod raw_loop;
mod readers;
mod relay;
mod results;
mod row;
mod rows;
mod site;
mod span;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use bench::Bench;
use rows::{ROWS, Spec};

/// Measures the service beside its limits. Rows go to target/bench/results.json; docs/performance.md explains them.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Args {
    /// Rows to measure, or groups of them: `command.c64`, `load`, `command.r3`. All when absent
    rows: Vec<String>,
    /// Timed seconds of each measurement
    #[arg(long, env = "KEEPSAKE_BENCH_SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// Guests of the larger site of `projection.growth`; fewer make a trial run short
    #[arg(long, env = "KEEPSAKE_BENCH_GUESTS", default_value_t = 1_000_000)]
    guests: usize,
    /// Lists the rows and ends
    #[arg(long)]
    list: bool,
    /// Said by cargo to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the empty relay, copying the commit in this file.
    #[arg(long, hide = true)]
    relay: Option<PathBuf>,
    /// Be the service by hand.
    #[arg(long, hide = true)]
    by_hand: Option<ByHand>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ByHand {
    Writes,
    Reads,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = if let Some(commit) = &args.relay {
        relay::run(commit).await
    } else if let Some(by_hand) = args.by_hand {
        match by_hand {
            ByHand::Writes => by_hand::run().await,
            ByHand::Reads => by_hand::reads::run().await,
        }
    } else {
        Box::pin(until_interrupted(run(&args))).await
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    if args.list {
        for spec in &ROWS {
            println!("{}", spec.name);
        }
        return Ok(());
    }
    ensure!(args.seconds > 0.0, "a measurement takes longer than {} s", args.seconds);
    let wanted: Vec<&Spec> = ROWS.iter().filter(|spec| spec.is_named_by(&args.rows)).collect();
    ensure!(!wanted.is_empty(), "no row is named {}: --list shows them", args.rows.join(", "));
    let measurements = wanted.iter().map(|spec| spec.measurements()).sum();
    let mut bench = Bench::new(Duration::from_secs_f64(args.seconds), args.guests, measurements)?;
    Box::pin(rows::measure(&mut bench, &wanted)).await?;
    bench.report();
    Ok(())
}

/// Everything that was started ends when its owner is dropped, so a signal only ends the measuring.
async fn until_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        biased;
        _ = interrupt.recv() => {},
        _ = terminate.recv() => {},
        done = work => return done,
    }
    bail!("stopped; the rows measured so far are in the results")
}
