//! The results as a person reads them.

use crate::row::Row;

const HEAD: [&str; 10] = ["row", "unit", "ours", "limit", "ratio", "raw", "by raw", "p50 ms", "p99 ms", ""];

/// A line per row, figures flush right; the last word says whether a row misses what it must reach.
pub(crate) fn render(rows: &[Row]) -> String {
    let cells: Vec<[String; 10]> = std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if column < 2 { format!("{text:<width$}") } else { format!("{text:>width$}") }
    };
    let line =
        |row: &[String; 10]| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned();
    cells.iter().map(|row| line(row) + "\n").collect()
}

fn cells(row: &Row) -> [String; 10] {
    let verdict = match row.met {
        Some(true) => "reached",
        Some(false) => "MISSED",
        None => "",
    };
    [
        row.name.clone(),
        row.unit.to_owned(),
        figure(row.ours),
        figure(row.limit),
        ratio(row.ratio),
        figure(row.raw),
        ratio(row.raw_ratio),
        figure(row.p50_ms),
        figure(row.p99_ms),
        verdict.to_owned(),
    ]
}

/// Three or more digits, whatever the size.
fn figure(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        Some(large) if large >= 100.0 => format!("{large:.0}"),
        Some(small) => format!("{small:.2}"),
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}
