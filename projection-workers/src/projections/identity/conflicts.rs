//! Who was said to be a guest and was not taken for it.

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use proto::guest::IdentityConflictDetected;
use proto::subject::{Owner, Tenant};

use super::Identity;
use crate::error::Fault;
use crate::open::Opened;
use crate::projection::{column, write};

const INSERT: &str = "
-- insert_conflicts()
INSERT INTO identity_conflict (tenant, guest_id, position, event_index, event_id, other_id, namespace, reason, pp, detected_at)
SELECT *
FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::smallint[],
            $10::timestamptz[])";

#[derive(Default)]
pub(super) struct Conflicts(Vec<Conflict>);

struct Conflict {
    tenant: Tenant,
    guest_id: Owner,
    position: i64,
    event_index: i16,
    event_id: String,
    told: IdentityConflictDetected,
    pp: i16,
    detected_at: DateTime<Utc>,
}

impl Conflicts {
    pub(super) fn detect(
        &mut self,
        commit: &Opened,
        event_index: i16,
        event_id: &str,
        told: &IdentityConflictDetected,
    ) {
        self.0.push(Conflict {
            tenant: commit.subject.tenant.clone(),
            guest_id: commit.subject.owner.clone(),
            position: commit.position,
            event_index,
            event_id: event_id.to_owned(),
            told: told.clone(),
            pp: commit.pp,
            detected_at: commit.recorded_at,
        });
    }

    pub(super) async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(&self.0, |conflict| conflict.tenant.as_str());
        let guests = column(&self.0, |conflict| conflict.guest_id.as_str());
        let positions = column(&self.0, |conflict| conflict.position);
        let indexes = column(&self.0, |conflict| conflict.event_index);
        let ids = column(&self.0, |conflict| conflict.event_id.as_str());
        let others = column(&self.0, |conflict| conflict.told.other_id.as_str());
        let namespaces = column(&self.0, |conflict| conflict.told.namespace.as_str());
        let reasons = column(&self.0, |conflict| conflict.told.reason.as_str());
        let pps = column(&self.0, |conflict| conflict.pp);
        let detected_at = column(&self.0, |conflict| conflict.detected_at);
        let columns = [&tenants as _, &guests as _, &positions as _, &indexes as _, &ids as _];
        let columns = [columns.as_slice(), &[&others as _, &namespaces as _, &reasons as _]].concat();
        let columns = [columns.as_slice(), &[&pps as _, &detected_at as _]].concat();
        write::<Identity>(connection, INSERT, &columns, self.0.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{conflicted, fold, guest};

    #[test]
    fn a_conflict_is_kept_with_whom_it_is() {
        let batch: Identity = fold([conflicted(5, guest(1), &guest(2))]);
        let [conflict] = &batch.conflicts.0[..] else { panic!("one") };
        assert_eq!((conflict.position, conflict.event_index, conflict.event_id.as_str()), (5, 0, "evt_5"));
        assert_eq!((conflict.told.other_id.as_str(), conflict.guest_id.clone()), (guest(2).as_str(), guest(1)));
    }
}
