//! Who is known, under which identifiers of the callers', and who turned out to be whom.

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::guest::GuestRegistered;
use proto::guest::event::Kind as GuestEvent;

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{Facets, Projection, column, write};
use merges::Merges;
use proto::subject::{Owner, Tenant};

mod merges;

const INSERT: &str = "
-- insert_identities()
INSERT INTO identity (tenant, guest_id, pp, canonical_id, canonical_pp, registered_at, position)
SELECT tenant, guest_id, pp, guest_id, pp, registered_at, position
FROM UNNEST($1::text[], $2::text[], $3::smallint[], $4::timestamptz[], $5::bigint[])
  AS g (tenant, guest_id, pp, registered_at, position)";

const INSERT_IDENTIFIERS: &str = "
-- insert_identifiers()
INSERT INTO identity_identifier (tenant, guest_id, namespace, value, pp, position)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[])";

#[derive(Default)]
pub(crate) struct Identity {
    guests: Vec<Registration>,
    identifiers: Vec<Identifier>,
    merges: Merges,
}

#[derive(Debug, PartialEq)]
struct Registration {
    tenant: Tenant,
    guest_id: Owner,
    pp: i16,
    registered_at: DateTime<Utc>,
    position: i64,
}

#[derive(Debug, PartialEq)]
struct Identifier {
    tenant: Tenant,
    guest_id: Owner,
    pp: i16,
    namespace: String,
    value: String,
    position: i64,
}

impl Identity {
    fn register(&mut self, commit: &Opened, registered: &GuestRegistered) {
        let (tenant, guest_id) = (commit.subject.tenant.clone(), commit.subject.owner.clone());
        for identifier in &registered.identifiers {
            self.identifiers.push(Identifier {
                tenant: tenant.clone(),
                guest_id: guest_id.clone(),
                pp: commit.pp,
                namespace: identifier.namespace.clone(),
                value: identifier.value.clone(),
                position: commit.position,
            });
        }
        self.guests.push(Registration {
            tenant,
            guest_id,
            pp: commit.pp,
            registered_at: commit.recorded_at,
            position: commit.position,
        });
    }
}

impl Projection for Identity {
    const NAME: &'static str = "identity";
    const FACETS: Facets = Facets::These(&["guest"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Guest(GuestEvent::GuestRegistered(registered)) => self.register(commit, registered),
                Event::Guest(GuestEvent::GuestMerged(merged)) => self.merges.merge(commit, merged)?,
                Event::Guest(GuestEvent::GuestAbsorbed(absorbed)) => self.merges.absorb(commit, absorbed)?,
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
        let tenants = column(&self.guests, |guest| guest.tenant.as_str());
        let guests = column(&self.guests, |guest| guest.guest_id.as_str());
        let pps = column(&self.guests, |guest| guest.pp);
        let registered_at = column(&self.guests, |guest| guest.registered_at);
        let positions = column(&self.guests, |guest| guest.position);
        let columns = [&tenants as _, &guests as _, &pps as _, &registered_at as _, &positions as _];
        write::<Self>(connection, INSERT, &columns, self.guests.len()).await?;
        let tenants = column(&self.identifiers, |known| known.tenant.as_str());
        let guests = column(&self.identifiers, |known| known.guest_id.as_str());
        let namespaces = column(&self.identifiers, |known| known.namespace.as_str());
        let values = column(&self.identifiers, |known| known.value.as_str());
        let pps = column(&self.identifiers, |known| known.pp);
        let positions = column(&self.identifiers, |known| known.position);
        let columns = [&tenants as _, &guests as _, &namespaces as _, &values as _, &pps as _, &positions as _];
        write::<Self>(connection, INSERT_IDENTIFIERS, &columns, self.identifiers.len()).await?;
        self.merges.flush(connection).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{TENANT, fold, guest, identified, registered};

    #[test]
    fn a_guest_is_known_under_each_of_its_identifiers() {
        let batch: Identity = fold([identified(5, guest(1), &[("user_id", "00001"), ("email", "ada@example.com")])]);
        assert_eq!(batch.guests.len(), 1);
        assert_eq!((batch.guests[0].tenant.as_str(), batch.guests[0].guest_id.as_str()), (TENANT, guest(1).as_str()));
        let identifiers = column(&batch.identifiers, |known| (known.namespace.as_str(), known.value.as_str()));
        assert_eq!(identifiers, [("user_id", "00001"), ("email", "ada@example.com")]);
    }

    #[test]
    fn a_guest_without_identifier_is_known_all_the_same() {
        let batch: Identity = fold([registered(5, guest(1), "")]);
        assert_eq!((batch.guests.len(), batch.identifiers.len()), (1, 0));
    }
}
