//! The customers of the platform, and which of them are suspended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
use proto::tenant::TenantSuspended;
use proto::tenant::event::Kind as TenantEvent;

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{Facets, Projection, column, write};

const INSERT: &str = "
-- insert_tenants()
INSERT INTO tenant (tenant, pp, name, provisioned_at, position)
SELECT * FROM UNNEST($1::text[], $2::smallint[], $3::text[], $4::timestamptz[], $5::bigint[])";

/// The tenant may have been provisioned long ago or a moment before: its row is there by now.
const CHANGE: &str = "
-- suspend_and_resume_tenants()
UPDATE tenant AS t SET suspended_at = s.suspended_at, suspension_reason = s.reason, position = s.position
FROM UNNEST($1::text[], $2::timestamptz[], $3::text[], $4::bigint[]) AS s (tenant, suspended_at, reason, position)
WHERE t.tenant = s.tenant AND t.position < s.position";

#[derive(Default)]
pub(crate) struct Tenant {
    provisioned: Vec<Row>,
    /// The last one of each tenant in the batch.
    changes: BTreeMap<proto::subject::Tenant, Change>,
}

#[derive(Debug, PartialEq)]
struct Row {
    tenant: proto::subject::Tenant,
    pp: i16,
    name: String,
    provisioned_at: DateTime<Utc>,
    position: i64,
}

#[derive(Debug, PartialEq)]
struct Change {
    /// `None` when the tenant was resumed.
    suspension: Option<Suspension>,
    position: i64,
}

#[derive(Debug, PartialEq)]
struct Suspension {
    at: DateTime<Utc>,
    reason: String,
}

impl Tenant {
    fn change(&mut self, commit: &Opened, suspended: Option<&TenantSuspended>) {
        let suspension = suspended.map(|event| Suspension { at: commit.recorded_at, reason: event.reason.clone() });
        let change = Change { suspension, position: commit.position };
        self.changes.insert(commit.subject.tenant.clone(), change);
    }
}

impl Projection for Tenant {
    const NAME: &'static str = "tenant";
    const FACETS: Facets = Facets::These(&["tenant"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Tenant(TenantEvent::TenantProvisioned(provisioned)) => self.provisioned.push(Row {
                    tenant: commit.subject.tenant.clone(),
                    pp: commit.pp,
                    name: provisioned.name.clone(),
                    provisioned_at: commit.recorded_at,
                    position: commit.position,
                }),
                Event::Tenant(TenantEvent::TenantSuspended(suspended)) => self.change(commit, Some(suspended)),
                Event::Tenant(TenantEvent::TenantResumed(_)) => self.change(commit, None),
                Event::Guest(_) | Event::Interactions(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(&self.provisioned, |row| row.tenant.as_str());
        let pps = column(&self.provisioned, |row| row.pp);
        let names = column(&self.provisioned, |row| row.name.as_str());
        let provisioned_at = column(&self.provisioned, |row| row.provisioned_at);
        let positions = column(&self.provisioned, |row| row.position);
        let columns = [&tenants as _, &pps as _, &names as _, &provisioned_at as _, &positions as _];
        write::<Self>(connection, INSERT, &columns, self.provisioned.len()).await?;
        let suspensions = || self.changes.values().map(|change| change.suspension.as_ref());
        let tenants = column(self.changes.keys(), proto::subject::Tenant::as_str);
        let suspended_at = column(suspensions(), |suspension| suspension.map(|suspension| suspension.at));
        let reasons = column(suspensions(), |suspension| suspension.map(|suspension| suspension.reason.as_str()));
        let positions = column(self.changes.values(), |change| change.position);
        let columns = [&tenants as _, &suspended_at as _, &reasons as _, &positions as _];
        write::<Self>(connection, CHANGE, &columns, self.changes.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{RECORDED_AT, TENANT, fold, guest, provisioned, registered, resumed, suspended};

    #[test]
    fn a_provisioned_tenant_has_its_name() {
        let batch: Tenant = fold([provisioned(1, "Music shop"), registered(2, guest(1), "")]);
        let [row] = &batch.provisioned[..] else { panic!("one row") };
        assert_eq!((row.tenant.as_str(), row.name.as_str()), (TENANT, "Music shop"));
        assert_eq!((row.provisioned_at, row.position), (RECORDED_AT, 1));
        assert!(batch.changes.is_empty());
    }

    #[test]
    fn a_suspended_tenant_says_since_when_and_why() {
        let batch: Tenant = fold([provisioned(1, "Music shop"), suspended(4, "abuse")]);
        let (tenant, change) = batch.changes.first_key_value().expect("one");
        let suspension = Suspension { at: RECORDED_AT, reason: "abuse".to_owned() };
        assert_eq!((tenant.as_str(), change), (TENANT, &Change { suspension: Some(suspension), position: 4 }));
    }

    #[test]
    fn of_several_changes_the_last_one_counts() {
        let batch: Tenant = fold([suspended(4, "abuse"), resumed(7)]);
        assert_eq!(batch.changes.values().collect::<Vec<_>>(), [&Change { suspension: None, position: 7 }]);
    }
}
