//! The file: what it contains, hashed, and its lines.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::record::Reason;

const READ_AHEAD_LINES: usize = 1_024;
/// Longest line that is read; no command could hold a longer one.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The text of a line, or why it has none.
pub(super) type Line = Result<String, Reason>;

/// A file that can be read twice: once to know it, once for its lines.
pub struct Source {
    /// First 128 bits of SHA-256 of the content, in hexadecimal digits: two files with the same content are one import.
    pub content_hash: String,
    pub lines: u64,
    reader: Box<dyn BufRead + Send>,
}

impl Source {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let is_file = fs::metadata(path).with_context(unreadable)?.is_file();
        anyhow::ensure!(
            is_file,
            "{} is no regular file, and it is read twice: save it to a file first",
            path.display()
        );
        let (content_hash, lines) = survey(open(path).with_context(unreadable)?).with_context(unreadable)?;
        Ok(Self { content_hash, lines, reader: open(path).with_context(unreadable)? })
    }

    /// A source whose content is generated.
    pub fn from_text(text: String) -> anyhow::Result<Self> {
        let (content_hash, lines) = survey(text.as_bytes())?;
        Ok(Self { content_hash, lines, reader: Box::new(io::Cursor::new(text)) })
    }

    /// The lines with their numbers, from 1 on, read on a thread of their own.
    pub(super) fn into_lines(self) -> mpsc::Receiver<(u64, io::Result<Line>)> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD_LINES);
        tokio::task::spawn_blocking(move || {
            let mut reader = self.reader;
            let mut number = 0;
            while let Some(line) = next_line(&mut reader).transpose() {
                number += 1;
                let failed = line.is_err();
                if sender.blocking_send((number, line)).is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = BufReader::new(File::open(path)?);
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

fn survey(mut content: impl BufRead) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let (mut lines, mut ends_in_line) = (0, false);
    loop {
        let chunk = content.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        hash.update(chunk);
        lines += chunk.split(|byte| *byte == b'\n').count() as u64 - 1;
        ends_in_line = chunk.last() != Some(&b'\n');
        let length = chunk.len();
        content.consume(length);
    }
    let hash: [u8; 32] = hash.finalize().into();
    Ok((HEXLOWER.encode(&hash[..16]), lines + u64::from(ends_in_line)))
}

fn next_line(reader: &mut Box<dyn BufRead + Send>) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    reader.take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line)?;
    let ended = line.pop_if(|byte| *byte == b'\n').is_some();
    if line.is_empty() && !ended {
        return Ok(None);
    }
    if line.len() > MAX_LINE_BYTES {
        reader.skip_until(b'\n')?;
        return Ok(Some(Err(format!("longer than {MAX_LINE_BYTES} bytes").into())));
    }
    // Replacing what is no text would make one guest of two.
    Ok(Some(String::from_utf8(line).map_err(|_| "not UTF-8".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_counts_with_or_without_its_end() {
        assert_eq!(Source::from_text("a\nb".to_owned()).expect("text").lines, 2);
        assert_eq!(Source::from_text("a\nb\n".to_owned()).expect("text").lines, 2);
        assert_eq!(Source::from_text(String::new()).expect("text").lines, 0);
    }

    #[test]
    fn a_line_that_cannot_be_read_costs_only_itself() {
        let mut text = vec![b'x'; MAX_LINE_BYTES];
        text.extend(b"\nJos\xe9\n");
        text.extend(vec![b'y'; MAX_LINE_BYTES + 1]);
        text.extend(b"\n\nlast");
        let mut reader: Box<dyn BufRead + Send> = Box::new(io::Cursor::new(text));
        let lines: Vec<Line> = std::iter::from_fn(|| next_line(&mut reader).expect("reads")).collect();
        let taken: Vec<_> = lines.iter().map(|line| line.as_ref().map(String::len)).collect();
        let (not_text, too_long) = ("not UTF-8".into(), "longer than 1048576 bytes".into());
        assert_eq!(taken, [Ok(MAX_LINE_BYTES), Err(&not_text), Err(&too_long), Ok(0), Ok(4)]);
    }

    #[test]
    fn what_can_be_read_only_once_is_refused() {
        let error = Source::open(Path::new("/dev/null")).err().expect("refused").to_string();
        assert!(error.contains("save it to a file first"), "{error}");
    }

    #[tokio::test]
    async fn a_compressed_file_is_read_as_it_is() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.gz");
        let mut gz = flate2::write::GzEncoder::new(File::create(&path).expect("a file"), flate2::Compression::fast());
        gz.write_all(b"one\r\ntwo\n").expect("writes");
        gz.finish().expect("closes");
        let source = Source::open(&path).expect("opens");
        assert_eq!(source.content_hash, Source::from_text("one\r\ntwo\n".to_owned()).expect("text").content_hash);
        let mut lines = source.into_lines();
        let mut read = Vec::new();
        while let Some((number, line)) = lines.recv().await {
            read.push((number, line.expect("a line").expect("text")));
        }
        assert_eq!(read, [(1, "one\r".to_owned()), (2, "two".to_owned())]);
    }
}
