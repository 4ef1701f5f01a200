//! Who is known, under which identifiers of the callers', and who turned out to be whom.

mod conflicts;
mod identifiers;
mod merges;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::guest::event::Kind as GuestEvent;
use proto::subject::{Owner, Tenant};

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{Facets, Projection, column, write};
use conflicts::Conflicts;
use identifiers::Identifiers;
use merges::{Guest, Merges};

const INSERT: &str = "
-- insert_identities()
INSERT INTO identity (tenant, guest_id, pp, canonical_id, canonical_pp, registered_at, position)
SELECT tenant, guest_id, pp, COALESCE(canonical_id, guest_id), COALESCE(canonical_pp, pp), registered_at, position
FROM UNNEST($1::text[], $2::text[], $3::smallint[], $4::text[], $5::smallint[], $6::timestamptz[], $7::bigint[])
  AS g (tenant, guest_id, pp, canonical_id, canonical_pp, registered_at, position)";

/// The guest was registered in an earlier batch.
const CHANGE: &str = "
-- change_identities()
UPDATE identity AS i
SET canonical_id = COALESCE(g.canonical_id, i.canonical_id), canonical_pp = COALESCE(g.canonical_pp, i.canonical_pp),
    position = g.position
FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[])
  AS g (tenant, guest_id, canonical_id, canonical_pp, position)
WHERE i.tenant = g.tenant AND i.guest_id = g.guest_id AND i.position < g.position";

#[derive(Default)]
pub(crate) struct Identity {
    guests: BTreeMap<(Tenant, Owner), Change>,
    identifiers: Identifiers,
    merges: Merges,
    conflicts: Conflicts,
}

/// What a batch changes of one guest.
#[derive(Debug, Default, PartialEq)]
struct Change {
    pp: i16,
    /// When the guest is new.
    registered_at: Option<DateTime<Utc>>,
    /// Who the guest is read as from now on.
    canonical: Option<Guest>,
    position: i64,
}

impl Identity {
    /// Every commit is told here, whatever it changes besides: rows that it takes away keep no position.
    fn of(&mut self, commit: &Opened) -> &mut Change {
        let guest = (commit.subject.tenant.clone(), commit.subject.owner.clone());
        let change = self.guests.entry(guest).or_default();
        (change.pp, change.position) = (commit.pp, commit.position);
        change
    }
}

impl Projection for Identity {
    const NAME: &'static str = "identity";
    const FACETS: Facets = Facets::These(&["guest"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for (index, event) in (0..).zip(&commit.events) {
            match &event.event {
                Event::Guest(GuestEvent::GuestRegistered(registered)) => {
                    self.of(commit).registered_at = Some(commit.recorded_at);
                    registered.identifiers.iter().for_each(|identifier| self.identifiers.link(commit, identifier));
                }
                Event::Guest(GuestEvent::IdentifierLinked(linked)) => {
                    let identifier = linked.identifier.as_ref().ok_or(Unfoldable::Field("identifier"))?;
                    self.of(commit);
                    self.identifiers.link(commit, identifier);
                }
                Event::Guest(GuestEvent::IdentifierUnlinked(unlinked)) => {
                    let identifier = unlinked.identifier.as_ref().ok_or(Unfoldable::Field("identifier"))?;
                    self.of(commit);
                    self.identifiers.unlink(commit, identifier);
                }
                Event::Guest(GuestEvent::GuestMerged(merged)) => {
                    self.of(commit);
                    self.merges.merge(commit, &merged.absorbed_ids)?;
                }
                Event::Guest(GuestEvent::GuestUnmerged(unmerged)) => {
                    self.of(commit);
                    self.merges.unmerge(commit, &unmerged.restored_ids)?;
                }
                Event::Guest(GuestEvent::GuestAbsorbed(absorbed)) => {
                    let survivor = Guest::named(commit, "survivor_id", &absorbed.survivor_id)?;
                    self.of(commit).canonical = Some(survivor);
                }
                Event::Guest(GuestEvent::GuestRestored(_)) => {
                    self.of(commit).canonical = Some(Guest::itself(commit));
                }
                Event::Guest(GuestEvent::IdentityConflictDetected(conflict)) => {
                    self.of(commit);
                    self.conflicts.detect(commit, index, &event.id, conflict);
                }
                Event::Guest(
                    GuestEvent::GuestUpdated(_) | GuestEvent::GuestActivated(_) | GuestEvent::GuestDeactivated(_),
                )
                | Event::Tenant(_)
                | Event::Interactions(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let (new, known): (Vec<_>, Vec<_>) = self.guests.iter().partition(|(_, change)| change.registered_at.is_some());
        for (guests, are_new) in [(new, true), (known, false)] {
            let tenants = column(&guests, |((tenant, _), _)| tenant.as_str());
            let ids = column(&guests, |((_, guest_id), _)| guest_id.as_str());
            let pps = column(&guests, |(_, change)| change.pp);
            let canonical = column(&guests, |(_, change)| change.canonical.as_ref().map(|guest| guest.id.as_str()));
            let canonical_pps = column(&guests, |(_, change)| change.canonical.as_ref().map(|guest| guest.pp));
            let registered_at = column(&guests, |(_, change)| change.registered_at);
            let positions = column(&guests, |(_, change)| change.position);
            if are_new {
                let columns = [&tenants as _, &ids as _, &pps as _, &canonical as _, &canonical_pps as _];
                let columns = [columns.as_slice(), &[&registered_at as _, &positions as _]].concat();
                write::<Self>(connection, INSERT, &columns, guests.len()).await?;
            } else {
                let columns = [&tenants as _, &ids as _, &canonical as _, &canonical_pps as _, &positions as _];
                write::<Self>(connection, CHANGE, &columns, guests.len()).await?;
            }
        }
        self.identifiers.flush(connection).await?;
        self.merges.flush(connection).await?;
        self.conflicts.flush(connection).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{absorbed, fold, guest, merged, registered, restored, try_fold, updated};

    fn only(batch: &Identity) -> &Change {
        let [change] = batch.guests.values().collect::<Vec<_>>()[..] else { panic!("one guest") };
        change
    }

    #[test]
    fn a_guest_without_identifier_is_known_all_the_same() {
        let batch: Identity = fold([registered(5, guest(1), "")]);
        assert!(only(&batch).registered_at.is_some() && batch.identifiers.is_empty());
    }

    #[test]
    fn an_absorbed_guest_says_who_it_is_read_as_and_where_that_is_folded() {
        let batch: Identity = fold([registered(5, guest(1), ""), absorbed(7, guest(1), &guest(2))]);
        let survivor = only(&batch).canonical.as_ref().expect("another one");
        assert_eq!((survivor.id.as_str(), survivor.pp), (guest(2).as_str(), registered(1, guest(2), "").pp));
        assert_eq!(only(&batch).position, 7);
    }

    #[test]
    fn a_restored_guest_is_read_as_itself() {
        let batch: Identity = fold([absorbed(7, guest(1), &guest(2)), restored(9, guest(1), &guest(2))]);
        let itself = only(&batch).canonical.as_ref().expect("told");
        assert_eq!((itself.id.as_str(), itself.pp), (guest(1).as_str(), only(&batch).pp));
        assert_eq!((only(&batch).position, only(&batch).registered_at), (9, None));
    }

    #[test]
    fn what_changes_no_row_here_changes_no_position() {
        let batch: Identity = fold([updated(5, guest(1), "")]);
        assert!(batch.guests.is_empty());
    }

    #[test]
    fn a_survivors_own_row_moves_with_its_merges() {
        let batch: Identity = fold([merged(8, guest(2), &[guest(1)])]);
        assert_eq!(
            (only(&batch).position, &only(&batch).canonical),
            (8, &None),
            "the others' rows are theirs to change"
        );
    }

    #[test]
    fn nobody_of_ours_is_not_skipped_but_refused() {
        let nobody = "tenant".parse().expect("a token");
        assert!(matches!(
            try_fold::<Identity>([absorbed(7, guest(1), &nobody)]),
            Err(Unfoldable::Field("survivor_id"))
        ));
    }
}
