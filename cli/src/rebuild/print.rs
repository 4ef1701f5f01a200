//! Generations and their differences, for people to read.

use anstyle::{AnsiColor, Style};
use projection_workers::rebuild::{Built, Diff, Difference, TableDiff};
use schema::Generation;

use super::{BAD, GOOD};

const DIM: Style = AnsiColor::BrightBlack.on_default();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();

pub(super) fn generations(all: &[Built], end: Option<u64>) {
    let mut last = "";
    for one in all {
        if last != one.projection {
            anstream::println!("{}", one.projection);
            last = &one.projection;
        }
        let style = if one.state == "live" { GOOD } else { DIM };
        let version = if one.is_known { "this version" } else { "another version" };
        let behind = end.map(|end| end.saturating_sub(one.position.cast_unsigned()));
        let behind = match behind {
            Some(0) => "up to date".to_owned(),
            Some(behind) => format!("{behind} commits behind"),
            None => "the log cannot be asked".to_owned(),
        };
        let lanes = if one.lanes_held == one.lanes {
            String::new()
        } else {
            format!("  {DOUBTFUL}{} of {} lanes are held{DOUBTFUL:#}", one.lanes_held, one.lanes)
        };
        let parked =
            if one.parked_guests == 0 { String::new() } else { format!("  {} guests parked", one.parked_guests) };
        anstream::println!(
            "  generation {:<4} {style}{:<8}{style:#}  {version}  position {}, {behind}{lanes}{parked}  {DIM}track {}, begun {}{DIM:#}",
            one.generation,
            one.state,
            one.position,
            one.track,
            one.begun_at
        );
    }
}

pub(super) fn diff(diff: &Diff, live: &Generation, next: &Generation, parked: i64) {
    anstream::println!("generation {} (live) and generation {} of {}", live.number, next.number, live.projection);
    diff.tables.iter().for_each(table);
    if parked > 0 {
        anstream::println!("{DOUBTFUL}{parked} guests are parked in generation {}{DOUBTFUL:#}", next.number);
    }
    if diff.is_empty() {
        anstream::println!("{GOOD}the same{GOOD:#}");
    }
}

fn table(TableDiff { name, live_rows, next_rows, different, told, unsettled, columns }: &TableDiff) {
    let style = if *different == 0 { GOOD } else { BAD };
    // The one that is folded behind the other may have had fewer: those were compared when it had them.
    let rows = if live_rows == next_rows {
        format!("{live_rows} rows")
    } else {
        format!("{live_rows} rows live and {next_rows} beside when it began")
    };
    anstream::println!("  {name:<20} {rows}, {style}{different} different{style:#}");
    if !columns.is_empty() {
        anstream::println!("    columns: {}", columns.join(", "));
    }
    for Difference { tenant, guest_id, pp, position, what } in told {
        let guest = guest_id.as_deref().unwrap_or("-");
        anstream::println!("    {tenant}  {guest}  {DIM}pp {pp:02}, position {position}{DIM:#}");
        anstream::println!("        {what}");
    }
    if *different > i64::try_from(told.len()).unwrap_or(i64::MAX) {
        anstream::println!("    ... and {} more", different - i64::try_from(told.len()).unwrap_or_default());
    }
    if *unsettled > 0 {
        anstream::println!(
            "    {DOUBTFUL}{unsettled} rows changed again and again and were never compared{DOUBTFUL:#}"
        );
    }
}
