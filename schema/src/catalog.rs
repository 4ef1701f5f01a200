//! What must hold of the tables and of who may use them, whatever their SQL says: the catalog itself is asked. Run by every
//! migration, and by a test.

mod roles;
mod tables;

use tokio_postgres::GenericClient;

/// What is wrong with whatever a query names, and that query: one row per fault, one column.
type Check = (&'static str, &'static str);

/// A condition on a schema: `keepsake`, `read`, and those of generations are ours.
macro_rules! is_ours {
    ($namespace:literal) => {
        concat!("(", $namespace, "::regnamespace::text ~ '^(keepsake$|read(_|$))')")
    };
}

/// The roles that services act as, as an item of FROM: `role (id, name)`.
macro_rules! run_time_roles {
    () => {
        "(SELECT oid, rolname FROM pg_roles
          WHERE rolname IN ('keepsake_reader', 'keepsake_writer', 'keepsake_command_reader')) AS role (id, name)"
    };
}

use {is_ours, run_time_roles};

/// Everything by which one tenant could see or touch another's rows; empty when all is well.
pub async fn faults(client: &impl GenericClient) -> Result<Vec<String>, tokio_postgres::Error> {
    let mut faults = Vec::new();
    for (fault, query) in tables::CHECKS.iter().chain(roles::CHECKS) {
        for row in client.query(*query, &[]).await? {
            faults.push(format!("{} {fault}", row.try_get::<_, String>(0)?));
        }
    }
    Ok(faults)
}
