//! The chain itself: whatever is done to the table shows, and services may only add to it.

use futures_util::future::join_all;
use keepsake_tests::harness::World;
use runtime::config::Secret;
use tokio_postgres::error::SqlState;
use vault::Vault;
use vault::audit::{Act, Actor, Chain, Entries, Entry};

use super::{entries, operate, verified};

fn vault(world: &World, url: &str) -> Vault {
    Vault::connect(&Secret::new(url.to_owned()), &world.key_file()).expect("a vault")
}

fn chain() -> Chain {
    "demo".parse().expect("a token")
}

fn entry(number: usize) -> Entry {
    Entry { detail: number.to_string(), ..Entry::now(Actor::operator("ada"), Act::new("test.act")) }
}

/// So many entries, two at a time.
async fn record(vault: &Vault, count: usize) {
    for number in 1..=count / 2 {
        vault.record(&mut Entries::new(chain(), &[entry(number), entry(number)])).await.expect("recorded");
    }
}

const RESTORED: &str = "DELETE FROM audit.entry; INSERT INTO audit.entry SELECT * FROM public.kept";

/// The administrator of the vault, once a copy of the trail is made.
async fn copied(world: &World) -> tokio_postgres::Client {
    let admin = world.database.connect(&world.database.vault_admin()).await;
    admin.batch_execute("CREATE TABLE public.kept AS SELECT * FROM audit.entry").await.expect("keeps a copy");
    admin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_changed_in_the_trail_is_found() {
    let world = World::start().await;
    let vault = vault(&world, &world.database.vault_keeper);
    record(&vault, 10).await;
    vault.record(&mut Entries::new(Chain::Installation, &[entry(1)])).await.expect("recorded");
    let (is_whole, said) = verified(&world, None).await;
    assert!(is_whole && said.contains("demo  10 entries") && said.contains("*  1 entries"), "{said}");
    let admin = copied(&world).await;
    let cases = [
        (
            "UPDATE audit.entry SET text = replace(text, 'ada', 'bob') WHERE chain = 'demo' AND seq = 4",
            "entry 4 is not as it was written",
        ),
        ("DELETE FROM audit.entry WHERE chain = 'demo' AND seq = 4", "entry 4 is gone"),
        ("DELETE FROM audit.entry WHERE chain = 'demo' AND seq < 4", "entry 1 is gone"),
        (
            "UPDATE audit.entry SET seq = seq + 100 WHERE chain = 'demo' AND seq > 4; UPDATE audit.entry SET seq = seq - 101 WHERE chain = 'demo' AND seq > 105; \
             DELETE FROM audit.entry WHERE seq = 105",
            "entry 5 is not as it was written",
        ),
        (
            "INSERT INTO audit.entry SELECT chain, 11, text, mac FROM audit.entry WHERE chain = 'demo' AND seq = 10",
            "entry 11 is not as it was written",
        ),
        ("UPDATE audit.entry SET chain = 'other' WHERE chain = '*'", "entry 1 is not as it was written"),
        ("UPDATE audit.entry SET chain = 'a.b' WHERE chain = '*'", "nobody of ours writes"),
        // One fault hides no other.
        (
            "UPDATE audit.entry SET text = '{}' WHERE chain = 'demo' AND seq IN (2, 8)",
            "entry 8 is not as it was written",
        ),
    ];
    for (change, finding) in cases {
        admin.batch_execute(change).await.expect("changes");
        let (is_whole, said) = verified(&world, None).await;
        assert!(!is_whole && said.contains(finding), "{change}: {said}");
        admin.batch_execute(RESTORED).await.expect("restores");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_off_at_the_end_and_a_chain_begun_anew_are_found_by_the_heads_that_were_noted() {
    let world = World::start().await;
    let vault = vault(&world, &world.database.vault_keeper);
    record(&vault, 10).await;
    vault.record(&mut Entries::new(Chain::Installation, &[entry(1)])).await.expect("recorded");
    let (_, heads, _) = operate(&world, &["audit", "heads"]).await;
    let noted = world.folder().join("heads");
    std::fs::write(&noted, &heads).expect("writes");
    assert!(verified(&world, Some(&noted)).await.0);
    let admin = copied(&world).await;
    for (change, finding) in [
        ("DELETE FROM audit.entry WHERE chain = 'demo' AND seq > 7", "entries up to 10 were noted"),
        ("DELETE FROM audit.entry WHERE chain = '*'", "entries up to 1 were noted"),
    ] {
        admin.batch_execute(change).await.expect("changes");
        assert!(verified(&world, None).await.0);
        let (is_whole, said) = verified(&world, Some(&noted)).await;
        assert!(!is_whole && said.contains(finding), "{said}");
        admin.batch_execute(RESTORED).await.expect("restores");
    }
    // A chain that was begun anew is whole in itself.
    admin.batch_execute("DELETE FROM audit.entry").await.expect("changes");
    record(&vault, 12).await;
    assert!(verified(&world, None).await.0);
    let (is_whole, said) = verified(&world, Some(&noted)).await;
    assert!(!is_whole && said.contains("entry 10 is another one than the noted head says"), "{said}");
    // An entry of the former chain was written by us, under the same number, and does not belong here all the same.
    let taken_over = "UPDATE audit.entry AS e SET text = k.text, mac = k.mac FROM public.kept AS k
                      WHERE e.chain = 'demo' AND k.chain = 'demo' AND e.seq = 7 AND k.seq = 7";
    admin.batch_execute(taken_over).await.expect("changes");
    let (is_whole, said) = verified(&world, None).await;
    assert!(!is_whole && said.contains("entry 7 is not as it was written"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_record_at_once_make_one_chain() {
    let world = World::start().await;
    let url = &world.database.vault_keeper;
    let processes: Vec<Vault> = (0..6).map(|_| vault(&world, url)).collect();
    let record = async |vault: &Vault, first: usize| {
        for number in first..first + 20 {
            vault.record(&mut Entries::new(chain(), &[entry(number)])).await.expect("recorded");
        }
    };
    join_all(processes.iter().zip((0..).step_by(20)).map(|(vault, first)| record(vault, first))).await;
    let all = entries(&world, &[]).await;
    let mut numbers: Vec<usize> =
        all.iter().map(|line| line["entry"]["detail"].as_str().expect("a number").parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..120).collect::<Vec<_>>(), "each once");
    assert!(verified(&world, None).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_add_entries_and_do_nothing_else_to_them() {
    let world = World::start().await;
    let keeper = vault(&world, &world.database.vault_keeper);
    keeper.record(&mut Entries::new(chain(), &[entry(1)])).await.expect("recorded");
    let databases = &world.database;
    for (url, may_read) in
        [(&databases.vault_keeper, false), (&databases.vault_lookup, false), (&databases.vault_opener, true)]
    {
        vault(&world, url).record(&mut Entries::new(chain(), &[entry(2)])).await.expect("recorded");
        let connection = databases.connect(url).await;
        let forbidden = [
            "UPDATE audit.entry SET text = ''",
            "UPDATE audit.entry SET mac = ''",
            "DELETE FROM audit.entry",
            "TRUNCATE audit.entry",
            "DROP TABLE audit.entry",
            "ALTER TABLE audit.entry ADD COLUMN x text",
            "CREATE TRIGGER x BEFORE INSERT ON audit.entry EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "CREATE TABLE audit.x ()",
        ];
        for statement in forbidden {
            let refused = connection.batch_execute(statement).await.expect_err(statement);
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {refused}");
        }
        assert_eq!(connection.batch_execute("SELECT text FROM audit.entry").await.is_ok(), may_read, "{url}");
    }
    assert!(verified(&world, None).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_the_database_leaves_out_are_missed_at_once() {
    let world = World::start().await;
    let admin = world.database.connect(&world.database.vault_admin()).await;
    let swallow = "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                   CREATE TRIGGER swallow BEFORE INSERT ON audit.entry FOR EACH ROW EXECUTE FUNCTION public.swallow()";
    admin.batch_execute(swallow).await.expect("changes");
    let vault = vault(&world, &world.database.vault_keeper);
    assert!(vault.record(&mut Entries::new(chain(), &[entry(1)])).await.is_err());
}
