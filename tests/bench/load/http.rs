//! A caller over HTTP/1.1: one task with a connection of its own, which it keeps.

use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Turns;
use super::connection::{Answered, Heard};
use crate::contestant::Verdict;
use crate::contestant::http::OverHttp;
use crate::figures::micros;

type Door = SendRequest<Full<Bytes>>;

pub(super) struct Caller {
    /// Among all callers.
    pub(super) number: usize,
    pub(super) turns: Turns,
    pub(super) contestant: Arc<dyn OverHttp>,
    /// When the load began.
    pub(super) started: Instant,
}

impl Caller {
    pub(super) async fn closed(self, closes: Instant) -> anyhow::Result<Heard> {
        let stream = TcpStream::connect(self.contestant.address()).await?;
        stream.set_nodelay(true)?;
        let (door, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Both in this task: a connection with a task of its own would have to wake this one for every answer.
        tokio::select! {
            biased;
            ended = connection => {
                ended?;
                bail!("{} closed the connection", self.contestant.address())
            }
            heard = self.ask(door, closes) => heard,
        }
    }

    /// Asks again as soon as it is answered.
    async fn ask(&self, mut door: Door, closes: Instant) -> anyhow::Result<Heard> {
        let (mut heard, mut turn, mut since) = (Heard::default(), 0, Instant::now());
        while since < closes
            && let Some(guest) = (self.turns)(self.number, turn)
        {
            while self.post(&mut door, guest).await? == Verdict::Overloaded {
                heard.overloaded += 1;
            }
            let now = Instant::now();
            heard.answered.push(Answered { at: micros(now - self.started), took: micros(now - since) });
            (turn, since) = (turn + 1, now);
        }
        Ok(heard)
    }

    async fn post(&self, door: &mut Door, guest: usize) -> anyhow::Result<Verdict> {
        door.ready().await?;
        let (head, body) = door.send_request(self.contestant.request(guest)?).await?.into_parts();
        self.contestant.judge(head.status, &body.collect().await?.to_bytes())
    }
}
