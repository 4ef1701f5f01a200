//! Commands that are about two guests, or turn out to be.

use domain::State;
use domain::guest::{MOST_MEMBERS, Named, Rejection};
use proto::guest::{IdentifyGuest, MergeGuests, UnmergeGuests};
use proto::identifier::Identifier;
use proto::subject::Owner;

use super::find::{guest, refused};
use super::{Finder, Name, Party, Target};
use crate::error::Fault;

impl Finder<'_> {
    pub(super) async fn merged(&self, merge: &MergeGuests) -> Result<Target, Fault> {
        let absorbed = Name { field: "absorbed_id", ..Name::new(&merge.absorbed_namespace, &merge.absorbed_id) };
        let survivor = self.named(Name::new(&merge.namespace, &merge.guest_id)).await?;
        let absorbed = self.named(absorbed).await?;
        if survivor.owner == absorbed.owner {
            return Err(refused(Rejection::MergedWithItself));
        }
        let (target, absorbed) = (self.whole(survivor).await?, self.read_as(absorbed).await?);
        Ok(target.beside(absorbed))
    }

    /// The survivor of the merge, found from either side of it.
    pub(super) async fn unmerged(&self, unmerge: &UnmergeGuests) -> Result<Target, Fault> {
        let mut party = self.named(Name::new(&unmerge.namespace, &unmerge.guest_id)).await?;
        let addressed = party.owner.clone();
        let target = |own| Target { addressed: addressed.clone(), is_final: true, ..Target::of(own) };
        if let Some(owner) = self.carried_out_at(&party.owner).await? {
            return Ok(target(Party { owner, ..party }));
        }
        for _ in 0..=MOST_MEMBERS {
            let loaded = self.load(&party.owner).await?;
            let state = &loaded.state.guest;
            let others: Vec<Owner> = state.absorbed_in(&unmerge.merge_id).map(guest).collect::<Result<_, _>>()?;
            let Some(into) = state.absorbed_into().filter(|_| others.is_empty()) else {
                return Ok(Target { others: others.into_iter().map(Party::of).collect(), ..target(party) });
            };
            let survivor = guest(&into.survivor_id)?;
            party.by_way_of = Some(std::mem::replace(&mut party.owner, survivor));
        }
        Err(refused(Rejection::MergeNotFound))
    }

    pub(super) async fn identified(&self, identify: &IdentifyGuest) -> Result<Target, Fault> {
        // What no state would accept must not reach the register.
        State::default().decide(&self.request.command, &self.context())?;
        let named = Named::by(identify)?;
        let target = self.user_and_anonymous(&named).await?;
        if self.anew || target.is_plain() {
            return Ok(target);
        }
        // Who is whose part, who turns out to be somebody, and who else it is about, is not left to what is remembered.
        self.anew().user_and_anonymous(&named).await
    }

    /// The user's guest when there is one; else the anonymous one, if it may be the user; else a new one.
    async fn user_and_anonymous(&self, Named { user, anonymous }: &Named) -> Result<Target, Fault> {
        let by_user = self.party_of(user).await?;
        let by_anonymous = match anonymous {
            Some(anonymous) => self.party_of(anonymous).await?,
            None => None,
        };
        let by_anonymous = match by_anonymous {
            Some(party) => Some(self.read_as(party).await?),
            None => None,
        };
        let target = match (by_user, &by_anonymous) {
            (Some(party), _) => self.whole(party).await?,
            (None, Some(party)) if self.load(&party.owner).await?.state.guest.may_be(user) => {
                Target { to_be: Some(user.clone()), is_final: self.anew, ..Target::of(party.clone()) }
            }
            (None, _) => {
                let owner = self.register(user).await?;
                // Somebody else may have been faster.
                self.whole(Party { addressed_as: Some(user.clone()), ..Party::of(owner) }).await?
            }
        };
        Ok(match by_anonymous {
            Some(other) => target.beside(other),
            None => target,
        })
    }

    async fn party_of(&self, identifier: &Identifier) -> Result<Option<Party>, Fault> {
        let owner = self.owner_of(identifier).await?;
        Ok(owner.map(|owner| Party { addressed_as: Some(identifier.clone()), ..Party::of(owner) }))
    }
}
