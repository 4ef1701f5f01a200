//! What the catalog is asked finds what it is asked for: each fault is planted, and named.

use keepsake_tests::harness::World;

/// A fault, and how it is named; planted in the database of the read models by its administrator. `profile` stands for the table of
/// the live generation.
const FAULTS: [(&str, &str); 24] = [
    ("ALTER TABLE profile NO FORCE ROW LEVEL SECURITY", "no forced row-level security"),
    ("ALTER TABLE profile DISABLE ROW LEVEL SECURITY", "no forced row-level security"),
    ("ALTER TABLE keepsake.due NO FORCE ROW LEVEL SECURITY", "due has a tenant and no forced"),
    ("ALTER TABLE keepsake.parking_act DISABLE ROW LEVEL SECURITY", "parking_act has a tenant and no forced"),
    ("CREATE TABLE read.mood (tenant text NOT NULL, pp smallint, position bigint)", "no primary key"),
    ("CREATE TABLE read.mood (pp smallint NOT NULL, position bigint NOT NULL PRIMARY KEY)", "read.mood has no tenant"),
    ("CREATE UNIQUE INDEX ON profile (guest_id)", "is unique across tenants"),
    ("CREATE UNIQUE INDEX ON profile (guest_id) INCLUDE (tenant)", "is unique across tenants"),
    (
        "CREATE UNIQUE INDEX g ON profile (tenant, guest_id); CREATE UNIQUE INDEX h ON profile (guest_id);
         ALTER TABLE read_topic_summary_6.topic_guest ADD FOREIGN KEY (guest_id) REFERENCES profile (guest_id)",
        "is a foreign key that may lead to another tenant's row",
    ),
    ("CREATE MATERIALIZED VIEW read.all_of_it AS SELECT * FROM profile", "read.all_of_it is a materialized view"),
    ("CREATE VIEW read.all_of_it AS SELECT * FROM profile", "read.all_of_it is a view that reads as its owner"),
    ("ALTER VIEW read.profile SET (security_invoker = false)", "read.profile is a view that reads as its owner"),
    (
        "CREATE FUNCTION read.all_of_it() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM read.profile'",
        "read.all_of_it() is a function that acts as its owner",
    ),
    ("GRANT UPDATE ON profile TO keepsake_reader", "by keepsake_reader, may be changed by readers"),
    ("GRANT UPDATE (attributes) ON profile TO PUBLIC", "by keepsake_command_reader, may be changed by readers"),
    ("GRANT TRUNCATE ON profile TO keepsake_writer", "may be emptied, referred to or given triggers"),
    ("GRANT REFERENCES (guest_id) ON profile TO keepsake_writer", "may be emptied, referred to or given triggers"),
    ("GRANT CREATE ON SCHEMA read TO keepsake_writer", "schema read, for keepsake_writer, is a place"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "schema public, for keepsake_reader, is a place"),
    ("ALTER TABLE keepsake.due OWNER TO keepsake_writer", "due belongs to a role"),
    ("CREATE POLICY all_of_it ON profile FOR SELECT TO PUBLIC USING (true)", "lets a reader see more than one tenant"),
    (
        "CREATE POLICY some_of_it ON profile FOR SELECT TO keepsake_reader USING (tenant IS NOT NULL)",
        "lets a reader see more than one tenant",
    ),
    ("GRANT SELECT ON profile TO keepsake_command_reader", "is read by the command side"),
    ("GRANT SELECT ON keepsake.due TO PUBLIC", "due is read by the command side"),
];

/// The same of roles, which the databases of a server share.
const FAULTS_OF_ROLES: [(&str, &str); 6] = [
    ("ALTER ROLE keepsake_writer BYPASSRLS", "keepsake_writer is a role that row-level security does not bind"),
    (
        "ALTER ROLE keepsake_reader_login SUPERUSER",
        "keepsake_reader_login is a role that row-level security does not bind",
    ),
    (
        "ALTER ROLE keepsake_reader_login CREATEDB",
        "keepsake_reader_login is a role that row-level security does not bind",
    ),
    ("ALTER ROLE keepsake_command_reader CREATEROLE", "keepsake_command_reader is a role that row-level"),
    ("GRANT pg_read_all_data TO keepsake_reader", "keepsake_reader, with pg_read_all_data, is a role"),
    ("GRANT keepsake_writer TO keepsake_reader_login", "keepsake_reader_login is a login that may act as two services"),
];

const LIVE: &str = "SELECT schema_name, projection FROM keepsake.generation WHERE state = 'live'";

async fn assert_found(world: &World, faults: &[(&str, &str)]) {
    let mut admin = world.database.connect(&world.database.read_admin).await;
    let live = admin.query(LIVE, &[]).await.expect("asks");
    let schema = |projection: &str| -> String {
        live.iter().find(|row| row.get::<_, &str>(1) == projection).expect("there is one").get(0)
    };
    for (fault, named) in faults {
        let fault = fault.replace("ON profile", &format!("ON {}.profile", schema("profile")));
        let fault = fault.replace("TABLE profile", &format!("TABLE {}.profile", schema("profile")));
        let fault = fault.replace("FROM profile", &format!("FROM {}.profile", schema("profile")));
        let fault = fault.replace("REFERENCES profile", &format!("REFERENCES {}.profile", schema("profile")));
        let fault = fault.replace("read_topic_summary_6", &schema("topic_summary"));
        let planted = admin.transaction().await.expect("begins");
        planted.batch_execute(&fault).await.unwrap_or_else(|error| panic!("{fault}: {error:?}"));
        let found = schema::catalog::faults(&planted).await.expect("asks");
        assert!(found.iter().any(|found| found.contains(named)), "{fault} is not noticed: {found:?}");
        planted.rollback().await.expect("rolls back");
    }
    assert_eq!(schema::catalog::faults(&admin).await.expect("asks"), Vec::<String>::new());
}

#[tokio::test]
async fn every_way_past_row_level_security_is_noticed() {
    assert_found(&World::start().await, &FAULTS).await;
}

/// On a Postgres of its own: other tests migrate meanwhile, and would be refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_too_much_is_noticed() {
    assert_found(&World::start_with_its_own_postgres().await, &FAULTS_OF_ROLES).await;
}
