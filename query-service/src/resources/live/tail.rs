//! The end of a guest's timeline, as it grows. Nothing is kept for a slow reader but the page it is being sent.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::Event;
use runtime::auth;
use runtime::problem::Problem;
use tokio::time::{Instant, sleep_until};

use crate::Service;
use crate::database::DatabaseFault;
use crate::error::Fault;
use crate::position::Position;
use crate::read::{Kind, Models, Query, Reach, Scope, Snapshot, identity_of_own, members};
use crate::resources::timeline::{self, Seen};
use crate::streams::Stream;

const MODELS: Models = &["tenant", "identity", "timeline"];
/// Events that are fetched at once: more than one commit has.
const PAGE: i64 = 500;
/// A silent stream says that often that it is there, and looks whether its reader still may.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What is folded of one of several who were merged waits for the others to come as far: to be looked for again this much later, then
/// twice as much, until `LOOK_AGAIN_MOST`.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
const LOOK_AGAIN_MOST: Duration = Duration::from_secs(1);
/// After a break a reader comes back this much later.
const RETRY: Duration = Duration::from_secs(1);

/// Where the timelines of many guests end.
pub(crate) const LIVES: Kind = Kind {
    models: MODELS,
    rows: concat!(
        "
-- lives()
SELECT own.guest_id, latest.position AS latest,
       ",
        identity_of_own!(),
        "
FROM unnest($2::text[]) AS own (guest_id)
CROSS JOIN LATERAL (
  SELECT position
  FROM read.timeline
  WHERE tenant = $1 AND guest_id = own.guest_id
  ORDER BY position DESC
  LIMIT 1
) AS latest
LIMIT 10000"
    ),
};

const TAIL: &str = concat!(
    "
-- live()
SELECT page.*
FROM ",
    members!(),
    "
CROSS JOIN LATERAL (
  SELECT event_id, event_type, occurred_at, recorded_at, position, event_index, summary::text AS summary
  FROM read.timeline
  WHERE tenant = $1
    AND guest_id = member.guest_id
    AND (position, event_index) > ($2, $3)
  ORDER BY position, event_index
  LIMIT $4
) AS page
ORDER BY position, event_index
LIMIT $4"
);

pub(super) struct Tail {
    service: Service,
    scope: Scope,
    credentials: HeaderMap,
    guest_id: String,
    /// The last event that is on its way or sent.
    seen: Seen,
    as_of: Position,
    /// Whose news may be the guest's.
    partitions: Vec<i16>,
    /// There is more, or will be in a moment, whatever the news.
    has_more: bool,
    ready: VecDeque<Event>,
    has_ended: bool,
    /// When to look again whether its reader still may read.
    check_at: Instant,
    _open: Stream,
}

/// What there is to send next.
enum Next {
    Events,
    Heartbeat,
    /// The process stops: the reader finds another one.
    End,
}

impl Tail {
    /// Begins after `from`, or with what happens after now.
    pub(super) async fn begin(
        service: Service,
        scope: Scope,
        guest_id: String,
        from: Option<Seen>,
        credentials: HeaderMap,
        open: Stream,
    ) -> Result<Self, Fault> {
        let seen = from.unwrap_or(timeline::NOTHING_SEEN);
        let (as_of, partitions, ready, has_ended) = (Position::default(), Vec::new(), VecDeque::new(), false);
        let mut tail = Self {
            service,
            scope,
            credentials,
            guest_id,
            seen,
            as_of,
            partitions,
            has_more: false,
            ready,
            has_ended,
            check_at: Instant::now() + HEARTBEAT,
            _open: open,
        };
        let shown = tail.look().await?;
        if tail.ready.is_empty() {
            tail.note(&shown)?;
        }
        if from.is_none() {
            tail.seen = Seen { position: tail.as_of.0, event_index: i16::MAX };
        }
        tail.ready.push_front(opening(from.unwrap_or(tail.seen), tail.as_of)?);
        tail.scope = tail.scope.of_any_age();
        Ok(tail)
    }

    pub(super) fn as_of(&self) -> Position {
        self.as_of
    }

    /// The next event, once there is one; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            match self.more().await {
                Ok(Next::Events) => {}
                Ok(Next::Heartbeat) => return Some(Event::default().comment("")),
                Ok(Next::End) => return None,
                Err(problem) => {
                    self.has_ended = true;
                    let document = String::from_utf8_lossy(&problem.to_json()).into_owned();
                    return Some(Event::default().event("problem").data(document));
                }
            }
        }
    }

    async fn more(&mut self) -> Result<Next, Problem> {
        let (news, stop) = (self.service.news.clone(), self.service.stop.clone());
        let (heartbeat, mut pause) = (Instant::now() + HEARTBEAT, LOOK_AGAIN);
        loop {
            if stop.is_cancelled() {
                return Ok(Next::End);
            }
            // However much happens to the guest, and however little.
            if Instant::now() >= self.check_at {
                self.service.gatekeeper.still_admits(&self.credentials, auth::Scope::InteractionRead).await?;
                self.check_at = Instant::now() + HEARTBEAT;
            }
            // Whatever is folded from here on is heard of, so that nothing comes unnoticed after the look.
            let folded = news.folded(&self.partitions);
            match self.look_if_there_is_more().await {
                // That the database is slow for a moment does not end the streams of everybody.
                Err(Fault::Database(DatabaseFault::Overloaded)) => self.has_more = true,
                looked => looked?,
            }
            if !self.ready.is_empty() {
                return Ok(Next::Events);
            }
            let again = if self.has_more { Instant::now() + pause } else { heartbeat };
            tokio::select! {
                () = folded, if !self.has_more => {}
                () = sleep_until(again.min(heartbeat)) => pause = LOOK_AGAIN_MOST.min(pause * 2),
                () = stop.cancelled() => return Ok(Next::End),
            }
            if Instant::now() >= heartbeat {
                return Ok(Next::Heartbeat);
            }
        }
    }

    async fn look_if_there_is_more(&mut self) -> Result<(), Fault> {
        let position = Position(self.seen.position);
        if self.has_more || self.service.reader.has_more(&self.scope.tenant, &self.guest_id, position).await? {
            self.look().await?;
        }
        Ok(())
    }

    /// Fetches what comes next, and says which guest it is shown of.
    async fn look(&mut self) -> Result<String, Fault> {
        let Seen { position, event_index } = self.seen;
        let query = Query::new(TAIL).with(self.scope.tenant.to_string());
        let query = query.with(position).with(event_index).with(PAGE);
        // Most looks at those who were merged show nothing.
        let reach = Reach::guest(MODELS, &timeline::ACT, &self.scope.tenant, &self.guest_id).unrecorded();
        let Snapshot { as_of, partitions, canonical_id, rows: [rows], .. } =
            self.service.reader.read(&self.scope, reach, [query]).await?;
        let shown = canonical_id.ok_or(Fault::GuestNotFound)?;
        (self.as_of, self.partitions) = (as_of, partitions);
        self.has_more = i64::try_from(rows.len()).is_ok_and(|rows| rows == PAGE);
        for row in &rows {
            let seen = timeline::place(row)?;
            if seen.position > as_of.0 {
                self.has_more = true;
                break;
            }
            let entry = timeline::entry(row)?;
            let event = Event::default().id(seen.to_event()).event(&entry.event_type).json_data(&entry);
            self.ready.push_back(event.map_err(Fault::Stream)?);
            self.seen = seen;
        }
        if !self.ready.is_empty() {
            self.note(&shown)?;
        }
        Ok(shown)
    }

    fn note(&self, shown: &str) -> Result<(), Fault> {
        self.service.reader.note(&self.scope, &timeline::ACT, shown)
    }
}

/// Says from where on the stream goes, so that a reader who loses it before the first event can come back all the same.
fn opening(from: Seen, as_of: Position) -> Result<Event, Fault> {
    let as_of = serde_json::json!({ "as_of": as_of.to_string() });
    let event = Event::default().id(from.to_event()).event("ready").retry(RETRY).json_data(as_of);
    event.map_err(Fault::Stream)
}
