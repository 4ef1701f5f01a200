//! The customers of the platform.

use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;
use proto::Event;
use proto::tenant::event::Kind as TenantEvent;

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{Projection, column, write};

const INSERT: &str = "
-- insert_tenants()
INSERT INTO read.tenant (tenant, name, provisioned_at, position)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::bigint[])";

#[derive(Default)]
pub(crate) struct Tenant(Vec<Row>);

#[derive(Debug, PartialEq)]
struct Row {
    tenant: String,
    name: String,
    provisioned_at: DateTime<Utc>,
    position: i64,
}

impl Projection for Tenant {
    const NAME: &'static str = "tenant";

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Tenant(TenantEvent::TenantProvisioned(provisioned)) => self.0.push(Row {
                    tenant: commit.subject.tenant.to_string(),
                    name: provisioned.name.clone(),
                    provisioned_at: commit.recorded_at,
                    position: commit.position,
                }),
                Event::Guest(_) | Event::Interactions(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, transaction: &Transaction<'_>) -> Result<(), Fault> {
        let tenants = column(&self.0, |row| row.tenant.as_str());
        let names = column(&self.0, |row| row.name.as_str());
        let provisioned_at = column(&self.0, |row| row.provisioned_at);
        let positions = column(&self.0, |row| row.position);
        write::<Self>(transaction, INSERT, &[&tenants, &names, &provisioned_at, &positions], self.0.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{RECORDED_AT, TENANT, fold, guest, provisioned, registered};

    #[test]
    fn a_provisioned_tenant_has_its_name() {
        let batch: Tenant = fold([provisioned(1, "Music shop"), registered(2, guest(1), "")]);
        let (tenant, name) = (TENANT.to_owned(), "Music shop".to_owned());
        assert_eq!(batch.0, [Row { tenant, name, provisioned_at: RECORDED_AT, position: 1 }]);
    }
}
