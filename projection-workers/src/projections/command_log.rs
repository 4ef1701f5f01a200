//! Which commit carried out which command.

use deadpool_postgres::ClientWrapper;
use proto::subject::{Owner, Tenant};

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{Facets, Projection, by_key, column, write};

/// A plain insert: were a commit ever folded twice, its second row would be refused and seen.
const INSERT: &str = "
-- insert_commands()
INSERT INTO command_log (tenant, owner, command, position, pp)
SELECT tenant, owner, command, position, pp
FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::smallint[])
  AS c (tenant, owner, command, position, pp)";

#[derive(Default)]
pub(crate) struct CommandLog(Vec<Row>);

#[derive(Debug, PartialEq)]
struct Row {
    tenant: Tenant,
    owner: Owner,
    command: i64,
    position: i64,
    pp: i16,
}

impl Projection for CommandLog {
    const NAME: &'static str = "command_log";
    const FACETS: Facets = Facets::Any;

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        self.0.push(Row {
            tenant: commit.subject.tenant.clone(),
            owner: commit.subject.owner.clone(),
            command: schema::command_hash(&commit.command_id).cast_signed(),
            position: commit.position,
            pp: commit.pp,
        });
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let rows = by_key(&self.0, |row| (&row.tenant, &row.owner, row.command));
        let tenants = column(&rows, |row| row.tenant.as_str());
        let owners = column(&rows, |row| row.owner.as_str());
        let commands = column(&rows, |row| row.command);
        let positions = column(&rows, |row| row.position);
        let pps = column(&rows, |row| row.pp);
        let columns = [&tenants as _, &owners as _, &commands as _, &positions as _, &pps as _];
        write::<Self>(connection, INSERT, &columns, rows.len()).await
    }
}

#[cfg(test)]
mod specs {
    use super::*;
    use crate::given::{fold, guest, interacted, interaction, provisioned};

    #[test]
    fn every_commit_is_found_by_its_owner_and_command() {
        let batch: CommandLog = fold([provisioned(1, "A shop"), interacted(3, guest(1), interaction(0, |_| {}))]);
        let [provision, record] = &batch.0[..] else { panic!("two rows") };
        assert_eq!((provision.owner.as_str(), provision.position), ("tenant", 1));
        assert_eq!((record.owner.as_str(), record.position), (guest(1).as_str(), 3));
        assert_eq!(record.command, schema::command_hash("cmd_3").cast_signed());
        assert_ne!(record.command, provision.command);
    }
}
