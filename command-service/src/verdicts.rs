//! How commands ended that nobody waited for: kept for a week under the command's id, and told to whoever listens.

mod verdict;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::{Client, HeaderMap};
use event_log::LogError;
use proto::header;
use proto::subject::{Tenant, VERDICT_STREAM, VerdictSubject};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

pub(crate) use self::verdict::{Status, StoredVerdict, Verdict};
use self::writer::Waiting;
use crate::appender::AppendFault;
use crate::error::Fault;
use crate::outgoing::Outgoing;

/// Verdicts that wait to be stored; beyond them whoever has one waits.
const QUEUED: usize = 4_096;
/// Before a verdict is stored again that the stream did not take.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// While a caller waits for a verdict.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const ASKED: &str = "for a verdict";
const STORED: &str = "a verdict";

/// Cheap to clone. The last one dropped ends the task it came with.
#[derive(Clone)]
pub(crate) struct Verdicts {
    client: Client,
    queue: mpsc::Sender<Waiting>,
    allowance: Arc<Semaphore>,
}

impl Verdicts {
    /// The handle, and the work that must run for it: it ends when the last handle is dropped and all is stored.
    pub(crate) fn new(client: Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUED);
        let allowance = Arc::new(Semaphore::new(QUEUED));
        (Self { client: client.clone(), queue, allowance }, writer::run(client, waiting))
    }

    /// The right to have one more verdict wait that nobody waits for; `None` when too many do.
    pub(crate) fn allowance(&self) -> Option<OwnedSemaphorePermit> {
        let allowed = Arc::clone(&self.allowance).try_acquire_owned().ok();
        if allowed.is_none() {
            tracing::warn!("a verdict is not stored: too many wait");
        }
        allowed
    }

    /// Returns once the verdict is stored, however long that takes. One that was accepted stays as it is, whatever else is sent
    /// under its id.
    pub(crate) async fn store(&self, tenant: &Tenant, verdict: &Verdict) -> Result<(), Fault> {
        if !verdict.is_new() {
            self.store_beside(tenant, verdict).await;
            return Ok(());
        }
        let (stored, done) = oneshot::channel();
        let message = message(tenant, verdict);
        let stopped = || Fault::Append(AppendFault::Stopped);
        self.queue.send(Waiting { message, stored }).await.map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())
    }

    async fn store_beside(&self, tenant: &Tenant, verdict: &Verdict) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.replace(tenant, verdict, &[Status::Accepted]).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a verdict cannot be stored");
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Says that a command is taken, unless it was before, or has been carried out.
    pub(crate) async fn announce(&self, tenant: &Tenant, id: &str) -> Result<(), Fault> {
        let pending = Verdict::pending(id);
        self.replace(tenant, &pending, &[Status::Pending, Status::Accepted]).await.map_err(Fault::Intake)
    }

    /// Stores the verdict, unless the one there is has one of these.
    async fn replace(&self, tenant: &Tenant, verdict: &Verdict, stay: &[Status]) -> Result<(), LogError> {
        loop {
            let (last, known) = self.look_up(tenant, verdict.id()).await?.unzip();
            if known.is_some_and(|known| stay.contains(&known.status())) {
                return Ok(());
            }
            let mut message = message(tenant, verdict);
            message.headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, last.unwrap_or(0).to_string());
            match message.store(&self.client).await {
                // Another verdict on the same command came in between.
                Err(fault) if fault.is_outrun() => {}
                stored => return stored.map_err(|fault| fault.of(STORED)),
            }
        }
    }

    /// What is known of a command, after waiting for its end up to `wait`.
    pub(crate) async fn await_verdict(
        &self,
        tenant: &Tenant,
        id: &str,
        wait: Duration,
    ) -> Result<Option<StoredVerdict>, Fault> {
        // Looked up again and again: what is told on the subject anybody could have told.
        let (deadline, mut pause) = (Instant::now() + wait, FIRST_LOOK);
        loop {
            let known = self.find(tenant, id).await?;
            let ended = known.as_ref().is_some_and(|verdict| verdict.status() != Status::Pending);
            if ended || Instant::now() >= deadline {
                return Ok(known);
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
            pause = LONGEST_BETWEEN_LOOKS.min(pause * 2);
        }
    }

    async fn find(&self, tenant: &Tenant, id: &str) -> Result<Option<StoredVerdict>, Fault> {
        let found = self.look_up(tenant, id).await.map_err(Fault::Intake)?;
        Ok(found.map(|(_, verdict)| verdict))
    }

    /// What is known of a command, and where it is kept; by the leader's word, so that nothing that was told is missing.
    async fn look_up(&self, tenant: &Tenant, id: &str) -> Result<Option<(u64, StoredVerdict)>, LogError> {
        let no_answer = |error: Box<dyn std::error::Error + Send + Sync>| LogError::NoAnswer(ASKED, error);
        let context = jetstream::new(self.client.clone());
        let stream = context.get_stream_no_info(VERDICT_STREAM).await.map_err(|error| no_answer(error.into()))?;
        match stream.get_last_raw_message_by_subject(&VerdictSubject::new(tenant, id).stored()).await {
            Ok(message) => Ok(Some((message.sequence, StoredVerdict::new(message.payload)))),
            Err(error) if error.kind() == jetstream::stream::LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(no_answer(error.into())),
        }
    }
}

fn message(tenant: &Tenant, verdict: &Verdict) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/json");
    headers.insert(header::EXPECTED_STREAM, VERDICT_STREAM);
    let subject = VerdictSubject::new(tenant, verdict.id()).stored().into();
    Outgoing { subject, headers, payload: verdict.to_json() }
}
