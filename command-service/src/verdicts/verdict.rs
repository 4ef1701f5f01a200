//! What is known of one command, and how that is written.

use bytes::Bytes;
use proto::Reply;
use runtime::clock;
use runtime::problem::Problem;
use serde::{Deserialize, Serialize};

/// What is known of a command.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    id: String,
    status: Status,
    #[serde(flatten)]
    ended: Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Taken, and not carried out yet.
    Pending,
    Accepted,
    Refused,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// Not yet; since when it is known, RFC 3339.
    Since(String),
    Reply(Box<Reply>),
    Problem(Problem),
}

impl Verdict {
    pub(crate) fn pending(id: &str) -> Self {
        Self { id: id.to_owned(), status: Status::Pending, ended: Ended::Since(clock::now().to_rfc3339()) }
    }

    pub(crate) fn new(id: &str, outcome: Result<Reply, Problem>) -> Self {
        let (status, ended) = match outcome {
            Ok(reply) => (Status::Accepted, Ended::Reply(Box::new(reply))),
            Err(problem) => (Status::Refused, Ended::Problem(problem)),
        };
        Self { id: id.to_owned(), status, ended }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the command was carried out now, so that there can be no earlier word of that.
    pub(super) fn is_new(&self) -> bool {
        matches!(&self.ended, Ended::Reply(reply) if !reply.replayed)
    }

    pub(crate) fn to_json(&self) -> Bytes {
        // Numbers, texts and problems: nothing of it can fail to be JSON.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A verdict as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredVerdict(Bytes);

impl StoredVerdict {
    pub(super) fn new(json: Bytes) -> Self {
        Self(json)
    }

    /// One that cannot be read counts as a refusal: anything may replace it.
    pub(crate) fn status(&self) -> Status {
        #[derive(Deserialize)]
        struct Peek {
            status: Status,
        }
        serde_json::from_slice(&self.0).map_or(Status::Refused, |Peek { status }| status)
    }

    pub(crate) fn into_json(self) -> Bytes {
        self.0
    }
}
