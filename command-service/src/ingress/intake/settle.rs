//! One command of the intake, from its turn to its acknowledgement.

use std::time::Duration;

use async_nats::Client;
use event_log::LogError;
use proto::Reply;
use runtime::problem::Problem;
use tokio_util::sync::CancellationToken;
use vault::VaultError;

use super::Intake;
use super::dead_letter::DeadLetter;
use super::deliveries::Delivered;
use crate::commit::Request;
use crate::error::Fault;
use crate::ingress::decode::Encoding;
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

/// What a fault is to be blamed on.
enum Cause {
    /// They say no, and that is an answer.
    Rules,
    /// It, or the one guest it is about: no retry helps, and all others go on.
    Command,
    /// Whatever is away, or set up wrongly, comes right some time.
    Surroundings,
}

impl Cause {
    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Rejected(_) | Fault::Outdated => Self::Rules,
            Fault::Refused(_)
            | Fault::NotOwn
            | Fault::TenantUnknown
            | Fault::IdReused
            | Fault::KeyMissing { .. }
            | Fault::Unreadable(_)
            | Fault::Unencodable
            | Fault::Seal(_)
            | Fault::Corrupt(_)
            | Fault::Vault(VaultError::TenantUnknown) => Self::Command,
            Fault::VersionConflict
            | Fault::Overloaded
            | Fault::DeadlineExceeded
            | Fault::Intake(_)
            | Fault::Log(_)
            | Fault::NotDurable(_)
            | Fault::Append(_)
            | Fault::OutcomeUnknown
            | Fault::CommandLog(_)
            | Fault::Vault(_)
            | Fault::VaultIncomplete => Self::Surroundings,
        }
    }
}

impl Intake {
    /// Carries the command out and stores its verdict; false when it is for the next holder to do that.
    pub(super) async fn settle(
        &self,
        client: &Client,
        delivered: &Delivered,
        request: Result<Box<Request>, Problem>,
        place: Option<Place<Address>>,
        giving_up: &CancellationToken,
    ) -> bool {
        let message = &delivered.message.message;
        let addressee = request::addressee(message, request.as_deref());
        let ended = match &request {
            Ok(request) => self.carry_out(request, place, giving_up).await,
            Err(problem) => Some(Ended::Poison(problem.clone())),
        };
        let outcome = match ended {
            None => return false,
            Some(Ended::Judged(outcome)) => outcome,
            Some(Ended::Poison(problem)) => {
                let unnamed = self.unnamed(delivered.position);
                let letter = DeadLetter {
                    subject: &message.subject,
                    position: delivered.position,
                    id: addressee.as_ref().map_or(&unnamed, |(_, id)| id),
                    is_protobuf: request::encoding(message) == Encoding::Protobuf,
                    payload: message.payload.clone(),
                };
                if !insist("a dead letter cannot be kept", || letter.keep(client, &problem), giving_up).await {
                    return false;
                }
                Err(problem)
            }
        };
        let Some((tenant, id)) = addressee else { return true };
        let stored = self.verdicts.store(&tenant, &Verdict::new(&id, outcome)).await;
        if let Err(fault) = &stored {
            tracing::warn!(error = fault as &dyn std::error::Error, "a verdict was not stored");
        }
        stored.is_ok()
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
            let problem = match Cause::of(&fault) {
                Cause::Rules => return Some(Ended::Judged(Err(fault.into()))),
                Cause::Command => return Some(Ended::Poison(fault.into())),
                Cause::Surroundings => Problem::from(fault),
            };
            tracing::warn!(problem.code = problem.code(), "a command of the intake waits");
            giving_up.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
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
