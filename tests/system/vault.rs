//! The vault under many registrations at once, and when it is away.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;
use proto::identifier::Identifier;
use proto::subject::{LogSubject, Owner, Tenant};
use runtime::config::Secret;
use tokio_postgres::Client as Postgres;
use vault::Vault;

use keepsake_tests::harness::{Client, Service, World, eventually, services};

fn tenant() -> Tenant {
    "demo".parse().expect("a token")
}

fn identifier(value: &str) -> Identifier {
    Identifier::parse("", value).expect("an identifier")
}

/// The vault as one process of command-service holds it.
fn open(world: &World) -> Vault {
    let key_file = &world.environment(Service::Command)["KEEPSAKE_KEK_FILE"];
    Vault::connect(&Secret::new(world.database.vault_keeper.clone()), Path::new(key_file)).expect("a vault")
}

/// The name of the vault's database.
fn name(world: &World) -> &str {
    world.database.vault_keeper.rsplit_once('/').expect("a database").1
}

/// The vault's database, for the administrator.
async fn database(world: &World) -> Postgres {
    let server = world.database.admin.rsplit_once('/').expect("a database").0;
    world.database.connect(&format!("{server}/{}", name(world))).await
}

async fn count(database: &Postgres, column: &str, table: &str) -> i64 {
    let sql = format!("SELECT count(DISTINCT {column}) FROM vault.{table}");
    database.query_one(&sql, &[]).await.expect("a count").get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_registered_at_once_are_made_in_groups() {
    const GUESTS: u128 = 300;
    let world = World::start().await;
    let vault = open(&world);
    vault.add_tenant(&tenant()).await.expect("a tenant");
    vault.tenant_secret(&tenant()).await.expect("a secret");
    let named = (0..GUESTS).map(|guest| {
        let vault = &vault;
        async move { vault.register(&tenant(), &identifier(&format!("guest-{guest}")), Owner::guest(guest)).await }
    });
    for (owner, guest) in join_all(named).await.into_iter().zip(0..) {
        assert_eq!(owner.expect("registered"), Owner::guest(guest));
    }
    let unnamed = (GUESTS..2 * GUESTS).map(|guest| {
        let vault = &vault;
        async move { vault.add_guest(&tenant(), &Owner::guest(guest)).await }
    });
    join_all(unnamed).await.into_iter().for_each(|added| added.expect("added"));
    let database = database(&world).await;
    assert_eq!(count(&database, "guest_id", "guest_key").await, 600);
    let transactions = count(&database, "xmin::text", "guest_key").await;
    assert!(transactions < 20, "{transactions} transactions for 600 guests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_claimed_through_two_vaults_at_once_gets_one_owner() {
    const IDENTIFIERS: u128 = 200;
    let world = World::start().await;
    let vaults = [open(&world), open(&world)];
    vaults[0].add_tenant(&tenant()).await.expect("a tenant");
    // Four proposals for each identifier: two in the same group, two in another process's, which comes from the other end.
    let claims = (0..IDENTIFIERS).flat_map(|at| (0..4).map(move |proposal| (at, proposal))).map(|(at, proposal)| {
        let (vault, at) = if proposal < 2 { (&vaults[0], at) } else { (&vaults[1], IDENTIFIERS - 1 - at) };
        async move {
            let proposed = Owner::guest(at * 4 + proposal);
            let owner = vault.register(&tenant(), &identifier(&format!("guest-{at}")), proposed).await;
            (at, owner.expect("registered"))
        }
    });
    let owners: BTreeSet<(u128, Owner)> = join_all(claims).await.into_iter().collect();
    assert_eq!(owners.len(), 200, "one owner each");
    let database = database(&world).await;
    assert_eq!(count(&database, "guest_id", "identifier").await, 200);
    assert_eq!(count(&database, "guest_id", "guest_key").await, 200, "no key of a loser");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_a_guest_just_made_are_known_and_are_the_stored_ones() {
    let world = World::start().await;
    let (here, there) = (open(&world), open(&world));
    here.add_tenant(&tenant()).await.expect("a tenant");
    let (named, unnamed) = (Owner::guest(1), Owner::guest(2));
    here.register(&tenant(), &identifier("ada"), named.clone()).await.expect("registered");
    here.add_guest(&tenant(), &unnamed).await.expect("added");
    let guests = [(tenant(), named), (tenant(), unnamed)];
    let stored = there.keys_of(&guests).await.expect("keys");
    refuse_connections(&world, true).await;
    assert_eq!(here.lookup(&tenant(), &identifier("ada")).await.expect("an owner"), Some(Owner::guest(1)));
    let cached = here.keys_of(&guests).await.expect("keys");
    for guest in &guests {
        let subject = LogSubject::new(guest.0.clone(), guest.1.clone());
        let sealed = vault::seal_state(&subject, "cmd-1", b"", Some(&cached[guest]), b"a state").expect("seals");
        let opened = vault::open_state(&subject, "cmd-1", &sealed, Some(&stored[guest])).expect("opens");
        assert_eq!(*opened, b"a state");
    }
}

/// Takes the vault's database away, or gives it back.
async fn refuse_connections(world: &World, refuse: bool) {
    let (name, admin) = (name(world), world.database.connect(&world.database.admin).await);
    let allow = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {}", !refuse);
    admin.batch_execute(&allow).await.expect("alters");
    if refuse {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        admin.execute(end, &[&name]).await.expect("terminates");
        let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        eventually("nobody is connected to the vault", async || {
            let left: i64 = admin.query_one(left, &[&name]).await.expect("a count").get(0);
            (left == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_vault_is_away_known_guests_are_served_and_new_ones_wait_for_its_return() {
    const RECORD: &str = r#"{"guest_id":"ada","kind":"product.viewed"}"#;
    const NEW: &str = r#"{"identifier":"grace"}"#;
    let world = World::start().await;
    let command = services::command(&world).await;
    let client = Client::new(&world, &command.url(), "demo").await;
    client.provision().await;
    client.register("ada").await;
    client.accepted("interactions.record", None, RECORD).await;
    refuse_connections(&world, true).await;
    assert_eq!(client.accepted("interactions.record", None, RECORD).await.version, 2);
    assert_eq!(client.refused("guest.register", Some("new"), NEW).await, "vault_unavailable");
    assert_eq!(client.accepted("interactions.record", None, RECORD).await.version, 3);
    refuse_connections(&world, false).await;
    assert_eq!(client.accepted("guest.register", Some("new"), NEW).await.version, 1);
    command.stop().await.expect("stops");
}
