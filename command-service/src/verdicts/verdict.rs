//! What is known of one command, and how that is written.

use bytes::Bytes;
use proto::Reply;
use runtime::problem::Problem;
use serde::{Deserialize, Serialize};

/// What is known of a command.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    id: String,
    #[serde(flatten)]
    ended: Ended,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Ended {
    /// Taken, and not carried out yet.
    Pending,
    Accepted {
        reply: Box<Reply>,
    },
    Refused {
        problem: Problem,
    },
}

impl Verdict {
    pub(crate) fn pending(id: &str) -> Self {
        Self { id: id.to_owned(), ended: Ended::Pending }
    }

    pub(crate) fn new(id: &str, outcome: Result<Reply, Problem>) -> Self {
        let ended = match outcome {
            Ok(reply) => Ended::Accepted { reply: Box::new(reply) },
            Err(problem) => Ended::Refused { problem },
        };
        Self { id: id.to_owned(), ended }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.ended, Ended::Refused { .. })
    }

    pub(crate) fn to_json(&self) -> Bytes {
        // Numbers, texts and problems: nothing of it can fail to be JSON.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A verdict as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredVerdict(pub(crate) Bytes);

impl StoredVerdict {
    /// Whether the command is still to be carried out.
    pub(crate) fn is_pending(&self) -> bool {
        self.is("pending")
    }

    pub(super) fn is(&self, status: &str) -> bool {
        #[derive(Deserialize)]
        struct Peek<'a> {
            status: &'a str,
        }
        serde_json::from_slice::<Peek<'_>>(&self.0).is_ok_and(|peek| peek.status == status)
    }
}
