//! `keepsake nats-users`, and what `keepsake doctor` says of servers with and without users.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use event_log::stream::{self, StreamOptions};
use event_log::{NatsAddress, User};
use keepsake_cli::servers::{Nats, NatsOptions};
use keepsake_tests::harness::{Logins, World, keepsake, tools};
use tokio::process::Command;

/// Runs it with this environment; whether it succeeded, and what it said.
async fn run(arguments: &[&str], environment: &[(String, String)]) -> (bool, String) {
    let mut command = Command::new(keepsake());
    command.args(arguments).env_clear().envs(environment.iter().cloned());
    let output = command.output().await.expect("starts");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (output.status.success(), said)
}

async fn nats_users(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let arguments = [&["nats-users", "--dir", folder.to_str().expect("UTF-8")], arguments].concat();
    run(&arguments, &[]).await
}

/// Every seed there is, by its file.
fn seeds(folder: &Path) -> BTreeMap<PathBuf, String> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let seeds = files.filter(|file| file.extension().is_some_and(|extension| extension == "nk"));
    seeds.map(|file| (file.clone(), std::fs::read_to_string(file).expect("a seed"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeds_are_made_once_and_only_their_owner_reads_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("users");
    assert!(nats_users(&folder, &[]).await.0);
    let made = seeds(&folder);
    assert_eq!(made.len(), User::ALL.len());
    for (file, seed) in &made {
        assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600, "{}", file.display());
        assert!(seed.starts_with("SU"), "a user's seed");
    }
    let config = std::fs::read_to_string(folder.join("users.conf")).expect("a configuration");
    assert!(made.values().all(|seed| !config.contains(seed.as_str())), "no seed is told to the server");

    assert!(nats_users(&folder, &["caller", "shop", "--tenant", "demo"]).await.0);
    let with_shop = seeds(&folder);
    assert!(made.iter().all(|(file, seed)| with_shop.get(file) == Some(seed)), "no seed is made anew");
    assert!(nats_users(&folder, &["caller", "shop", "--tenant", "demo", "--tenant", "other"]).await.0);
    assert_eq!(seeds(&folder), with_shop, "a caller keeps its seed when its tenants change");
    let config = std::fs::read_to_string(folder.join("users.conf")).expect("a configuration");
    assert!(config.contains("cmd.other.>") && config.contains("\"caller-shop\""), "{config}");

    assert!(nats_users(&folder, &["revoke", "shop"]).await.0);
    assert_eq!(seeds(&folder), made);
    assert!(!std::fs::read_to_string(folder.join("users.conf")).expect("a configuration").contains("shop"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_no_user_of_keepsake_and_has_real_tenants() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, tenant) in [
        ("appender", "demo"),
        ("KEEPSAKE", "demo"),
        ("a.b", "demo"),
        ("../x", "demo"),
        ("shop", "*"),
        ("shop", "a.>"),
        ("shop", "_sys"),
    ] {
        let (succeeded, said) = nats_users(folder.path(), &["caller", name, "--tenant", tenant]).await;
        assert!(!succeeded, "{name} of {tenant}: {said}");
    }
    let own = nkeys::KeyPair::new_user().public_key();
    let (succeeded, said) =
        nats_users(folder.path(), &["caller", "own", "--tenant", "demo", "--public-key", &own]).await;
    assert!(succeeded && !folder.path().join("own.nk").exists(), "{said}");
    assert!(std::fs::read_to_string(folder.path().join("users.conf")).expect("a file").contains(&own));
    for no_user in ["UNKNOWN", &nkeys::KeyPair::new_account().public_key()] {
        let (succeeded, said) =
            nats_users(folder.path(), &["caller", "x", "--tenant", "demo", "--public-key", no_user]).await;
        assert!(!succeeded, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_caller_is_no_longer_admitted() {
    let world = World::start().await;
    world.nats.admit("shop", &["demo"]).await;
    let shop = world.nats.of_user("shop");
    assert!(event_log::connect(&shop, User::Operator, "shop").await.is_ok());
    world.nats.revoke("shop").await;
    let nobody = NatsAddress { users: None, ..shop.clone() };
    for (address, advice) in [(shop, "`keepsake nats-users` writes it anew"), (nobody, "set KEEPSAKE_NATS_USERS")] {
        let refused = event_log::connect(&address, User::Operator, "shop").await.expect_err("refused").to_string();
        assert!(refused.contains(advice), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_made_before_there_were_users_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = NatsOptions::new(folder.path().join("nats"));
    let nats = Nats::start(&tools(), &options).await.expect("nats-server starts");
    let nobody = event_log::connect(&NatsAddress::open(nats.url()), User::Migrate, "test").await.expect("connects");
    let made = stream::ensure(&nobody, StreamOptions { replicas: 1, max_bytes: 1 << 20 }).await.expect("a log");
    nats.stop().await;

    let logins = Logins::make(&folder.path().join("users"));
    let options = NatsOptions { users: Some(logins.config()), ..options };
    let nats = Nats::start(&tools(), &options).await.expect("nats-server starts");
    let address = NatsAddress { users: Some(logins.folder().to_owned()), ..NatsAddress::open(nats.url()) };
    let operator = event_log::connect(&address, User::Operator, "test").await.expect("connects");
    assert_eq!(stream::info(&operator).await.expect("the log").log_id, made.log_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_who_may_write_into_the_log() {
    let world = World::start().await;
    let (_, said) = run(&["doctor"], &world.nats.environment()).await;
    assert!(said.contains("may not write into the log"), "{said}");
    let with_appender =
        [&world.nats.environment()[..], &[("KEEPSAKE_NATS_USER".to_owned(), "test".to_owned())]].concat();
    let (_, said) = run(&["doctor"], &with_appender).await;
    assert!(said.contains("may write into the log itself"), "{said}");

    let folder = tempfile::tempdir().expect("a folder");
    let open = Nats::start(&tools(), &NatsOptions::new(folder.path().join("nats"))).await.expect("nats-server starts");
    let (_, said) = run(&["doctor"], &[("NATS_URL".to_owned(), open.url())]).await;
    assert!(said.contains("whoever reaches this server may write into the log"), "{said}");
}
