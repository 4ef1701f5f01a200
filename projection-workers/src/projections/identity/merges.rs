//! Who turned out to be whom: each guest's own rows say its own part of it, so that no fold reads another's.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use proto::subject::{LogSubject, Owner, Tenant};

use super::Identity;
use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{column, remove, write};

const ABSORB: &str = "
-- upsert_absorbed()
INSERT INTO identity_absorbed AS a (tenant, guest_id, absorbed_id, pp, absorbed_pp, position)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::bigint[])
ON CONFLICT (tenant, guest_id, absorbed_id) DO UPDATE SET position = excluded.position
WHERE a.position < excluded.position";

const RESTORE: &str = "
-- delete_absorbed()
DELETE FROM identity_absorbed AS a
USING UNNEST($1::text[], $2::text[], $3::text[]) AS r (tenant, guest_id, absorbed_id)
WHERE a.tenant = r.tenant AND a.guest_id = r.guest_id AND a.absorbed_id = r.absorbed_id";

/// By tenant, survivor and the other one: what the last commit of a batch says of the two.
#[derive(Default)]
pub(super) struct Merges(BTreeMap<(Tenant, Owner, String), Part>);

#[derive(Debug, PartialEq)]
struct Part {
    /// False after the merge was undone.
    stands: bool,
    pp: i16,
    absorbed_pp: i16,
    position: i64,
}

/// Another guest, and where its rows are folded: a read has to know before anything of that guest is there.
#[derive(Debug, PartialEq)]
pub(super) struct Guest {
    pub(super) id: String,
    pub(super) pp: i16,
}

impl Guest {
    pub(super) fn named(commit: &Opened, field: &'static str, id: &str) -> Result<Self, Unfoldable> {
        let owner = Owner::parse_guest(id).ok_or(Unfoldable::Field(field))?;
        let pp = LogSubject::new(commit.subject.tenant.clone(), owner).partition().into();
        Ok(Self { id: id.to_owned(), pp })
    }

    pub(super) fn itself(commit: &Opened) -> Self {
        Self { id: commit.subject.owner.to_string(), pp: commit.pp }
    }
}

impl Merges {
    pub(super) fn merge(&mut self, commit: &Opened, absorbed_ids: &[String]) -> Result<(), Unfoldable> {
        self.note(commit, "absorbed_ids", absorbed_ids, true)
    }

    pub(super) fn unmerge(&mut self, commit: &Opened, restored_ids: &[String]) -> Result<(), Unfoldable> {
        self.note(commit, "restored_ids", restored_ids, false)
    }

    fn note(&mut self, commit: &Opened, field: &'static str, ids: &[String], stands: bool) -> Result<(), Unfoldable> {
        for id in ids {
            let Guest { id, pp: absorbed_pp } = Guest::named(commit, field, id)?;
            let part = Part { stands, pp: commit.pp, absorbed_pp, position: commit.position };
            self.0.insert((commit.subject.tenant.clone(), commit.subject.owner.clone(), id), part);
        }
        Ok(())
    }

    pub(super) async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let (parts, restored): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, part)| part.stands);
        for (rows, are_parts) in [(restored, false), (parts, true)] {
            let tenants = column(&rows, |((tenant, _, _), _)| tenant.as_str());
            let guests = column(&rows, |((_, guest_id, _), _)| guest_id.as_str());
            let absorbed = column(&rows, |((_, _, absorbed_id), _)| absorbed_id.as_str());
            if are_parts {
                let pps = column(&rows, |(_, part)| part.pp);
                let absorbed_pps = column(&rows, |(_, part)| part.absorbed_pp);
                let positions = column(&rows, |(_, part)| part.position);
                let columns = [&tenants as _, &guests as _, &absorbed as _, &pps as _, &absorbed_pps as _];
                let columns = [columns.as_slice(), &[&positions as _]].concat();
                write::<Identity>(connection, ABSORB, &columns, rows.len()).await?;
            } else {
                remove(connection, RESTORE, &[&tenants, &guests, &absorbed], rows.len()).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{fold, guest, merged, registered, try_fold, unmerged};

    fn pp(id: u128) -> i16 {
        registered(1, guest(id), "").pp
    }

    #[test]
    fn a_survivor_has_a_row_for_each_guest_it_absorbed() {
        let batch: Identity = fold([merged(8, guest(2), &[guest(1), guest(3)])]);
        let rows = column(&batch.merges.0, |((_, survivor, absorbed), part)| {
            (survivor.as_str(), absorbed.as_str(), part.absorbed_pp, part.stands)
        });
        let (survivor, first, second) = (guest(2), guest(1), guest(3));
        let expected =
            [(survivor.as_str(), first.as_str(), pp(1), true), (survivor.as_str(), second.as_str(), pp(3), true)];
        assert_eq!(rows, expected);
    }

    #[test]
    fn what_was_done_last_counts() {
        let merge = |position| merged(position, guest(2), &[guest(1)]);
        let undone: Identity = fold([merge(8), unmerged(9, guest(2), &[guest(1)])]);
        assert_eq!(column(undone.merges.0.values(), |part| (part.stands, part.position)), [(false, 9)]);
        let again: Identity = fold([merge(8), unmerged(9, guest(2), &[guest(1)]), merge(11)]);
        assert_eq!(column(again.merges.0.values(), |part| (part.stands, part.position)), [(true, 11)]);
    }

    #[test]
    fn a_merge_with_nobody_of_ours_is_not_skipped_but_refused() {
        let nobody = "tenant".parse().expect("a token");
        assert!(matches!(
            try_fold::<Identity>([merged(7, guest(1), &[nobody])]),
            Err(Unfoldable::Field("absorbed_ids"))
        ));
    }
}
