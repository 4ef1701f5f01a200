//! The NATS headers a message of ours carries: only what NATS, or a person at a command line, needs.

/// Id of the command, on requests, commits and replies.
pub const COMMAND_ID: &str = "Keepsake-Command-Id";
/// Types of the events in a commit, comma-separated.
pub const EVENTS: &str = "Keepsake-Events";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Body encoding of a command: `application/json` (default) or `application/protobuf`.
pub const CONTENT_TYPE: &str = "Content-Type";
/// How long the sender waits for its answer: a command that was not begun by then is not begun any more.
pub const TIMEOUT_MS: &str = "Keepsake-Timeout-Ms";
/// On a durable command that came over HTTP: who sent it, signed by command-service; anybody else's word is left aside.
pub const SENDER: &str = "Keepsake-Sender";
/// On a dead letter: the subject the command was sent to.
pub const SENT_TO: &str = "Keepsake-Sent-To";
/// On a dead letter: stable code of the reason.
pub const REASON: &str = "Keepsake-Reason";
/// On a dead letter: the reason as a sentence.
pub const DETAIL: &str = "Keepsake-Detail";
/// HTTP status of a refusal, by which NATS tools tell an error from an answer.
pub const SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";
/// Stable code of a refusal: `guest_not_found`.
pub const SERVICE_ERROR: &str = "Nats-Service-Error";
/// Guard: sequence of the last message on the subject, as the writer knows it; 0 when there is none.
pub const EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
/// Guard: name of the stream that must take the message.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
