//! The register of identifiers beside the log: what a command links is claimed before its commit, and given back after the commit
//! that unlinks it. A claim without a commit behind it is dead after a minute, and whoever wants the identifier takes it.

use domain::guest::Rejection;
use proto::guest::command::Kind as GuestCommand;
use proto::guest::event::Kind as GuestEvent;
use proto::guest::{self, UnlinkIdentifier};
use proto::identifier::Identifier;
use proto::subject::{LogSubject, Owner};
use proto::{Command, Event};
use vault::{Claim, Linked};

use super::Executor;
use super::settle::Progress;
use crate::commit::Resolved;
use crate::error::Fault;
use crate::event_store::{Loaded, Reach};
use crate::target::Finder;

/// Who has an identifier that a command would link.
pub(super) struct Elsewhere(Owner);

/// An identifier that a command takes from a guest, as the register had it before the command was decided.
pub(super) struct GivenBack {
    identifier: Identifier,
    claim: Option<Claim>,
}

impl Executor {
    /// Claims what these events link. `Some` when one of the identifiers is another guest's.
    pub(super) async fn claim(&self, resolved: &Resolved<'_>, events: &[Event]) -> Result<Option<Elsewhere>, Fault> {
        let LogSubject { tenant, owner } = &resolved.subject;
        for identifier in events.iter().filter_map(linked) {
            let identifier =
                Identifier::parse(&identifier.namespace, &identifier.value).map_err(|_| Fault::Unencodable)?;
            match self.vault.link(tenant, &identifier, owner).await? {
                Linked::Own => {}
                Linked::Taken(other) if self.take_back_dead(&other, &resolved.subject, &identifier).await? => {
                    if let Linked::Taken(other) = self.vault.link(tenant, &identifier, owner).await? {
                        return Ok(Some(Elsewhere(other)));
                    }
                }
                Linked::Taken(other) => return Ok(Some(Elsewhere(other))),
            }
        }
        Ok(None)
    }

    /// Takes a claim away from a guest who has never got the identifier, or has it no more.
    async fn take_back_dead(&self, guest: &Owner, of: &LogSubject, identifier: &Identifier) -> Result<bool, Fault> {
        let subject = LogSubject::new(of.tenant.clone(), guest.clone());
        let Some(claim) = self.vault.claim_of(&subject.tenant, identifier, guest).await?.filter(|claim| claim.is_old)
        else {
            return Ok(false);
        };
        let loaded = self.store.load(&subject).await?;
        let state = &self.store.catch_up(&subject, &loaded, Reach::Leader).await?.state.guest;
        // Who is not registered yet is being registered just now, for all we know.
        let is_dead = state.is_registered() && !state.is_known_as(identifier);
        if is_dead {
            self.vault.release(&subject.tenant, identifier, guest, claim).await?;
        }
        Ok(is_dead)
    }

    /// An identifier that a command would link is another guest's: of one that is read as the same, nothing has to change.
    pub(super) async fn identifier_elsewhere(
        &self,
        resolved: &Resolved<'_>,
        loaded: &Loaded,
        Elsewhere(owner): Elsewhere,
    ) -> Result<Progress, Fault> {
        let request = resolved.request;
        let taken = domain::Rejection::Guest(Rejection::IdentifierTaken).into();
        if !matches!(request.command, Command::Guest(GuestCommand::Link(_))) {
            return Ok(Progress::elsewhere(taken));
        }
        let finder = Finder { vault: &self.vault, store: &self.store, request, anew: true };
        if finder.read_as(owner).await? == resolved.subject.owner {
            return self.answer_without_append(resolved, loaded, Ok(())).await;
        }
        Err(taken)
    }

    /// The claim that a command will give back, looked at before it is decided: one that is made later is not taken away.
    pub(super) async fn to_give_back(&self, resolved: &Resolved<'_>) -> Result<Option<GivenBack>, Fault> {
        let Command::Guest(GuestCommand::Unlink(UnlinkIdentifier { identifier, identifier_namespace, .. })) =
            &resolved.request.command
        else {
            return Ok(None);
        };
        // What is no identifier is refused by the rules.
        let Ok(identifier) = Identifier::parse(identifier_namespace, identifier) else { return Ok(None) };
        let LogSubject { tenant, owner } = &resolved.subject;
        let claim = self.vault.claim_of(tenant, &identifier, owner).await?;
        Ok(Some(GivenBack { identifier, claim }))
    }

    /// Gives back what the guest does not have any more. `appended` when the command has just taken it.
    pub(super) async fn give_back(
        &self,
        resolved: &Resolved<'_>,
        given: GivenBack,
        appended: bool,
    ) -> Result<(), Fault> {
        let LogSubject { tenant, owner } = &resolved.subject;
        let GivenBack { identifier, claim } = given;
        match claim {
            Some(claim) if appended => Ok(self.vault.release(tenant, &identifier, owner, claim).await?),
            // Taken before, and perhaps not given back; or linked again since.
            Some(_) => self.take_back_dead(owner, &resolved.subject, &identifier).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Whether a command makes guests known by identifiers that it does not have from the register itself.
pub(super) fn links(command: &Command) -> bool {
    matches!(command, Command::Guest(GuestCommand::Link(_) | GuestCommand::Identify(_)))
}

fn linked(event: &Event) -> Option<&guest::Identifier> {
    match event {
        Event::Guest(GuestEvent::IdentifierLinked(linked)) => linked.identifier.as_ref(),
        Event::Guest(_) | Event::Tenant(_) | Event::Interactions(_) => None,
    }
}
