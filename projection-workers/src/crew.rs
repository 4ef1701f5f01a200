//! A crew: lanes of one track that share a reader. The log is read once and unfiltered, and every message goes to its own lane.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::Client;
use deadpool_postgres::Pool;
use event_log::read::{LogMessage, Reader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vault::Vault;

use crate::announce::Announcer;
use crate::backlog::Portion;
use crate::care::Care;
use crate::checkpoint;
use crate::error::Fault;
use crate::lane::Lane;
use crate::lane_worker::{Ended, LaneWorker};
use crate::metrics::Metrics;
use crate::pace::Paces;
use crate::status::Status;
use crate::write::Writer;

/// What a lane may have waiting, in KiB; beyond that the reader waits for it.
const ROOM_KIB: u32 = 8 * 1024;

/// What every lane needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) nats: Client,
    pub(crate) vault: Vault,
    pub(crate) pool: Pool,
    pub(crate) status: Arc<Status>,
    pub(crate) metrics: Metrics,
    pub(crate) paces: Paces,
    pub(crate) announcer: Announcer,
    /// False only where the price of the proof is measured.
    pub(crate) proves: bool,
}

/// A lane to be folded, how, and until when.
pub(crate) struct Assignment {
    pub(crate) lane: Lane,
    pub(crate) care: Care,
    pub(crate) stop: CancellationToken,
}

/// What a crew has to tell.
pub(crate) enum Told {
    /// A lane is no longer folded.
    Ended(Lane, Ended),
    /// The log could not be read; these lanes end.
    Unread(Vec<Lane>, Fault),
}

/// Where the reader leaves what it has for a lane.
struct Outlet {
    lane: Lane,
    /// It has everything up to here: the reader begins where the lane furthest behind is.
    start: i64,
    portions: mpsc::UnboundedSender<Portion>,
    room: Arc<Semaphore>,
}

/// Folds these lanes of one track until each has ended. `caught_up` says whether everything there was has been read.
pub(crate) async fn run(
    site: Site,
    assignments: Vec<Assignment>,
    told: mpsc::UnboundedSender<Told>,
    caught_up: Arc<AtomicBool>,
) {
    let (mut lanes, mut outlets, mut starts, mut most) = (JoinSet::new(), Vec::new(), Vec::new(), 1);
    for Assignment { lane, care, stop } in assignments {
        let told = told.clone();
        match Writer::start(&site, lane).await {
            Ok(writer) => {
                let start = writer.checkpoints.position;
                most = writer.pace.most();
                starts.push((lane, start, writer.checkpoints.furthest()));
                let (portions, received) = mpsc::unbounded_channel();
                outlets.push(Outlet { lane, start, portions, room: Arc::new(Semaphore::new(ROOM_KIB as usize)) });
                let worker = LaneWorker::new(site.clone(), writer, received, care);
                lanes.spawn(async move { told.send(Told::Ended(lane, worker.run(stop).await)) });
            }
            Err(fault) => {
                let _nobody_waits = told.send(Told::Ended(lane, Ended { fault: Some(fault), care, got_on: false }));
            }
        }
    }
    let reading = async {
        let reader = begin(&site, &starts, &caught_up).await?;
        read(reader, most, outlets, &caught_up).await
    };
    tokio::select! {
        () = all_ended(&mut lanes) => {}
        Err(fault) = reading => {
            let _nobody_waits = told.send(Told::Unread(starts.iter().map(|(lane, ..)| *lane).collect(), fault));
        }
    }
    // Without the reader's outlets every lane ends when it has folded what it was given.
    all_ended(&mut lanes).await;
}

/// A panic is the crew's own.
async fn all_ended<T: 'static>(lanes: &mut JoinSet<T>) {
    while let Some(ended) = lanes.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A reader behind what all of these lanes have, of the log they were folded from.
async fn begin(site: &Site, starts: &[(Lane, i64, i64)], caught_up: &AtomicBool) -> Result<Reader, Fault> {
    let log = event_log::stream::info(&site.nats).await?;
    let furthest = starts.iter().map(|(_, _, furthest)| *furthest).max().unwrap_or_default();
    let connection = site.pool.get().await?;
    checkpoint::adopt_log(&connection, &log).await?;
    checkpoint::check_log(&connection, &log, furthest).await?;
    for (lane, position, _) in starts {
        if position.cast_unsigned() >= log.last_position {
            site.status.folding(*lane);
        }
    }
    let after = starts.iter().map(|(_, position, _)| *position).min().unwrap_or_default();
    caught_up.store(after.cast_unsigned() >= log.last_position, Ordering::Relaxed);
    Ok(Reader::start(&site.nats, after.cast_unsigned()).await?)
}

async fn read(mut reader: Reader, most: usize, outlets: Vec<Outlet>, caught_up: &AtomicBool) -> Result<(), Fault> {
    loop {
        let messages = reader.next_batch(most).await?;
        let Some(last) = messages.last() else { continue };
        caught_up.store(last.pending == 0, Ordering::Relaxed);
        let position = last.position.cast_signed();
        let mut portions: Vec<Vec<LogMessage>> = outlets.iter().map(|_| Vec::new()).collect();
        for message in messages.into_iter().filter(|message| !message.is_system()) {
            let pp = i16::from(message.subject.partition());
            let takes = |outlet: &Outlet| {
                outlet.lane.partitions().contains(&pp) && message.position.cast_signed() > outlet.start
            };
            if let Some(index) = outlets.iter().position(takes) {
                portions[index].push(message);
            }
        }
        for (outlet, messages) in outlets.iter().zip(portions).filter(|(outlet, _)| position > outlet.start) {
            outlet.give(messages, position).await;
        }
    }
}

impl Outlet {
    async fn give(&self, messages: Vec<LogMessage>, position: i64) {
        let kib = messages.iter().map(|message| 1 + message.payload.len() / 1024).sum::<usize>();
        let kib = u32::try_from(kib).unwrap_or(ROOM_KIB).min(ROOM_KIB);
        // A lane that has ended takes nothing and must not be waited for.
        tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(kib) => {
                let _lane_ended = self.portions.send(Portion { messages, position, room: room.ok() });
            }
            () = self.portions.closed() => {}
        }
    }
}
