//! Who turned out to be whom: each guest's own rows say its own part of it, so that no fold reads another's.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use proto::guest::{GuestAbsorbed, GuestMerged};
use proto::subject::{LogSubject, Owner, Tenant};

use super::Identity;
use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{column, write};

/// The guest may have been registered long ago or a moment before: its row is there by now.
const ABSORB: &str = "
-- absorb_identities()
UPDATE identity AS i SET canonical_id = a.survivor_id, canonical_pp = a.survivor_pp, position = a.position
FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[])
  AS a (tenant, guest_id, survivor_id, survivor_pp, position)
WHERE i.tenant = a.tenant AND i.guest_id = a.guest_id AND i.position < a.position";

const INSERT_ABSORBED: &str = "
-- insert_absorbed()
INSERT INTO identity_absorbed (tenant, guest_id, absorbed_id, pp, absorbed_pp, position)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::bigint[])";

#[derive(Default)]
pub(super) struct Merges {
    /// By tenant and guest.
    absorptions: BTreeMap<(Tenant, Owner), Absorption>,
    survivals: Vec<Survival>,
}

/// The last one of a guest in the batch.
#[derive(Debug, PartialEq)]
struct Absorption {
    survivor: Guest,
    position: i64,
}

/// One guest that a survivor says was absorbed.
#[derive(Debug, PartialEq)]
struct Survival {
    tenant: Tenant,
    guest_id: Owner,
    pp: i16,
    absorbed: Guest,
    position: i64,
}

/// Another guest, and where its rows are folded: a read has to know before anything of that guest is there.
#[derive(Debug, PartialEq)]
struct Guest {
    id: String,
    pp: i16,
}

impl Guest {
    fn named(commit: &Opened, field: &'static str, id: &str) -> Result<Self, Unfoldable> {
        let owner = Owner::parse_guest(id).ok_or(Unfoldable::Field(field))?;
        let pp = LogSubject::new(commit.subject.tenant.clone(), owner).partition().into();
        Ok(Self { id: id.to_owned(), pp })
    }
}

impl Merges {
    pub(super) fn absorb(&mut self, commit: &Opened, event: &GuestAbsorbed) -> Result<(), Unfoldable> {
        let survivor = Guest::named(commit, "survivor_id", &event.survivor_id)?;
        let guest = (commit.subject.tenant.clone(), commit.subject.owner.clone());
        self.absorptions.insert(guest, Absorption { survivor, position: commit.position });
        Ok(())
    }

    pub(super) fn merge(&mut self, commit: &Opened, event: &GuestMerged) -> Result<(), Unfoldable> {
        for id in &event.absorbed_ids {
            self.survivals.push(Survival {
                tenant: commit.subject.tenant.clone(),
                guest_id: commit.subject.owner.clone(),
                pp: commit.pp,
                absorbed: Guest::named(commit, "absorbed_ids", id)?,
                position: commit.position,
            });
        }
        Ok(())
    }

    /// Comes after the registrations of the same batch.
    pub(super) async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(self.absorptions.keys(), |(tenant, _)| tenant.as_str());
        let guests = column(self.absorptions.keys(), |(_, guest_id)| guest_id.as_str());
        let survivors = column(self.absorptions.values(), |absorption| absorption.survivor.id.as_str());
        let survivor_pps = column(self.absorptions.values(), |absorption| absorption.survivor.pp);
        let positions = column(self.absorptions.values(), |absorption| absorption.position);
        let columns = [&tenants as _, &guests as _, &survivors as _, &survivor_pps as _, &positions as _];
        write::<Identity>(connection, ABSORB, &columns, self.absorptions.len()).await?;
        let tenants = column(&self.survivals, |row| row.tenant.as_str());
        let guests = column(&self.survivals, |row| row.guest_id.as_str());
        let absorbed = column(&self.survivals, |row| row.absorbed.id.as_str());
        let pps = column(&self.survivals, |row| row.pp);
        let absorbed_pps = column(&self.survivals, |row| row.absorbed.pp);
        let positions = column(&self.survivals, |row| row.position);
        let columns = [&tenants as _, &guests as _, &absorbed as _, &pps as _, &absorbed_pps as _, &positions as _];
        write::<Identity>(connection, INSERT_ABSORBED, &columns, self.survivals.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{absorbed, fold, guest, merged, registered, try_fold};

    fn pp(id: u128) -> i16 {
        registered(1, guest(id), "").pp
    }

    #[test]
    fn an_absorbed_guest_says_who_it_is_read_as_and_where_that_is_folded() {
        let batch: Identity = fold([registered(5, guest(1), ""), absorbed(7, guest(1), &guest(2))]);
        let absorption = batch.merges.absorptions.values().next().expect("one");
        assert_eq!((absorption.survivor.id.as_str(), absorption.survivor.pp), (guest(2).as_str(), pp(2)));
        assert_eq!((batch.merges.absorptions.len(), absorption.position), (1, 7));
    }

    #[test]
    fn a_survivor_has_a_row_for_each_guest_it_absorbed() {
        let batch: Identity = fold([merged(8, guest(2), &[guest(1), guest(3)])]);
        let rows =
            column(&batch.merges.survivals, |row| (row.guest_id.as_str(), row.absorbed.id.as_str(), row.absorbed.pp));
        let (survivor, first, second) = (guest(2), guest(1), guest(3));
        assert_eq!(rows, [(survivor.as_str(), first.as_str(), pp(1)), (survivor.as_str(), second.as_str(), pp(3))]);
        assert!(batch.merges.absorptions.is_empty(), "the others' rows are theirs to change");
    }

    #[test]
    fn a_merge_with_nobody_of_ours_is_not_skipped_but_refused() {
        let nobody = "tenant".parse().expect("a token");
        assert!(matches!(
            try_fold::<Identity>([absorbed(7, guest(1), &nobody)]),
            Err(Unfoldable::Field("survivor_id"))
        ));
        assert!(matches!(
            try_fold::<Identity>([merged(7, guest(1), &[nobody])]),
            Err(Unfoldable::Field("absorbed_ids"))
        ));
    }
}
