//! What the log's answers mean. Codes: ADR-10 of NATS, measured on one server and on three.

use proto::subject::LOG_STREAM;
use serde::Deserialize;

/// Wrong last sequence; on one server also the answer to a retry of a stored message.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Wrong last sequence while another publish on the subject is under way.
const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10164;
/// A message that the server has seen before: stored or not, its sender must look.
const DUPLICATE: [u64; 2] = [10158, 10201];
/// The stream's limits are reached.
const MAXIMUM_MESSAGES: u64 = 10077;
/// The account's or the server's storage is used up.
const INSUFFICIENT_RESOURCES: [u64; 2] = [10023, 10047];
/// Batches may not be used, are too many at once, or lost a part on the way: nothing of them was stored.
const BATCH_REFUSED: [u64; 5] = [10174, 10175, 10176, 10199, 10210];

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored at this position, and as durable as the log is.
    At(u64),
    /// Somebody else's commit, or our own under an earlier try, came first; the owner's last position where the log told it.
    Conflict(Option<u64>),
    /// No answer: stored or not, only reading back can tell.
    Unclear,
}

/// The log will not take the commit, and has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendFault {
    #[error("the log has no room left")]
    StorageFull,
    #[error("the log refused an append: {0}")]
    Refused(String),
    #[error("the service is stopping")]
    Stopped,
}

/// An answer to a publish, single or batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Outcome(Result<Appended, AppendFault>),
    /// The batch as such was not taken; its commits may be tried one by one.
    BatchRefused,
}

/// Reads an acknowledgement of `commits` messages.
pub(super) fn read(answer: &[u8], commits: usize) -> Answer {
    let Ok(ack) = serde_json::from_slice::<PubAck>(answer) else {
        return Answer::Outcome(Ok(Appended::Unclear));
    };
    let refused = |why: String| Answer::Outcome(Err(AppendFault::Refused(why)));
    match ack {
        // A refusal names the stream too, with sequence 0: the error decides.
        PubAck { error: Some(error), .. } => read_error(&error),
        PubAck { stream: Some(stream), .. } if stream != LOG_STREAM => {
            refused("another stream took the commit".to_owned())
        }
        PubAck { seq: Some(position @ 1..), batch_count, .. } if batch_count.unwrap_or(1) == commits => {
            Answer::Outcome(Ok(Appended::At(position)))
        }
        // It stored something: only reading back tells what.
        PubAck { seq: Some(1..), .. } => Answer::Outcome(Ok(Appended::Unclear)),
        PubAck { .. } => refused("the log's answer has no position".to_owned()),
    }
}

fn read_error(error: &ApiError) -> Answer {
    Answer::Outcome(match error.err_code {
        WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_IN_FLIGHT => Ok(Appended::Conflict(last_sequence(error))),
        code if DUPLICATE.contains(&code) => Ok(Appended::Unclear),
        code if code == MAXIMUM_MESSAGES || INSUFFICIENT_RESOURCES.contains(&code) => Err(AppendFault::StorageFull),
        code if BATCH_REFUSED.contains(&code) => return Answer::BatchRefused,
        code if matches!(error.code, 429 | 503) => {
            tracing::warn!(nats.err_code = code, "the log cannot take a commit now");
            Ok(Appended::Unclear)
        }
        code => Err(AppendFault::Refused(format!("{code} {}", error.description))),
    })
}

/// `wrong last sequence: N`; three replicas do not always tell the number.
fn last_sequence(error: &ApiError) -> Option<u64> {
    error.description.rsplit_once(": ")?.1.parse().ok()
}

#[derive(Deserialize)]
struct PubAck {
    stream: Option<String>,
    seq: Option<u64>,
    #[serde(rename = "count")]
    batch_count: Option<usize>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    code: u16,
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_the_stream_has_one_meaning() {
        let read = |answer: &str| read(answer.as_bytes(), 1);
        let outcome = |appended| Answer::Outcome(Ok(appended));
        let error = |code: u16, err_code: u64, said: &str| {
            format!(
                r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"{said}"}},"stream":"EVT","seq":0}}"#
            )
        };
        assert_eq!(read(r#"{"stream":"EVT","seq":7}"#), outcome(Appended::At(7)));
        let told = error(400, 10071, "wrong last sequence: 12");
        assert_eq!(read(&told), outcome(Appended::Conflict(Some(12))));
        assert_eq!(read(&error(400, 10164, "wrong last sequence")), outcome(Appended::Conflict(None)));
        assert_eq!(read(&error(503, 10077, "")), Answer::Outcome(Err(AppendFault::StorageFull)));
        assert_eq!(read(&error(503, 10076, "")), outcome(Appended::Unclear));
        assert_eq!(read(&error(400, 10201, "")), outcome(Appended::Unclear));
        assert_eq!(read(&error(400, 10176, "")), Answer::BatchRefused);
        assert!(matches!(read(r#"{"stream":"OTHER","seq":7}"#), Answer::Outcome(Err(_))));
        assert!(matches!(read(r#"{"stream":"EVT","seq":0}"#), Answer::Outcome(Err(_))));
        assert_eq!(read("+OK"), outcome(Appended::Unclear));
    }

    #[test]
    fn a_batch_is_acknowledged_whole() {
        let ack = br#"{"stream":"EVT","seq":40,"batch":"b","count":3}"#;
        assert_eq!(read(ack, 3), Answer::Outcome(Ok(Appended::At(40))));
        assert_eq!(read(ack, 2), Answer::Outcome(Ok(Appended::Unclear)));
    }
}
