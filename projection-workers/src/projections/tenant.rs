//! The customers of the platform.

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

#[derive(Default)]
pub(crate) struct Tenant(Vec<Row>);

#[derive(Debug, PartialEq)]
struct Row {
    tenant: proto::subject::Tenant,
    pp: i16,
    name: String,
    provisioned_at: DateTime<Utc>,
    position: i64,
}

impl Projection for Tenant {
    const NAME: &'static str = "tenant";
    const FACETS: Facets = Facets::These(&["tenant"]);

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        for event in &commit.events {
            match &event.event {
                Event::Tenant(TenantEvent::TenantProvisioned(provisioned)) => self.0.push(Row {
                    tenant: commit.subject.tenant.clone(),
                    pp: commit.pp,
                    name: provisioned.name.clone(),
                    provisioned_at: commit.recorded_at,
                    position: commit.position,
                }),
                Event::Guest(_) | Event::Interactions(_) => {}
            }
        }
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(&self.0, |row| row.tenant.as_str());
        let pps = column(&self.0, |row| row.pp);
        let names = column(&self.0, |row| row.name.as_str());
        let provisioned_at = column(&self.0, |row| row.provisioned_at);
        let positions = column(&self.0, |row| row.position);
        write::<Self>(connection, INSERT, &[&tenants, &pps, &names, &provisioned_at, &positions], self.0.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{RECORDED_AT, TENANT, fold, guest, provisioned, registered};

    #[test]
    fn a_provisioned_tenant_has_its_name() {
        let batch: Tenant = fold([provisioned(1, "Music shop"), registered(2, guest(1), "")]);
        let [row] = &batch.0[..] else { panic!("one row") };
        assert_eq!((row.tenant.as_str(), row.name.as_str()), (TENANT, "Music shop"));
        assert_eq!((row.provisioned_at, row.position), (RECORDED_AT, 1));
    }
}
