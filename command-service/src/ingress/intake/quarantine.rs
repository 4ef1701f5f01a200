//! Messages that no client library reads: header blocks which are none, or which speak as the server does.
//!
//! The server takes them as they are and delivers them as they are. The client breaks the connection over one, or swallows it, and
//! the intake would stand still at it for ever. So when a hold is lost they are looked for, by a request whose answer is JSON.

use async_nats::jetstream;
use async_nats::{Client, HeaderName, HeaderValue};
use event_log::leader::{self, KeptMessage};
use event_log::{LogError, User};
use proto::subject::{INTAKE_STREAM, INTAKE_SUBJECTS};
use runtime::problem::Problem;

use super::Intake;
use super::dead_letter::DeadLetter;

/// As many as can have been on their way when the hold was lost.
const LOOKED_AT: usize = 4_000;
const ASKED: &str = "for a command of the intake";

/// Makes dead letters of unreadable messages among the oldest.
pub(super) async fn sweep(intake: &Intake) {
    if let Err(error) = try_sweep(intake).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the intake could not be searched for what stops it");
    }
}

async fn try_sweep(intake: &Intake) -> Result<(), LogError> {
    // The hold's own connection may be the one that broke.
    let client = event_log::connect(&intake.nats, User::Intake, "keepsake command-service: quarantine").await?;
    let mut from = 1;
    for _ in 0..LOOKED_AT {
        let Some(message) = leader::kept(&client, INTAKE_STREAM, from, INTAKE_SUBJECTS).await? else { return Ok(()) };
        from = message.position + 1;
        let Err(why) = read_headers(&message.headers) else { continue };
        tracing::warn!(intake.position = message.position, why, "a command's header block is none");
        bury(&client, intake, message, why).await?;
    }
    Ok(())
}

async fn bury(client: &Client, intake: &Intake, message: KeptMessage, why: &str) -> Result<(), LogError> {
    let KeptMessage { position, subject, payload, .. } = message;
    let id = intake.unnamed(position);
    let letter = DeadLetter { subject: &subject, position, id: &id, is_protobuf: false, payload };
    letter.keep(client, &Problem::bad_request("malformed_headers", why)).await?;
    let no_answer = |error: Box<dyn std::error::Error + Send + Sync>| LogError::NoAnswer(ASKED, error);
    let stream = jetstream::new(client.clone()).get_stream_no_info(INTAKE_STREAM).await;
    let stream = stream.map_err(|error| no_answer(error.into()))?;
    stream.delete_message(position).await.map(drop).map_err(|error| no_answer(error.into()))
}

/// Why a client would not take these headers for a message's.
fn read_headers(block: &[u8]) -> Result<(), &'static str> {
    if block.is_empty() {
        return Ok(());
    }
    let text = std::str::from_utf8(block).map_err(|_| "the headers are not UTF-8")?;
    let mut lines = text.split("\r\n");
    if lines.next().map(str::trim_end) != Some("NATS/1.0") {
        return Err("the headers begin with a status, which only a server may send");
    }
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
        name.parse::<HeaderName>().map_err(|_| "a header's name is none")?;
        value.trim().parse::<HeaderValue>().map_err(|_| "a header's value has a line end")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read_headers;

    #[test]
    fn what_breaks_a_client_is_told_from_what_does_not() {
        for block in ["", "NATS/1.0\r\n\r\n", "NATS/1.0\r\nA: b\r\nKeepsake-Command-Id: x:y\r\n\r\n"] {
            assert_eq!(read_headers(block.as_bytes()), Ok(()), "{block:?}");
        }
        for block in [
            &b"NATS/1.0\r\nX: a\rb\r\n\r\n"[..],
            b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
            b"NATS/1.0 503\r\n\r\n",
            b"NATS/1.0\r\nno colon\r\n\r\n",
            b"NATS/1.0\r\na name: x\r\n\r\n",
            b"NATS/1.0\r\nX: \xff\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
        ] {
            assert!(read_headers(block).is_err(), "{block:?}");
        }
    }
}
