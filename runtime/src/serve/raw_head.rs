//! The head of a request as it came: hyper drops `Content-Length` beside `Transfer-Encoding`, and nobody could tell any more.

use std::sync::{Mutex, PoisonError};

use axum::http::Method;

/// What was read of the head that is being waited for.
#[derive(Debug, Default)]
pub(super) struct RawHead(Mutex<Head>);

#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl RawHead {
    /// The next bytes are those of a new head.
    pub(super) fn begin(&self) {
        let mut head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        head.bytes.clear();
        head.is_whole = false;
    }

    /// Takes in what was read, until the head is whole; hyper sees to it that no head is long.
    pub(super) fn read(&self, bytes: &[u8]) {
        let mut head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if head.is_whole {
            return;
        }
        let seen = head.bytes.len().saturating_sub(2);
        head.bytes.extend_from_slice(bytes);
        head.is_whole = has_empty_line(&head.bytes[seen..]);
    }

    /// Whether a head with `Transfer-Encoding` says the length of its body in that way alone. Who reads the other of two lengths
    /// takes the end of the body for a request (RFC 9112, 11.2). A head that began before its answer's turn was not seen whole,
    /// and is not believed.
    pub(super) fn has_one_length(&self, method: &Method) -> bool {
        let head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_its_own = head.bytes.strip_prefix(method.as_str().as_bytes()).is_some_and(|rest| rest.starts_with(b" "));
        let lines = head.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let mut names =
            lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split(|byte| *byte == b':').next());
        head.is_whole && is_its_own && !names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"content-length"))
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_one_length(reads: &[&str]) -> bool {
        let head = RawHead::default();
        head.begin();
        for read in reads {
            head.read(read.as_bytes());
        }
        head.has_one_length(&Method::POST)
    }

    #[test]
    fn a_second_length_is_seen_wherever_it_stands() {
        assert!(has_one_length(&["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nContent-Length: 1"]));
        for reads in [
            &["POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"][..],
            &["POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nconTENT-len", "gth: 1\r\n\r", "\n"],
            &["POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length:1\n", "\n"],
        ] {
            assert!(!has_one_length(reads), "{reads:?}");
        }
    }

    #[test]
    fn a_head_that_was_not_seen_whole_is_not_believed() {
        for reads in [&[][..], &["g: chunked\r\n\r\n"], &["POST / HTTP/1.1\r\n"]] {
            assert!(!has_one_length(reads), "{reads:?}");
        }
    }
}
