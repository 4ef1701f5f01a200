//! What callers know guests by.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::guest::Identifier;
use proto::subject::{Owner, Tenant};

use super::Identity;
use crate::error::Fault;
use crate::open::Opened;
use crate::projection::{column, remove, write};

const LINK: &str = "
-- upsert_identifiers()
INSERT INTO identity_identifier AS i (tenant, guest_id, namespace, value, linked_at, pp, position)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::smallint[], $7::bigint[])
ON CONFLICT (tenant, guest_id, namespace, value) DO UPDATE SET linked_at = excluded.linked_at, position = excluded.position
WHERE i.position < excluded.position";

const UNLINK: &str = "
-- delete_identifiers()
DELETE FROM identity_identifier AS i
USING UNNEST($1::text[], $2::text[], $3::text[], $4::text[]) AS u (tenant, guest_id, namespace, value)
WHERE i.tenant = u.tenant AND i.guest_id = u.guest_id AND i.namespace = u.namespace AND i.value = u.value";

/// What the last commit of a batch says of each.
#[derive(Default)]
pub(super) struct Identifiers(BTreeMap<Key, Link>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tenant: Tenant,
    guest_id: Owner,
    namespace: String,
    value: String,
}

#[derive(Debug, PartialEq)]
struct Link {
    /// False after it was taken away.
    is_linked: bool,
    at: DateTime<Utc>,
    pp: i16,
    position: i64,
}

impl Identifiers {
    pub(super) fn link(&mut self, commit: &Opened, identifier: &Identifier) {
        self.note(commit, identifier, true);
    }

    pub(super) fn unlink(&mut self, commit: &Opened, identifier: &Identifier) {
        self.note(commit, identifier, false);
    }

    fn note(&mut self, commit: &Opened, identifier: &Identifier, is_linked: bool) {
        let Identifier { namespace, value } = identifier.clone();
        let (tenant, guest_id) = (commit.subject.tenant.clone(), commit.subject.owner.clone());
        let link = Link { is_linked, at: commit.recorded_at, pp: commit.pp, position: commit.position };
        self.0.insert(Key { tenant, guest_id, namespace, value }, link);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let (linked, unlinked): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, link)| link.is_linked);
        for (rows, are_linked) in [(unlinked, false), (linked, true)] {
            let tenants = column(&rows, |(key, _)| key.tenant.as_str());
            let guests = column(&rows, |(key, _)| key.guest_id.as_str());
            let namespaces = column(&rows, |(key, _)| key.namespace.as_str());
            let values = column(&rows, |(key, _)| key.value.as_str());
            if are_linked {
                let linked_at = column(&rows, |(_, link)| link.at);
                let pps = column(&rows, |(_, link)| link.pp);
                let positions = column(&rows, |(_, link)| link.position);
                let columns = [&tenants as _, &guests as _, &namespaces as _, &values as _, &linked_at as _];
                let columns = [columns.as_slice(), &[&pps as _, &positions as _]].concat();
                write::<Identity>(connection, LINK, &columns, rows.len()).await?;
            } else {
                remove(connection, UNLINK, &[&tenants, &guests, &namespaces, &values], rows.len()).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{TENANT, fold, guest, identified, linked, unlinked};

    fn rows(batch: &Identity) -> Vec<(&str, &str, bool, i64)> {
        column(&batch.identifiers.0, |(key, link)| {
            (key.namespace.as_str(), key.value.as_str(), link.is_linked, link.position)
        })
    }

    #[test]
    fn a_guest_is_known_under_each_of_its_identifiers() {
        let batch: Identity = fold([identified(5, guest(1), &[("user_id", "00001"), ("email", "ada@example.com")])]);
        assert_eq!(rows(&batch), [("email", "ada@example.com", true, 5), ("user_id", "00001", true, 5)]);
        assert!(batch.identifiers.0.keys().all(|key| key.tenant.as_str() == TENANT && key.guest_id == guest(1)));
    }

    #[test]
    fn what_was_done_last_counts() {
        let email = ("email", "ada@example.com");
        let gone: Identity = fold([linked(5, guest(1), email), unlinked(7, guest(1), email)]);
        assert_eq!(rows(&gone), [("email", "ada@example.com", false, 7)]);
        let back: Identity = fold([unlinked(7, guest(1), email), linked(9, guest(1), email)]);
        assert_eq!(rows(&back), [("email", "ada@example.com", true, 9)]);
    }
}
