//! A read database of an earlier version is brought up to date with what cannot be folded again.

use std::fs;

use keepsake_tests::harness::{World, repository};

/// As they were before read models had generations.
const BEFORE: usize = 4;

/// A commit that three read models could not fold, two of which somebody decided to do without; and a guest that is parked.
const LOT: &str = "
INSERT INTO keepsake.parked_commit (tenant, owner, projection, position, pp, skipped)
VALUES ('demo', 'prf_1', 'profile', 7, 3, true), ('demo', 'prf_1', 'timeline', 7, 3, true), ('demo', 'prf_1', 'interaction', 7, 3, false);
INSERT INTO keepsake.parked_guest (tenant, owner, projection, pp, position, reason) VALUES ('demo', 'prf_1', 'interaction', 3, 7, '');
INSERT INTO keepsake.parking_act (tenant, owner, projection, act, position, actor, reason)
VALUES ('demo', 'prf_1', 'profile', 'skip', 7, 'ada', '');
CREATE TABLE read.profile (tenant text PRIMARY KEY);
INSERT INTO keepsake.read_model (name, version, tables) VALUES ('profile', 'of old', '{read.profile}');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_skipped_before_read_models_had_generations_stays_skipped() {
    let world = World::start().await;
    let admin = world.database.connect(&world.database.read_admin).await;
    let empty = "DROP SCHEMA keepsake, read CASCADE; CREATE SCHEMA keepsake; CREATE SCHEMA read";
    let generations = "SELECT schema_name FROM keepsake.generation";
    for row in admin.query(generations, &[]).await.expect("asks") {
        let drop = format!("DROP SCHEMA {} CASCADE", row.get::<_, String>(0));
        admin.batch_execute(&drop).await.expect("drops");
    }
    admin.batch_execute(empty).await.expect("empties");
    let mut files: Vec<_> = fs::read_dir(repository().join("schema/checkpoint")).expect("a folder").collect();
    files.sort_by_key(|file| file.as_ref().expect("an entry").file_name());
    for (number, file) in files.iter().enumerate() {
        if number == BEFORE {
            admin.batch_execute(LOT).await.expect("inserts");
        }
        let sql = fs::read_to_string(file.as_ref().expect("an entry").path()).expect("a text");
        admin.batch_execute(&format!("BEGIN; {sql}; COMMIT")).await.expect("migrates");
    }
    let count = async |what: &str| {
        let row = admin.query_one(&format!("SELECT count(*) FROM keepsake.{what}"), &[]).await.expect("asks");
        row.get::<_, i64>(0)
    };
    assert_eq!(count("parked_commit WHERE skipped AND generation = 0").await, 2);
    assert_eq!((count("parked_commit").await, count("parked_guest").await, count("parking_act").await), (2, 0, 1));
}
