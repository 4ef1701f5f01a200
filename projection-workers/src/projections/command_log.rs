//! Which commit carried out which command.

use deadpool_postgres::ClientWrapper;

use crate::error::{Fault, Unfoldable};
use crate::open::Opened;
use crate::projection::{Facets, Projection, column, write};

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
    tenant: String,
    owner: String,
    command: i64,
    position: i64,
    pp: i16,
}

impl Projection for CommandLog {
    const NAME: &'static str = "command_log";
    const FACETS: Facets = Facets::Any;

    fn fold(&mut self, commit: &Opened) -> Result<(), Unfoldable> {
        self.0.push(Row {
            tenant: commit.subject.tenant.to_string(),
            owner: commit.subject.owner.to_string(),
            command: schema::command_hash(&commit.command_id).cast_signed(),
            position: commit.position,
            pp: commit.pp,
        });
        Ok(())
    }

    async fn flush(&self, connection: &ClientWrapper) -> Result<(), Fault> {
        let tenants = column(&self.0, |row| row.tenant.as_str());
        let owners = column(&self.0, |row| row.owner.as_str());
        let commands = column(&self.0, |row| row.command);
        let positions = column(&self.0, |row| row.position);
        let pps = column(&self.0, |row| row.pp);
        let columns = [&tenants as _, &owners as _, &commands as _, &positions as _, &pps as _];
        write::<Self>(connection, INSERT, &columns, self.0.len()).await
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
