//! What strace has written down, as calls with a beginning and an end.

use std::collections::HashMap;

/// One system call on a file or socket. The line it began on and the line it ended on order the calls of all threads: strace
/// holds a thread until it has written the line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    /// The path of the file, or `socket:[inode]`.
    pub(super) target: String,
    /// The bytes handed over, as far as they were taken.
    pub(super) bytes: Vec<u8>,
    pub(super) began: usize,
    /// `None` while it had not ended when the trace did.
    pub(super) ended: Option<usize>,
    pub(super) failed: bool,
}

/// Every call of the trace, in the order they began.
pub(super) fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if text.starts_with("<... ") {
            if let Some(call) = unfinished.remove(thread) {
                end(&mut calls[call], number, text);
            }
        } else if let Some(mut call) = begin(number, text) {
            if text.ends_with("<unfinished ...>") {
                unfinished.insert(thread, calls.len());
            } else if !text.ends_with("<detached ...>") {
                end(&mut call, number, text);
            }
            calls.push(call);
        }
    }
    calls
}

/// `pwrite64(11</a/1.blk>, "..", 92, 0`: name, target, and every string behind it.
fn begin(number: usize, text: &str) -> Option<Call> {
    let (name, arguments) = text.split_once('(')?;
    let (_, rest) = arguments.split_once('<')?;
    let (target, rest) = rest.split_once('>')?;
    let mut bytes = Vec::new();
    let mut rest = rest;
    while let Some((_, quoted)) = rest.split_once('"') {
        rest = unescape(quoted, &mut bytes);
        assert!(!rest.starts_with("..."), "strace cut a string: ask for longer ones");
    }
    Some(Call { name: name.to_owned(), target: target.to_owned(), bytes, began: number, ended: None, failed: false })
}

/// `.. = 92`, `.. = -1 EAGAIN (..)`, `.. = ? <unavailable>`
fn end(call: &mut Call, number: usize, text: &str) {
    let result = text.rsplit_once(" = ").and_then(|(_, result)| result.split(' ').next()?.parse::<i64>().ok());
    call.ended = Some(number);
    call.failed = result.is_none_or(|result| result < 0);
    call.bytes.truncate(result.and_then(|taken| usize::try_from(taken).ok()).unwrap_or(0));
}

/// Reads a string up to its closing quote; answers what comes behind.
fn unescape<'a>(text: &'a str, into: &mut Vec<u8>) -> &'a str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => return &text[at + 1..],
            (b'\\', Some(b'0'..=b'7')) => {
                let digits = bytes[at + 1..].iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte));
                let (value, count) =
                    digits.fold((0_u32, 0), |(value, count), digit| (value * 8 + u32::from(digit - b'0'), count + 1));
                into.push(u8::try_from(value).expect("strace writes bytes"));
                at += 1 + count;
            }
            (b'\\', Some(letter)) => {
                into.push(escaped(*letter));
                at += 2;
            }
            (byte, _) => {
                into.push(byte);
                at += 1;
            }
        }
    }
    ""
}

fn escaped(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'f' => 12,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_byte_for_byte() {
        let trace = r#"7 pwrite64(11</s/1.blk>, "\\\0\0\200\00017\n\"x\"\r\377", 12, 0) = 12"#;
        let [call] = &calls(trace)[..] else { panic!("one call") };
        assert_eq!(call.bytes, [b'\\', 0, 0, 128, 0, b'1', b'7', b'\n', b'"', b'x', b'"', b'\r']);
        assert_eq!((call.name.as_str(), call.target.as_str(), call.ended), ("pwrite64", "/s/1.blk", Some(0)));
    }

    #[test]
    fn a_call_that_others_came_between_is_put_together_again() {
        let trace = "7 fsync(11</s/1.blk> <unfinished ...>\n\
                     8 writev(9<socket:[5]>, [{iov_base=\"ab\", iov_len=2}, {iov_base=\"cd\", iov_len=2}], 2) = 3\n\
                     8 --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL} ---\n\
                     7 <... fsync resumed>)              = 0\n\
                     8 write(9<socket:[5]>, \"e\", 1) = -1 EAGAIN (Resource temporarily unavailable)\n\
                     8 write(9<socket:[5]>, \"e\", 1 <detached ...>";
        let calls = calls(trace);
        let [sync, sent, refused, under_way] = &calls[..] else { panic!("four calls: {calls:?}") };
        assert_eq!((sync.began, sync.ended, sync.failed), (0, Some(3), false));
        assert_eq!(sent.bytes, b"abc", "only what was taken");
        assert!(refused.failed && refused.bytes.is_empty());
        assert_eq!((under_way.bytes.as_slice(), under_way.ended), (b"e".as_slice(), None));
    }
}
