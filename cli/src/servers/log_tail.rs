//! The last lines of a server's log, to show why it ended.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

const LINES: usize = 12;
const MAX_BYTES: u64 = 16 * 1024;

/// The last lines written at or after `from`, indented, or a remark that there are none.
pub(crate) fn since(log: &Path, from: u64) -> String {
    match read(log, from) {
        Ok(text) if !text.trim().is_empty() => last_lines(&text),
        _ => "  (it logged nothing)".to_owned(),
    }
}

fn read(log: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(MAX_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    shown.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_this_run_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text = (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        std::fs::write(&log, format!("old\n{text}\n")).unwrap();
        let shown = since(&log, 4);
        assert!(shown.starts_with("  line 8") && shown.ends_with("  line 19"), "{shown}");
        assert_eq!(since(&log, 100_000), "  (it logged nothing)");
    }
}
