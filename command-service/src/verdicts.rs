//! How commands ended that nobody waited for: kept for a week under the command's id, and told to whoever listens.

mod verdict;
mod writer;

use std::time::Duration;

use async_nats::jetstream;
use async_nats::{Client, HeaderMap};
use event_log::LogError;
use futures_util::StreamExt as _;
use proto::header;
use proto::subject::{Tenant, VERDICT_STREAM, VerdictSubject};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub(crate) use self::verdict::{StoredVerdict, Verdict};
use self::writer::Waiting;
use crate::appender::AppendFault;
use crate::error::Fault;
use crate::outgoing::Outgoing;

/// Verdicts that wait to be stored; beyond them whoever has one waits.
const QUEUED: usize = 4_096;
/// Before a verdict is stored again that the stream did not take.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const ASKED: &str = "for a verdict";
const STORED: &str = "a verdict";

/// Cheap to clone. The last one dropped ends the task it came with.
#[derive(Clone)]
pub(crate) struct Verdicts {
    client: Client,
    queue: mpsc::Sender<Waiting>,
}

impl Verdicts {
    /// The handle, and the work that must run for it: it ends when the last handle is dropped and all is stored.
    pub(crate) fn new(client: Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUED);
        (Self { client: client.clone(), queue }, writer::run(client, waiting))
    }

    /// Returns once the verdict is stored, however long that takes. One that was accepted stays so, whatever else is sent under
    /// its id.
    pub(crate) async fn store(&self, tenant: &Tenant, verdict: &Verdict) -> Result<(), Fault> {
        if verdict.is_refused() {
            self.store_refusal(tenant, verdict).await;
            return Ok(());
        }
        let (stored, done) = oneshot::channel();
        let message = message(tenant, verdict);
        let stopped = || Fault::Append(AppendFault::Stopped);
        self.queue.send(Waiting { message, stored }).await.map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())
    }

    async fn store_refusal(&self, tenant: &Tenant, verdict: &Verdict) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.try_store_refusal(tenant, verdict).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a verdict cannot be stored");
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn try_store_refusal(&self, tenant: &Tenant, verdict: &Verdict) -> Result<(), LogError> {
        loop {
            let (last, known) = self.look_up(tenant, verdict.id()).await?.unzip();
            if known.is_some_and(|known| known.is("accepted")) {
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

    /// Stores the verdict some time, if there is room for it in the queue.
    pub(crate) fn offer(&self, tenant: &Tenant, verdict: &Verdict) {
        let (stored, _nobody_waits) = oneshot::channel();
        if self.queue.try_send(Waiting { message: message(tenant, verdict), stored }).is_err() {
            tracing::warn!("a verdict was not stored: too many wait");
        }
    }

    /// Says that a command is taken, unless something is known of it already.
    pub(crate) async fn announce(&self, tenant: &Tenant, id: &str) -> Result<(), Fault> {
        let mut message = message(tenant, &Verdict::pending(id));
        message.headers.insert(header::EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        match message.store(&self.client).await {
            Err(fault) if !fault.is_outrun() => Err(Fault::Intake(fault.of(STORED))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What is known of a command, after waiting for its end up to `wait`.
    pub(crate) async fn await_verdict(
        &self,
        tenant: &Tenant,
        id: &str,
        wait: Duration,
    ) -> Result<Option<StoredVerdict>, Fault> {
        let deadline = Instant::now() + wait;
        let told = self.client.subscribe(VerdictSubject::new(tenant, id).told()).await;
        let mut told = told.map_err(|error| Fault::Intake(LogError::NoAnswer(ASKED, error.into())))?;
        let known = self.find(tenant, id).await?;
        if wait.is_zero() || known.as_ref().is_some_and(|verdict| !verdict.is_pending()) {
            return Ok(known);
        }
        let ended = tokio::time::timeout_at(deadline, async {
            while let Some(message) = told.next().await {
                let verdict = StoredVerdict(message.payload);
                if !verdict.is_pending() {
                    return Some(verdict);
                }
            }
            None
        });
        Ok(ended.await.ok().flatten().or(known))
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
            Ok(message) => Ok(Some((message.sequence, StoredVerdict(message.payload)))),
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
