//! One command of the intake, from its turn to its acknowledgement.

use std::time::Duration;

use async_nats::jetstream::Message;
use event_log::LogError;
use proto::Reply;
use runtime::problem::Problem;
use tokio_util::sync::CancellationToken;

use super::{Intake, dead_letter};
use crate::commit::Request;
use crate::error::Fault;
use crate::ingress::nats::request;
use crate::target::Address;
use crate::turn_queue::Place;
use crate::verdicts::Verdict;

/// Before a command is tried again whose dependencies were away.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a command ended, as far as the intake must tell it apart.
enum Ended {
    /// Carried out, or refused by the rules: the verdict says all.
    Judged(Result<Reply, Problem>),
    /// No retry makes a command of it.
    Poison(Problem),
}

impl Intake {
    pub(super) async fn settle(
        &self,
        message: &Message,
        position: u64,
        request: Result<Box<Request>, Problem>,
        place: Option<Place<Address>>,
        giving_up: &CancellationToken,
    ) {
        let addressee = request::addressee(&message.message, request.as_deref());
        let ended = match &request {
            Ok(request) => self.carry_out(request, place, giving_up).await,
            Err(problem) => Some(Ended::Poison(problem.clone())),
        };
        // Not acknowledged: it comes again, to whoever holds the intake then.
        let Some(ended) = ended else { return };
        if let Ended::Poison(problem) = &ended {
            let id = request.as_ref().ok().map(|request| request.id.as_str());
            let keep = || dead_letter::keep(&self.client, message, position, id, problem);
            if !insist("a dead letter cannot be kept", keep, giving_up).await {
                return;
            }
        }
        let outcome = match ended {
            Ended::Judged(outcome) => outcome,
            Ended::Poison(problem) => Err(problem),
        };
        if let Some((tenant, id)) = addressee
            && let Err(fault) = self.verdicts.store(&tenant, &Verdict::new(&id, outcome)).await
        {
            // Not acknowledged: it comes again.
            tracing::warn!(error = &fault as &dyn std::error::Error, "a verdict was not stored");
            return;
        }
        if let Err(error) = message.ack().await {
            tracing::warn!("a command of the intake was not acknowledged: {error}");
        }
    }

    /// Tries until there is an end to it: whatever is away comes back. `None` when it gave up before.
    async fn carry_out(
        &self,
        request: &Request,
        place: Option<Place<Address>>,
        giving_up: &CancellationToken,
    ) -> Option<Ended> {
        let mut place = place;
        if let Some(place) = &mut place {
            place.turn().await;
        }
        let mut pause = FIRST_PAUSE;
        while !giving_up.is_cancelled() {
            let fault = match self.executor.execute(request).await {
                Ok(reply) => return Some(Ended::Judged(Ok(reply))),
                Err(fault) => fault,
            };
            match fault {
                Fault::Rejected(_) | Fault::Outdated => return Some(Ended::Judged(Err(fault.into()))),
                // A lost key is one guest's: the others go on.
                Fault::IdReused | Fault::KeyMissing { .. } => return Some(Ended::Poison(fault.into())),
                Fault::Refused(_)
                | Fault::TenantUnknown
                | Fault::VersionConflict
                | Fault::Overloaded
                | Fault::DeadlineExceeded
                | Fault::Intake(_)
                | Fault::Log(_)
                | Fault::NotDurable(_)
                | Fault::Append(_)
                | Fault::OutcomeUnknown
                | Fault::CommandLog(_)
                | Fault::Vault(_)
                | Fault::VaultIncomplete
                | Fault::Unreadable(_)
                | Fault::Unencodable
                | Fault::Seal(_)
                | Fault::Corrupt(_) => {
                    let problem = Problem::from(fault);
                    if !problem.is_retryable() {
                        return Some(Ended::Poison(problem));
                    }
                    giving_up.run_until_cancelled(tokio::time::sleep(pause)).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
        None
    }
}

/// Does it until it is done; false when it gave up before.
async fn insist<F>(what: &str, mut act: impl FnMut() -> F, giving_up: &CancellationToken) -> bool
where
    F: Future<Output = Result<(), LogError>>,
{
    let mut pause = FIRST_PAUSE;
    while let Err(error) = act().await {
        tracing::error!(alarm = "intake", error = &error as &dyn std::error::Error, "{what}");
        if giving_up.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return false;
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    true
}
