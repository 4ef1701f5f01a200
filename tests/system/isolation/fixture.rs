//! Two tenants with a row in every table there is, so that a table which shows too much has something to show.

use tokio_postgres::Client as Postgres;

use keepsake_tests::harness::{Client, InProcess, World, rebuild, until_folded};

pub(super) const OURS: &str = "ours";
/// In this tenant's name and so in every row of it.
pub(super) const THEIRS: &str = "zqxb_shop";
/// In everything that was said about the people of that tenant.
pub(super) const THEIR_WORD: &str = "wvkj";

/// Tables and views with a tenant, and the columns of each.
const RELATIONS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'v' AS is_view,
       array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname ~ '^(keepsake$|read(_|$))' AND c.relkind IN ('r', 'p', 'v', 'f') AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY 1, 2
HAVING bool_or(a.attname = 'tenant')
ORDER BY 1";

const MAY_SELECT: &str = "SELECT has_any_column_privilege($1::text, 'SELECT')";

/// What no command of today leads to: findings, parked guests, timers, and what waits to be sent. `%1$s` is a tenant, `%2$s` a word of it.
const BOOKKEEPING: &str = "
INSERT INTO keepsake.finding (tenant, guest_id, pp, projection, relation, row_key, position, difference)
VALUES ('%1$s', 'prf_%2$s', 3, 'profile', 'profile', '%2$s', 1, '%2$s');
INSERT INTO keepsake.parked_guest (tenant, owner, projection, generation, pp, position, reason)
VALUES ('%1$s', 'prf_%2$s', 'profile', 1, 3, 1, '%2$s');
INSERT INTO keepsake.parked_commit (tenant, owner, projection, generation, position, pp)
VALUES ('%1$s', 'prf_%2$s', 'profile', 1, 1, 3);
INSERT INTO keepsake.parking_request (tenant, owner, projection, generation, pp, act, actor, reason, position)
VALUES ('%1$s', 'prf_%2$s', 'profile', 1, 3, 'retry', '%2$s', '%2$s', 1);
INSERT INTO keepsake.parking_act (tenant, owner, projection, generation, act, position, actor, reason)
VALUES ('%1$s', 'prf_%2$s', 'profile', 1, 'park', 1, '%2$s', '%2$s');
INSERT INTO keepsake.due (tenant, timer_id, cause, owner, pp, due_at, facet, command, body)
VALUES ('%1$s', '%2$s', '%2$s', 'prf_%2$s', 3, 'infinity', 'guest', '%2$s', '%2$s');
INSERT INTO keepsake.outbox (tenant, event_id, name, body) VALUES ('%1$s', '%2$s', '%2$s', '%2$s');";

/// A table or view with a tenant.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) is_view: bool,
    pub(super) columns: Vec<String>,
}

/// A world in which two tenants have rows everywhere and nobody folds any more.
pub(super) struct Two {
    pub(super) world: World,
    pub(super) admin: Postgres,
    /// Every one there is, by the catalog.
    pub(super) relations: Vec<Relation>,
    /// Our ids of the other tenant's guests.
    pub(super) their_guests: Vec<String>,
}

impl Two {
    pub(super) async fn start() -> Self {
        let world = World::start().await;
        let services = InProcess::start(&world).await;
        let client = Client::new(&world, &services.query.url(), OURS).await;
        set_up(&client, "oursword").await;
        let their_guests = set_up(&client.of(THEIRS), THEIR_WORD).await;
        until_folded(&world, &client).await;
        // Two generations of one read model: what a rebuild makes is held to the same.
        let (code, said) = rebuild(&world, &["profile", "--throttle", "none"]).await;
        assert_eq!(code, Some(0), "{said}");
        services.stop().await;
        let admin = world.database.connect(&world.database.read_admin).await;
        for (tenant, word) in [(OURS, "oursword"), (THEIRS, THEIR_WORD)] {
            admin.batch_execute(&BOOKKEEPING.replace("%1$s", tenant).replace("%2$s", word)).await.expect("inserts");
        }
        let relations = relations(&admin).await;
        for relation in &relations {
            for tenant in [OURS, THEIRS] {
                let rows = count(&admin, &relation.name, &format!("tenant = '{tenant}'")).await;
                assert!(rows > 0, "{} has no row of {tenant}: give it one here", relation.name);
            }
        }
        Self { world, admin, relations, their_guests }
    }
}

/// Rows that `client` sees.
pub(super) async fn count(client: &Postgres, relation: &str, of: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {relation} WHERE {of}");
    client.query_one(&count, &[]).await.unwrap_or_else(|error| panic!("{count}: {error}")).get(0)
}

/// Whether the role may read anything of it.
pub(super) async fn may_select(role: &Postgres, relation: &Relation) -> bool {
    role.query_one(MAY_SELECT, &[&relation.name]).await.expect("asks").get(0)
}

async fn relations(admin: &Postgres) -> Vec<Relation> {
    let rows = admin.query(RELATIONS, &[]).await.expect("asks");
    rows.iter().map(|row| Relation { name: row.get(0), is_view: row.get(1), columns: row.get(2) }).collect()
}

/// What a tenant has: guests with identifiers and attributes, a merge, interactions, a suspension that is over. Answers our ids.
async fn set_up(client: &Client, word: &str) -> Vec<String> {
    client.accepted("tenant.provision", None, &format!(r#"{{"name":"{word} shop"}}"#)).await;
    let mut guests = Vec::new();
    for guest in 0..4 {
        let register =
            format!(r#"{{"identifier":"{word}-{guest}","namespace":"email","attributes":{{"note":"{word}"}}}}"#);
        guests.push(client.accepted("guest.register", None, &register).await.guest_id);
    }
    for (turn, guest) in guests.iter().enumerate() {
        let record = format!(
            r#"{{"guest_id":"{guest}","kind":"{word}.viewed","topic":"{word} {turn}","properties":{{"note":"{word}"}}}}"#
        );
        client.accepted("interactions.record", None, &record).await;
    }
    let merge = format!(r#"{{"guest_id":"{}","absorbed_id":"{}","reason":"{word}"}}"#, guests[0], guests[1]);
    client.accepted("guest.merge", None, &merge).await;
    // The first one turns out to be known already, and the second is not taken for it.
    for user in ["one", "another"] {
        let login = format!(r#"{{"user_id":"{word}-{user}","anonymous_id":"{word}-3","anonymous_namespace":"email"}}"#);
        client.accepted("guest.identify", None, &login).await;
    }
    client.accepted("tenant.configure", None, r#"{"requests_per_s":700000}"#).await;
    client.accepted("tenant.suspend", None, &format!(r#"{{"reason":"{word}"}}"#)).await;
    client.accepted("tenant.resume", None, "{}").await;
    client.accepted("tenant.suspend", None, &format!(r#"{{"reason":"{word}"}}"#)).await;
    guests
}
