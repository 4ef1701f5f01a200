//! The customers of the platform, which of them are suspended, and what was agreed with them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::Event;
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
-- change_tenants()
UPDATE tenant AS t
SET suspended_at = CASE WHEN c.has_standing THEN c.suspended_at ELSE t.suspended_at END,
    suspension_reason = CASE WHEN c.has_standing THEN c.reason ELSE t.suspension_reason END,
    requests_per_s = coalesce(c.requests_per_s, t.requests_per_s),
    position = c.position
FROM UNNEST($1::text[], $2::boolean[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[])
  AS c (tenant, has_standing, suspended_at, reason, requests_per_s, position)
WHERE t.tenant = c.tenant AND t.position < c.position";

#[derive(Default)]
pub(crate) struct Tenant {
    provisioned: Vec<Row>,
    /// What becomes of each tenant in the batch, all in all.
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

#[derive(Debug, Default, PartialEq)]
struct Change {
    standing: Option<Standing>,
    requests_per_s: Option<i64>,
    position: i64,
}

#[derive(Debug, PartialEq)]
enum Standing {
    Active,
    Suspended(Suspension),
}

#[derive(Debug, PartialEq)]
struct Suspension {
    at: DateTime<Utc>,
    reason: String,
}

impl Tenant {
    fn change(&mut self, commit: &Opened) -> &mut Change {
        let change = self.changes.entry(commit.subject.tenant.clone()).or_default();
        change.position = commit.position;
        change
    }
}

impl Change {
    fn suspension(&self) -> Option<&Suspension> {
        match &self.standing {
            Some(Standing::Suspended(suspension)) => Some(suspension),
            Some(Standing::Active) | None => None,
        }
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
                Event::Tenant(TenantEvent::TenantSuspended(suspended)) => {
                    let suspension = Suspension { at: commit.recorded_at, reason: suspended.reason.clone() };
                    self.change(commit).standing = Some(Standing::Suspended(suspension));
                }
                Event::Tenant(TenantEvent::TenantResumed(_)) => self.change(commit).standing = Some(Standing::Active),
                Event::Tenant(TenantEvent::TenantConfigured(configured)) => {
                    self.change(commit).requests_per_s = Some(configured.requests_per_s.into());
                }
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
        let suspensions = || self.changes.values().map(Change::suspension);
        let tenants = column(self.changes.keys(), proto::subject::Tenant::as_str);
        let has_standing = column(self.changes.values(), |change| change.standing.is_some());
        let suspended_at = column(suspensions(), |suspension| suspension.map(|suspension| suspension.at));
        let reasons = column(suspensions(), |suspension| suspension.map(|suspension| suspension.reason.as_str()));
        let requests_per_s = column(self.changes.values(), |change| change.requests_per_s);
        let positions = column(self.changes.values(), |change| change.position);
        let columns = [
            &tenants as _,
            &has_standing as _,
            &suspended_at as _,
            &reasons as _,
            &requests_per_s as _,
            &positions as _,
        ];
        write::<Self>(connection, CHANGE, &columns, self.changes.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{RECORDED_AT, TENANT, configured, fold, guest, provisioned, registered, resumed, suspended};

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
        let standing = Some(Standing::Suspended(suspension));
        assert_eq!((tenant.as_str(), change), (TENANT, &Change { standing, position: 4, ..Change::default() }));
    }

    #[test]
    fn of_several_changes_the_last_one_counts() {
        let batch: Tenant = fold([suspended(4, "abuse"), resumed(7)]);
        let resumed = Change { standing: Some(Standing::Active), position: 7, ..Change::default() };
        assert_eq!(batch.changes.values().collect::<Vec<_>>(), [&resumed]);
    }

    #[test]
    fn settings_leave_a_suspension_as_it_is_and_the_other_way_round() {
        let batch: Tenant = fold([configured(4, 100)]);
        let settings = Change { standing: None, requests_per_s: Some(100), position: 4 };
        assert_eq!(batch.changes.values().collect::<Vec<_>>(), [&settings]);
        let batch: Tenant = fold([configured(4, 100), suspended(5, "abuse"), resumed(7)]);
        let both = Change { standing: Some(Standing::Active), requests_per_s: Some(100), position: 7 };
        assert_eq!(batch.changes.values().collect::<Vec<_>>(), [&both]);
    }
}
