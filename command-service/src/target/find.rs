//! From names to owners: the register says whose an identifier is, and the log who a guest is read as.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::guest::{MOST_MEMBERS, Rejection};
use domain::{Context, State};
use proto::guest::RegisterGuest;
use proto::identifier::{GuestRef, Identifier};
use proto::subject::{LogSubject, Owner};
use vault::Vault;

use super::{About, Name, Party, Target, is_about_the_whole, parse};
use crate::commit::{self, Request};
use crate::error::Fault;
use crate::event_store::{EventStore, Loaded, Reach};

/// Finds whom one request is about.
pub(crate) struct Finder<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) store: &'a EventStore,
    pub(crate) request: &'a Request,
    /// What is remembered has proved wrong, or is not to be believed: the register and the log's leader are asked.
    pub(crate) anew: bool,
}

impl Finder<'_> {
    pub(crate) async fn find(&self) -> Result<Target, Fault> {
        match About::of(&self.request.command) {
            About::Tenant => Ok(Target::of(Party::of(Owner::tenant()))),
            About::New(register) => self.new_guest(register).await,
            About::Identified(identify) => Box::pin(self.identified(identify)).await,
            // Seldom enough for the leader to be asked each time.
            About::Merged(merge) => Box::pin(self.anew().merged(merge)).await,
            About::Unmerged(unmerge) => Box::pin(self.anew().unmerged(unmerge)).await,
            About::Known(name) => {
                let named = self.named(name).await?;
                // The first time the owner's own state tells whether it is part of another: nearly none is.
                if self.anew && is_about_the_whole(&self.request.command) {
                    return Box::pin(self.whole(named)).await;
                }
                Ok(Target { is_final: self.anew, ..Target::of(named) })
            }
        }
    }

    pub(super) fn anew(&self) -> Finder<'_> {
        Finder { vault: self.vault, store: self.store, request: self.request, anew: true }
    }

    /// Makes the owner known to the vault first, so that a retry finds the same one.
    async fn new_guest(&self, register: &RegisterGuest) -> Result<Target, Fault> {
        // What no state would accept must not reach the register.
        State::default().decide(&self.request.command, &self.context())?;
        if register.identifier.is_empty() {
            return Box::pin(self.anonymous()).await;
        }
        let known_as = parse("identifier", &register.namespace, &register.identifier)?;
        if self.anew {
            Box::pin(self.owner_of(&known_as)).await?;
        }
        let owner = Box::pin(self.register(&known_as)).await?;
        Ok(Target::of(Party { addressed_as: Some(known_as), ..Party::of(owner) }))
    }

    async fn anonymous(&self) -> Result<Target, Fault> {
        let Request { tenant, id, .. } = self.request;
        let owner = self.vault.tenant_secret(tenant).await?.guest_of_command(id);
        self.vault.add_guest(tenant, &owner).await?;
        Ok(Target::of(Party::of(owner)))
    }

    /// The guest of an identifier, who is made known to the register with it when nobody has it.
    pub(super) async fn register(&self, known_as: &Identifier) -> Result<Owner, Fault> {
        let tenant = &self.request.tenant;
        let proposed = Owner::guest(runtime::clock::random_id().as_u128());
        let owner = self.vault.register(tenant, known_as, proposed.clone()).await?;
        if owner != proposed && !self.load(&owner).await?.state.guest.is_registered() {
            // Begun before and not finished: nobody is to take the claim for a dead one while this goes on.
            self.vault.link(tenant, known_as, &owner).await?;
        }
        Ok(owner)
    }

    pub(super) fn context(&self) -> Context<'static> {
        Context::new(runtime::clock::now(), self.request.received_at)
    }

    /// The guest who goes by this name.
    pub(super) async fn named(&self, name: Name<'_>) -> Result<Party, Fault> {
        match name.parse()? {
            GuestRef::Ours(owner) => Ok(Party::of(owner)),
            GuestRef::Theirs(identifier) => {
                let owner = match self.owner_of(&identifier).await {
                    Err(Fault::Rejected(domain::Rejection::Guest(Rejection::IdentifierTaken))) => None,
                    owner => owner?,
                };
                let owner = owner.ok_or(refused(Rejection::NotFound))?;
                Ok(Party { addressed_as: Some(identifier), ..Party::of(owner) })
            }
        }
    }

    /// Whose an identifier is. Anew, the log has to say so, too: who is claimed by somebody at this moment is refused, and a claim
    /// that died is nobody's.
    pub(crate) async fn owner_of(&self, identifier: &Identifier) -> Result<Option<Owner>, Fault> {
        let newest = if self.anew { Duration::ZERO } else { Duration::MAX };
        let owner = self.vault.look_up(&self.request.tenant, identifier, newest).await?;
        match owner {
            Some(owner) if self.anew => Box::pin(self.unless_dead(owner, identifier)).await,
            owner => Ok(owner),
        }
    }

    async fn unless_dead(&self, owner: Owner, identifier: &Identifier) -> Result<Option<Owner>, Fault> {
        let loaded = self.load(&owner).await?;
        let guest = &loaded.state.guest;
        if guest.is_known_as(identifier) {
            return Ok(Some(owner));
        }
        if self.take_back_dead(&owner, identifier).await? {
            return Ok(None);
        }
        if guest.is_registered() { Err(refused(Rejection::IdentifierTaken)) } else { Ok(Some(owner)) }
    }

    /// Takes a claim away from a guest who has never got the identifier, or has it no more, once it is old.
    pub(crate) async fn take_back_dead(&self, guest: &Owner, identifier: &Identifier) -> Result<bool, Fault> {
        let tenant = &self.request.tenant;
        let claim = self.vault.claim_of(tenant, identifier, guest).await?.filter(|claim| claim.is_old);
        let Some(claim) = claim else { return Ok(false) };
        let is_dead = !self.anew().load(guest).await?.state.guest.is_known_as(identifier);
        if is_dead {
            self.vault.release(tenant, identifier, guest, claim).await?;
        }
        Ok(is_dead)
    }

    pub(super) async fn load(&self, owner: &Owner) -> Result<Arc<Loaded>, Fault> {
        let subject = LogSubject::new(self.request.tenant.clone(), owner.clone());
        let loaded = self.store.load(&subject).await?;
        if self.anew { self.store.catch_up(&subject, &loaded, Reach::Leader).await } else { Ok(loaded) }
    }

    /// The guest another one is read as; or where the command was carried out before, if somebody was merged or restored since.
    pub(super) async fn whole(&self, named: Party) -> Result<Target, Fault> {
        if self.anew
            && let Some(owner) = self.carried_out_at(&named.owner).await?
        {
            let addressed = named.owner.clone();
            return Ok(Target { addressed, is_final: true, ..Target::of(Party { owner, ..named }) });
        }
        let addressed = named.owner.clone();
        Ok(Target { addressed, is_final: self.anew, ..Target::of(self.read_as(named).await?) })
    }

    /// The guest another one is read as.
    pub(crate) async fn read_as(&self, named: Party) -> Result<Party, Fault> {
        let mut party = named;
        for _ in 0..=MOST_MEMBERS {
            let loaded = self.load(&party.owner).await?;
            let Some(into) = loaded.state.guest.absorbed_into() else { break };
            let survivor = guest(&into.survivor_id)?;
            party.by_way_of = Some(std::mem::replace(&mut party.owner, survivor));
        }
        Ok(party)
    }

    /// Where the command was carried out: by the guest itself, or by one it is part of or was once.
    pub(super) async fn carried_out_at(&self, start: &Owner) -> Result<Option<Owner>, Fault> {
        let hash = commit::request_hash(self.vault, self.request).await?;
        let (mut to_see, mut seen) = (vec![start.clone()], HashSet::new());
        while let Some(owner) = to_see.pop().filter(|_| seen.len() <= MOST_SEEN) {
            if !seen.insert(owner.clone()) {
                continue;
            }
            let loaded = self.load(&owner).await?;
            let subject = LogSubject::new(self.request.tenant.clone(), owner.clone());
            let original = self.store.original(&subject, &loaded, &self.request.id).await?;
            // Others may have used the id for something of their own, and a further part of a batch is no answer.
            let is_answer = |commit: &proto::Commit| {
                commit.batch.as_ref().is_none_or(|part| part.index == 0)
                    && (owner == *start || commit.request_hash == hash)
            };
            if original.is_some_and(|original| is_answer(&original.commit)) {
                return Ok(Some(owner));
            }
            let state = &loaded.state.guest;
            let into = state.absorbed_into().map(|into| into.survivor_id.as_str());
            for survivor in state.former_survivors().chain(into) {
                to_see.push(guest(survivor)?);
            }
        }
        Ok(None)
    }
}

/// Guests looked at for a command that was carried out before.
const MOST_SEEN: usize = 1_000;

pub(super) fn guest(id: &str) -> Result<Owner, Fault> {
    Owner::parse_guest(id).ok_or(Fault::Unencodable)
}

pub(super) fn refused(rejection: Rejection) -> Fault {
    domain::Rejection::Guest(rejection).into()
}
