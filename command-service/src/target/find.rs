//! From names to owners: the register says whose an identifier is, and the log who a guest is read as.

use std::sync::Arc;

use domain::guest::{MOST_MEMBERS, Named, Rejection};
use domain::{Context, State};
use proto::guest::{IdentifyGuest, MergeGuests, RegisterGuest, UnlinkIdentifier, UnmergeGuests};
use proto::identifier::{GuestRef, Identifier};
use proto::subject::{LogSubject, Owner};
use vault::Vault;

use super::{About, Name, Target, is_about_the_whole, parse};
use crate::commit::Request;
use crate::error::Fault;
use crate::event_store::{EventStore, Loaded, Reach};

/// Finds whom one request is about.
pub(crate) struct Finder<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) store: &'a EventStore,
    pub(crate) request: &'a Request,
    /// What is remembered has proved wrong, so the register and the log's leader are asked.
    pub(crate) anew: bool,
}

/// A guest that was found by its name.
struct Found {
    owner: Owner,
    addressed_as: Option<Identifier>,
}

impl Finder<'_> {
    /// A registration makes the owner known to the vault first, so that a retry finds the same one.
    pub(crate) async fn find(&self) -> Result<Target, Fault> {
        match About::of(&self.request.command) {
            About::Tenant => Ok(Target::of(Owner::tenant())),
            About::New(register) => self.new_guest(register).await,
            About::Identified(identify) => Box::pin(self.identified(identify)).await,
            About::Unlinked(unlink) => Box::pin(self.unlinked(unlink)).await,
            About::Merged(merge) => Box::pin(self.merged(merge)).await,
            About::Unmerged(unmerge) => Box::pin(self.unmerged(unmerge)).await,
            About::Known(name) => {
                let found = self.named(name).await?;
                // The first time the owner's own state tells whether it is part of another: nearly none is.
                if self.anew && is_about_the_whole(&self.request.command) {
                    return Box::pin(self.whole(found)).await;
                }
                Ok(Target { addressed_as: found.addressed_as, ..Target::of(found.owner) })
            }
        }
    }

    async fn new_guest(&self, register: &RegisterGuest) -> Result<Target, Fault> {
        // What no state would accept must not reach the register.
        let context = Context::new(runtime::clock::now(), self.request.received_at);
        State::default().decide(&self.request.command, &context)?;
        let Request { tenant, id, .. } = self.request;
        if register.identifier.is_empty() {
            return Box::pin(self.anonymous(id)).await;
        }
        let known_as = parse("identifier", &register.namespace, &register.identifier)?;
        if self.anew
            && let Some(owner) = self.owner_of(&known_as).await?
        {
            let loaded = self.load(&owner).await?;
            // The register gave it away, and the log says otherwise: a link that was not finished.
            if loaded.state.guest.is_registered() && !loaded.state.guest.is_known_as(&known_as) {
                return Err(refused(Rejection::IdentifierTaken));
            }
        }
        let owner = Box::pin(self.vault.register(tenant, &known_as, proposed())).await?;
        Ok(Target { addressed_as: Some(known_as), ..Target::of(owner) })
    }

    async fn anonymous(&self, command_id: &str) -> Result<Target, Fault> {
        let tenant = &self.request.tenant;
        let owner = self.vault.tenant_secret(tenant).await?.guest_of_command(command_id);
        self.vault.add_guest(tenant, &owner).await?;
        Ok(Target::of(owner))
    }

    /// The guest who goes by this name.
    async fn named(&self, name: Name<'_>) -> Result<Found, Fault> {
        match name.parse()? {
            GuestRef::Ours(owner) => Ok(Found { owner, addressed_as: None }),
            GuestRef::Theirs(identifier) => {
                let owner = self.owner_of(&identifier).await?.ok_or(refused(Rejection::NotFound))?;
                if self.anew {
                    let loaded = Box::pin(self.load(&owner)).await?;
                    if loaded.state.guest.is_registered() && !loaded.state.guest.is_known_as(&identifier) {
                        return Err(refused(Rejection::NotFound));
                    }
                }
                Ok(Found { owner, addressed_as: Some(identifier) })
            }
        }
    }

    async fn owner_of(&self, identifier: &Identifier) -> Result<Option<Owner>, Fault> {
        let newest = if self.anew { std::time::Duration::ZERO } else { std::time::Duration::MAX };
        Ok(self.vault.look_up(&self.request.tenant, identifier, newest).await?)
    }

    async fn load(&self, owner: &Owner) -> Result<Arc<Loaded>, Fault> {
        let subject = LogSubject::new(self.request.tenant.clone(), owner.clone());
        let loaded = self.store.load(&subject).await?;
        if self.anew { self.store.catch_up(&subject, &loaded, Reach::Leader).await } else { Ok(loaded) }
    }

    /// The guest a found one is read as; or where the command was carried out before, when one was merged or restored since.
    async fn whole(&self, found: Found) -> Result<Target, Fault> {
        let Found { mut owner, addressed_as } = found;
        let mut by_way_of = None;
        for _ in 0..=MOST_MEMBERS {
            let loaded = self.load(&owner).await?;
            if self.knows_the_command(&owner, &loaded).await? {
                break;
            }
            for former in loaded.state.guest.former_survivors() {
                let former = guest(former)?;
                if self.knows_the_command(&former, &*self.load(&former).await?).await? {
                    return Ok(Target { addressed_as, by_way_of: Some(owner), is_final: true, ..Target::of(former) });
                }
            }
            let Some(into) = loaded.state.guest.absorbed_into() else { break };
            let survivor = guest(&into.survivor_id)?;
            by_way_of = Some(std::mem::replace(&mut owner, survivor));
        }
        Ok(Target { addressed_as, by_way_of, is_final: true, ..Target::of(owner) })
    }

    async fn knows_the_command(&self, owner: &Owner, loaded: &Loaded) -> Result<bool, Fault> {
        let subject = LogSubject::new(self.request.tenant.clone(), owner.clone());
        Ok(self.store.original(&subject, loaded, &self.request.id).await?.is_some())
    }

    /// The id a guest is read as.
    pub(crate) async fn read_as(&self, owner: Owner) -> Result<Owner, Fault> {
        Ok(self.whole(Found { owner, addressed_as: None }).await?.owner)
    }

    /// Whoever of the addressed guest and those it is read with has the identifier: its own events say that it has it no more.
    async fn unlinked(&self, unlink: &UnlinkIdentifier) -> Result<Target, Fault> {
        let found = self.named(Name::new(&unlink.namespace, &unlink.guest_id)).await?;
        let identifier = parse("identifier", &unlink.identifier_namespace, &unlink.identifier)?;
        let target = Target { addressed_as: found.addressed_as.clone(), ..Target::of(found.owner.clone()) };
        let Some(owner) = self.owner_of(&identifier).await? else { return Ok(target) };
        if owner == found.owner {
            return Ok(target);
        }
        let addressed = self.whole(found).await?;
        let has_it = self.whole(Found { owner: owner.clone(), addressed_as: None }).await?;
        Ok(if addressed.owner == has_it.owner { Target::of(owner) } else { target })
    }

    async fn merged(&self, merge: &MergeGuests) -> Result<Target, Fault> {
        let absorbed = Name { field: "absorbed_id", ..Name::new(&merge.absorbed_namespace, &merge.absorbed_id) };
        let (survivor, absorbed) =
            (self.named(Name::new(&merge.namespace, &merge.guest_id)).await?, self.named(absorbed).await?);
        if survivor.owner == absorbed.owner {
            return Err(refused(Rejection::MergedWithItself));
        }
        let (survivor, absorbed) = (self.whole(survivor).await?, self.whole(absorbed).await?);
        if survivor.owner == absorbed.owner {
            return Ok(Target { part: absorbed.by_way_of.or_else(|| survivor.by_way_of.clone()), ..survivor });
        }
        Ok(Target { others: vec![absorbed.owner], ..survivor })
    }

    /// The survivor of the merge, found from either side of it.
    async fn unmerged(&self, unmerge: &UnmergeGuests) -> Result<Target, Fault> {
        let Found { mut owner, addressed_as } = self.named(Name::new(&unmerge.namespace, &unmerge.guest_id)).await?;
        let mut by_way_of = None;
        for _ in 0..=MOST_MEMBERS {
            let loaded = self.load(&owner).await?;
            let state = &loaded.state.guest;
            let others: Vec<_> = state.absorbed_in(&unmerge.merge_id).map(guest).collect::<Result<_, _>>()?;
            let was_carried_out = self.knows_the_command(&owner, &loaded).await?;
            let into = state.absorbed_into().filter(|_| others.is_empty() && !was_carried_out);
            let Some(into) = into else {
                return Ok(Target { others, addressed_as, by_way_of, is_final: true, ..Target::of(owner) });
            };
            let survivor = guest(&into.survivor_id)?;
            by_way_of = Some(std::mem::replace(&mut owner, survivor));
        }
        Err(refused(Rejection::MergeNotFound))
    }

    /// The user's guest when there is one; else the anonymous one, if it may be the user; else a new one.
    async fn identified(&self, identify: &IdentifyGuest) -> Result<Target, Fault> {
        let Named { user, anonymous } = Named::by(identify)?;
        // What no state would accept must not reach the register.
        State::default()
            .decide(&self.request.command, &Context::new(runtime::clock::now(), self.request.received_at))?;
        let by_anonymous = match &anonymous {
            Some(anonymous) => self.whole_of(anonymous).await?,
            None => None,
        };
        let target = match (self.whole_of(&user).await?, &by_anonymous) {
            (Some(target), _) => target,
            (None, Some(target)) if self.load(&target.owner).await?.state.guest.may_be(&user) => target.clone(),
            (None, _) => {
                let owner = Box::pin(self.vault.register(&self.request.tenant, &user, proposed())).await?;
                // Somebody else may have been faster.
                self.whole(Found { owner, addressed_as: Some(user) }).await?
            }
        };
        Ok(match by_anonymous {
            Some(other) if other.owner != target.owner => Target { others: vec![other.owner], ..target },
            // Whoever it is by both identifiers may be so by a merge.
            Some(other) => Target { part: other.by_way_of, ..target },
            None => target,
        })
    }

    /// The guest whose an identifier is, as it is read; `None` when it is nobody's.
    async fn whole_of(&self, identifier: &Identifier) -> Result<Option<Target>, Fault> {
        let Some(owner) = self.owner_of(identifier).await? else { return Ok(None) };
        let target = self.whole(Found { owner, addressed_as: Some(identifier.clone()) }).await?;
        Ok(Some(target))
    }
}

fn guest(id: &str) -> Result<Owner, Fault> {
    Owner::parse_guest(id).ok_or(Fault::Corrupt(0))
}

fn proposed() -> Owner {
    Owner::guest(runtime::clock::random_id().as_u128())
}

fn refused(rejection: Rejection) -> Fault {
    domain::Rejection::Guest(rejection).into()
}
