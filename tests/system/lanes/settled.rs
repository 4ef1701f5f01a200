//! The end of every fault: with the load over, everything must add up.

use keepsake_tests::harness::{Client, Workers, World, naive, until_folded};
use projection_workers::{Verification, Verified, verify};
use runtime::config::Secret;

use crate::faults::load::Load;

/// Compares everything there is.
pub(crate) async fn verified(world: &World, projection: Option<&str>, guests: Option<usize>) -> Verified {
    let verification = Verification {
        nats: world.nats.of_services(),
        database_url: Secret::new(world.database.writer.clone()),
        vault_url: Secret::new(world.database.vault_opener.clone()),
        key_file: world.key_file(),
        projection: projection.map(ToOwned::to_owned),
        guests,
    };
    verify(&verification, |_| {}).await.expect("compares")
}

/// Ends the load: every row must be that of a plain fold of the log, the proof must hold, and nobody may have met a deadlock.
pub(crate) async fn settled(world: &World, client: &Client, load: Load, workers: &Workers) {
    load.stop().await;
    until_folded(world, client).await;
    let differences = naive::differences(world).await;
    let Verified { findings, commits, .. } = verified(world, None, None).await;
    assert!(
        differences.is_empty() && findings.is_empty(),
        "a plain fold differs: {differences:#?}\nthe proof fails: {findings:#?}"
    );
    assert!(commits > 0);
    let admin = world.database.connect(&world.database.read_admin).await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(admin.query_one(deadlocks, &[]).await.expect("asks").get::<_, i64>(0), 0, "deadlocks");
    for which in 0..workers.count() {
        let logged = workers.logged(which);
        assert!(!logged.contains("panicked") && !logged.contains("halted"), "worker {which}:\n{logged}");
    }
}
