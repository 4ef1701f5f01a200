//! The limit of anything that takes requests and appends to the log: the empty relay, asked as the service is.

use async_nats::{Message, Subject};
use bytes::Bytes;

use super::command::interaction;
use super::{Contestant, Ids, Request, Verdict, judge};

/// Requests to the relay's process, as large as a command.
pub(crate) struct Relayed {
    subjects: Vec<Subject>,
    body: Bytes,
    ids: Ids,
}

impl Relayed {
    pub(crate) fn new(owners: usize) -> Self {
        let subjects = (0..owners).map(|owner| Subject::from(format!("relay.{owner}"))).collect();
        Self { subjects, body: Bytes::from(interaction(0)), ids: Ids::new() }
    }
}

impl Contestant for Relayed {
    fn request(&self, owner: usize) -> Request {
        Request { subject: self.subjects[owner].clone(), headers: self.ids.headers(), body: self.body.clone() }
    }

    fn judge(&self, _owner: usize, answer: &Message) -> anyhow::Result<Verdict> {
        judge(answer)
    }
}
