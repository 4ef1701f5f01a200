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
use crate::event_store::Loaded;
use crate::target::{Finder, Party};

/// Who has an identifier that a command would link.
pub(super) struct Holder {
    owner: Owner,
    identifier: Identifier,
}

/// An identifier that a command takes from a guest, as the register had it before the command was decided.
pub(super) struct GivenBack {
    identifier: Identifier,
    claim: Option<Claim>,
}

impl Executor {
    fn finder<'a>(&'a self, resolved: &'a Resolved<'_>) -> Finder<'a> {
        Finder { vault: &self.vault, store: &self.store, request: resolved.request, anew: true }
    }

    /// Claims what these events link. `Some` when one of the identifiers is another guest's.
    pub(super) async fn claim(&self, resolved: &Resolved<'_>, events: &[Event]) -> Result<Option<Holder>, Fault> {
        let LogSubject { tenant, owner } = &resolved.subject;
        for identifier in events.iter().filter_map(linked) {
            let identifier =
                Identifier::parse(&identifier.namespace, &identifier.value).map_err(|_| Fault::Unencodable)?;
            let mut linked = self.vault.link(tenant, &identifier, owner).await?;
            if let Linked::Taken(other) = &linked
                && self.finder(resolved).take_back_dead(other, &identifier).await?
            {
                linked = self.vault.link(tenant, &identifier, owner).await?;
            }
            if let Linked::Taken(owner) = linked {
                return Ok(Some(Holder { owner, identifier }));
            }
        }
        Ok(None)
    }

    /// An identifier that a command would link is another guest's: of one that is read as the same, nothing has to change.
    pub(super) async fn held_by(
        &self,
        resolved: &Resolved<'_>,
        loaded: &Loaded,
        Holder { owner, identifier }: Holder,
    ) -> Result<Progress, Fault> {
        let taken = domain::Rejection::Guest(Rejection::IdentifierTaken).into();
        if !matches!(resolved.request.command, Command::Guest(GuestCommand::Link(_))) {
            return Ok(Progress::elsewhere(taken));
        }
        let finder = self.finder(resolved);
        let has_it = finder.owner_of(&identifier).await? == Some(owner.clone());
        if has_it && finder.read_as(Party::of(owner)).await?.owner == resolved.subject.owner {
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
            Some(_) => self.finder(resolved).take_back_dead(owner, &identifier).await.map(drop),
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
