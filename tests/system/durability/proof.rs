//! For each command, that it was written, then brought to the disk, and only then answered.

use std::collections::HashMap;

use proto::{Reply, header};

use super::trace::{Call, calls};

/// Where the log's own blocks lie; batches are staged elsewhere first.
const LOG_BLOCKS: &str = "/streams/EVT/msgs/";

/// What is wrong with a command's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its commit was never written to the log, or not before the answer.
    NotWritten,
    /// No fsync of the block began after the write and ended before the answer.
    AnsweredBeforeSync,
    /// The trace shows no answer: nothing is proved.
    NotAnswered,
}

/// The commands among `ids` whose acknowledgement is not proved to have followed its fsync.
pub(super) fn faults<'a>(trace: &str, ids: &[&'a str]) -> Vec<(&'a str, Fault)> {
    let calls = calls(trace);
    let (written, answered) = (writes(&calls), answers(&calls));
    let fault = |id: &str| {
        let Some(answered) = answered.get(id) else { return Some(Fault::NotAnswered) };
        let before = |write: &&&Call| write.ended.is_some_and(|ended| ended < *answered);
        let Some(write) = written.get(id).filter(before) else { return Some(Fault::NotWritten) };
        let synced = calls.iter().any(|call| is_sync_between(call, write, *answered));
        (!synced).then_some(Fault::AnsweredBeforeSync)
    };
    ids.iter().filter_map(|id| Some((*id, fault(id)?))).collect()
}

fn is_sync_between(call: &Call, write: &Call, answered: usize) -> bool {
    let is_sync = matches!(call.name.as_str(), "fsync" | "fdatasync") && !call.failed && call.target == write.target;
    let (after, before) = (Some(call.began) > write.ended, call.ended.is_some_and(|ended| ended < answered));
    is_sync && after && before
}

/// The first write to a block of the log for each command id.
fn writes(calls: &[Call]) -> HashMap<String, &Call> {
    let mut writes = HashMap::new();
    for call in calls.iter().filter(|call| call.target.contains(LOG_BLOCKS)) {
        for id in command_ids(&call.bytes) {
            writes.entry(id).or_insert(call);
        }
    }
    writes
}

/// The ids in the headers of whatever messages these bytes hold.
fn command_ids(bytes: &[u8]) -> Vec<String> {
    let name = format!("{}: ", header::COMMAND_ID);
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(name.as_bytes()));
    let id = |at: usize| bytes[at + name.len()..].split(|byte| *byte == b'\r').next();
    starts.filter_map(id).map(|id| String::from_utf8_lossy(id).into_owned()).collect()
}

/// When the first byte of each command's first reply left for its caller.
fn answers(calls: &[Call]) -> HashMap<String, usize> {
    let mut sockets: HashMap<&str, Vec<&Call>> = HashMap::new();
    for call in calls.iter().filter(|call| call.target.starts_with("socket:")) {
        sockets.entry(&call.target).or_default().push(call);
    }
    let mut answers: HashMap<String, usize> = HashMap::new();
    for calls in sockets.values() {
        let stream: Vec<u8> = calls.iter().flat_map(|call| call.bytes.iter().copied()).collect();
        for (at, body) in message_bodies(&stream) {
            if let Some(id) = replied_to(body) {
                let began = began(calls, at);
                answers.entry(id).and_modify(|first| *first = began.min(*first)).or_insert(began);
            }
        }
    }
    answers
}

/// The line on which the call that carried this byte began.
fn began(calls: &[&Call], at: usize) -> usize {
    let mut sent = 0;
    let carries = |call: &&&Call| {
        sent += call.bytes.len();
        at < sent
    };
    calls.iter().find(carries).map_or(usize::MAX, |call| call.began)
}

/// Every `MSG` and `HMSG` in what a server sent to one client: where it starts, and its body.
fn message_bodies(stream: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut bodies, mut at) = (Vec::new(), 0);
    while let Some(end) = stream[at..].windows(2).position(|two| two == b"\r\n") {
        let (line, start) = (String::from_utf8_lossy(&stream[at..at + end]), at + end + 2);
        let sizes = match line.split(' ').collect::<Vec<_>>()[..] {
            ["MSG", .., size] => Some((0, size.parse().unwrap_or(0))),
            ["HMSG", .., headers, size] => Some((headers.parse().unwrap_or(0), size.parse().unwrap_or(0))),
            _ => None,
        };
        let Some((headers, size)) = sizes else {
            at = start;
            continue;
        };
        let Some(body) = stream.get(start + headers..start + size) else { break };
        bodies.push((at, body));
        at = start + size;
    }
    bodies
}

/// The command this body is the acknowledgement of, when it is one.
fn replied_to(body: &[u8]) -> Option<String> {
    let reply: Reply = serde_json::from_slice(body).ok()?;
    (!reply.consistency_token.is_empty()).then_some(reply.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: &str = r#"1 pwrite64(11</d/streams/EVT/msgs/1.blk>, "\\\0es.a.0NATS/1.0\r\nKeepsake-Command-Id: a\r\n\r\n\10\0", 60, 0) = 60"#;
    const SYNC: &str = "1 fsync(11</d/streams/EVT/msgs/1.blk>) = 0";

    /// The answer to command `a`, behind another message of the same write.
    fn answer() -> String {
        let headers = r"NATS/1.0\r\nKeepsake-Command-Id: a\r\n\r\n";
        let body = r#"{"id":"a","guest_id":"","position":1,"version":1,"events":[],"durability":"fsync","replayed":false,"consistency_token":"t"}"#;
        let (headers_size, size) = (headers.len() - 6, headers.len() - 6 + body.len());
        let text = format!(r"MSG x 1 2\r\n{{}}\r\nHMSG _INBOX.y 1 {headers_size} {size}\r\n{headers}{body}\r\n");
        format!(r#"2 writev(9<socket:[5]>, [{{iov_base="{}", iov_len=1}}], 1) = 9999"#, text.replace('"', r#"\""#))
    }

    fn fault(lines: &[&str]) -> Option<Fault> {
        faults(&lines.join("\n"), &["a"]).first().map(|(_, fault)| *fault)
    }

    #[test]
    fn an_answer_after_write_and_sync_is_in_order() {
        assert_eq!(fault(&[WRITE, SYNC, &answer()]), None);
    }

    #[test]
    fn an_answer_is_caught_when_the_sync_ended_later_or_began_before_the_write_or_failed() {
        let (begun, ended) = ("1 fsync(11</d/streams/EVT/msgs/1.blk> <unfinished ...>", "1 <... fsync resumed>) = 0");
        let failed = "1 fsync(11</d/streams/EVT/msgs/1.blk>) = -1 EIO (Input/output error)";
        let elsewhere = "1 fsync(12</d/streams/EVT/msgs/2.blk>) = 0";
        let answer = answer();
        for lines in [
            &[WRITE, begun, &answer, ended][..],
            &[begun, &WRITE.replacen('1', "3", 1), ended, &answer],
            &[SYNC, WRITE, &answer],
            &[WRITE, failed, &answer],
            &[WRITE, elsewhere, &answer],
            &[WRITE, &answer, SYNC],
        ] {
            assert_eq!(fault(lines), Some(Fault::AnsweredBeforeSync), "{lines:#?}");
        }
    }

    #[test]
    fn what_is_staged_but_not_in_the_log_is_not_written() {
        let staged = WRITE.replace("EVT/msgs", "EVT/batches/b/msgs");
        assert_eq!(fault(&[&staged, SYNC, &answer()]), Some(Fault::NotWritten));
        assert_eq!(fault(&[&answer(), WRITE, SYNC]), Some(Fault::NotWritten));
        assert_eq!(fault(&[WRITE, SYNC]), Some(Fault::NotAnswered));
    }

    #[test]
    fn an_answer_cut_in_two_by_the_socket_counts_from_its_first_byte() {
        let answer = answer();
        let first = answer.replace("= 9999", "= 31");
        let rest = answer.replace(r#"iov_base="MSG x 1 2\r\n{}\r\nHMSG _INBOX.y 1 "#, r#"iov_base=""#);
        assert_ne!(rest, answer);
        assert_eq!(fault(&[WRITE, &first, SYNC, &rest]), Some(Fault::AnsweredBeforeSync));
    }
}
