//! Takes settled commands out of the stream: many at once where there are many.
//!
//! Each acknowledgement of a work queue is a write of its own that reaches the disk before the next one begins; a purge of all
//! that is older than a position is one write, however much that is.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, Message};
use proto::subject::INTAKE_STREAM;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// For others to be settled meanwhile.
const GATHER: Duration = Duration::from_millis(20);
/// From so many on a purge is cheaper than acknowledgements.
const PURGE_FROM: usize = 16;
/// How long what is settled waits for an older command that is not, before it is acknowledged by itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// What happens to the command at a position.
pub(super) enum Note {
    Delivered(u64),
    Settled(u64, Box<Message>),
}

/// Bounded by the commands that are under way.
pub(super) type Notes = mpsc::UnboundedSender<Note>;

/// The handle, and the work that must run for it: it ends when the last handle is dropped and all that is settled is told.
pub(super) fn new(client: Client) -> (Notes, impl Future<Output = ()> + Send + 'static) {
    let (notes, heard) = mpsc::unbounded_channel();
    (notes, run(client, heard))
}

async fn run(client: Client, mut heard: mpsc::UnboundedReceiver<Note>) {
    let mut ledger = Ledger::default();
    loop {
        match tokio::time::timeout(PATIENCE, heard.recv()).await {
            Ok(Some(note)) => ledger.note(note),
            Ok(None) => break,
            Err(_) => {}
        }
        tokio::time::sleep(GATHER).await;
        while let Ok(note) = heard.try_recv() {
            ledger.note(note);
        }
        ledger.clear(&client, PATIENCE).await;
    }
    ledger.clear(&client, Duration::ZERO).await;
}

/// What was delivered and is still in the stream, by position; since when it is settled.
#[derive(Default)]
struct Ledger(BTreeMap<u64, Option<Settled>>);

struct Settled {
    since: Instant,
    message: Box<Message>,
}

impl Ledger {
    fn note(&mut self, note: Note) {
        match note {
            Note::Delivered(position) => drop(self.0.insert(position, None)),
            Note::Settled(position, message) => {
                let settled = Settled { since: Instant::now(), message };
                self.0.insert(position, Some(settled));
            }
        }
    }

    async fn clear(&mut self, client: &Client, patience: Duration) {
        let (last, mut settled) = self.take_oldest();
        if settled.len() >= PURGE_FROM && purge(client, last).await {
            settled.clear();
        }
        settled.extend(self.take_late(patience));
        for message in settled {
            if let Err(error) = message.ack().await {
                // It comes again, and is found carried out.
                tracing::warn!("a command of the intake was not acknowledged: {error}");
            }
        }
    }

    /// All that is settled and has nothing unsettled before it, and its last position.
    fn take_oldest(&mut self) -> (u64, Vec<Message>) {
        let (mut last, mut oldest) = (0, Vec::new());
        while let Some(entry) = self.0.first_entry().filter(|entry| entry.get().is_some()) {
            let (position, settled) = entry.remove_entry();
            last = position;
            oldest.extend(settled.map(|settled| *settled.message));
        }
        (last, oldest)
    }

    /// What has waited long enough for what is before it.
    fn take_late(&mut self, patience: Duration) -> Vec<Message> {
        let late = |_: &u64, entry: &mut Option<Settled>| {
            entry.as_ref().is_some_and(|settled| settled.since.elapsed() >= patience)
        };
        self.0.extract_if(.., late).filter_map(|(_, settled)| Some(*settled?.message)).collect()
    }
}

/// Removes everything up to this position, all of which is settled; whether that was done.
async fn purge(client: &Client, last: u64) -> bool {
    let context = jetstream::new(client.clone());
    let Ok(stream) = context.get_stream_no_info(INTAKE_STREAM).await else { return false };
    // The first one to stay. It is never 0, which would mean all.
    match stream.purge().sequence(last + 1).await {
        Ok(purged) => purged.success,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "settled commands were not purged");
            false
        }
    }
}
