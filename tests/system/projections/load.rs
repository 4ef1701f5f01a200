//! Commands of every kind, spelled as callers spell them: several tenants, names in many scripts, times out of order.

use std::ops::Range;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use keepsake_tests::harness::Client;
use serde_json::Value;

pub(super) const TENANTS: [&str; 3] = ["demo", "shop-2", "Zoo_3"];
const SUSPENDED: &str = "closed";
pub(super) const GUESTS: usize = 14;
pub(super) const TURNS: usize = 260;
/// Commands of one tenant that are under way at once.
const AT_ONCE: usize = 8;

const NAMESPACES: [&str; 4] = ["user_id", "email", "device_id", ""];
const VALUES: [&str; 4] = ["ada", "Grace@Example.com", "Ωμέγα 漢字", "cafe\u{301}"];
const ATTRIBUTES: [&str; 4] =
    ["", "{}", r#"{"tier":1.0,"name":"Zoë","tags":[]}"#, r#"{ "big" : 12345678901234567890.10 }"#];
const KINDS: [&str; 3] = ["product.viewed", "order.created", "topic.liked"];
const TOPICS: [&str; 19] = [
    "Music",
    " music ",
    "MUSIC",
    "Caf\u{e9}",
    "CAFE\u{301}",
    "J\u{30c}azz",
    "\u{1f0}azz",
    "İstanbul",
    "ΟΔΟΣ",
    "οδος",
    "οδός",
    "Straße",
    "STRASSE",
    "漢字",
    "\"quoted\" \\ {braces}",
    "a\u{a0}b",
    "🎷",
    "",
    " \u{3000} ",
];
/// The ends of the calendar and the seams of it, for one turn in nine; a guest who had one of the ends keeps it for good.
const RARE_TIMES: [&str; 8] = [
    "",
    "2026-03-01T10:00:00.123456789+01:00",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999Z",
    "1999-12-31T23:59:59.999999-00:01",
    "2024-02-29T12:00:00+14:00",
    "1582-10-10T00:00:00Z",
];
const OFFSETS: [&str; 4] = ["Z", "+05:30", "-09:30", "+00:00"];
const PROPERTIES: [&str; 6] = [
    "{}",
    r#"{"dollar_value":77.00}"#,
    r#"{"dollar_value":77.0}"#,
    r#"{"e":1E5,"small":-0.0,"deep":{"list":[1.50,null,true,{"x":"\u00fc ü"}]}}"#,
    r#"{ "spaced" :	"a  b" , "z": 1, "a": 2 }"#,
    r#"{"quote":"\"\\ \/","unicode":"漢字 🎷 \ud83c\udfb7"}"#,
];

/// The caller's name for a guest, and its namespace.
fn identifier(guest: usize) -> (&'static str, String) {
    (NAMESPACES[guest % NAMESPACES.len()], format!("{} {guest}", VALUES[guest / 2 % VALUES.len()]))
}

/// Provisions every tenant. One of them was suspended for a while; one more, of which nothing else is heard, is suspended again.
pub(super) async fn provision(client: &Client) {
    for tenant in TENANTS.into_iter().chain([SUSPENDED]) {
        client.of(tenant).accepted("tenant.provision", None, &format!(r#"{{"name":"Café {tenant} 漢字"}}"#)).await;
    }
    for tenant in [TENANTS[1], SUSPENDED] {
        client.of(tenant).accepted("tenant.configure", None, r#"{"requests_per_s":700000}"#).await;
        client.of(tenant).accepted("tenant.suspend", None, r#"{"reason":"payment.overdue"}"#).await;
        client.of(tenant).accepted("tenant.resume", None, "{}").await;
    }
    client.of(SUSPENDED).accepted("tenant.suspend", None, r#"{"reason":"abuse"}"#).await;
}

/// Registers these guests of every tenant, then lets everybody up to the last of them take their turns.
pub(super) async fn send(client: &Client, guests: Range<usize>, turns: Range<usize>) {
    let tenants = TENANTS.map(|tenant| client.of(tenant));
    join_all(tenants.iter().map(|tenant| send_to(tenant, guests.clone(), turns.clone()))).await;
}

async fn send_to(tenant: &Client, guests: Range<usize>, turns: Range<usize>) {
    let known = guests.end;
    for guest in guests {
        register(tenant, guest).await;
    }
    stream::iter(turns).for_each_concurrent(AT_ONCE, |turn| record(tenant, known, turn)).await;
}

/// One guest in five has no identifier and is heard of once, under our id of it.
async fn register(tenant: &Client, guest: usize) {
    let attributes = match ATTRIBUTES[guest % ATTRIBUTES.len()] {
        "" => String::new(),
        given => format!(r#","attributes":{given}"#),
    };
    let (namespace, value) = identifier(guest);
    let named = format!(r#"{{"identifier":{},"namespace":"{namespace}"{attributes}}}"#, Value::from(value));
    tenant.accepted("guest.register", None, &named).await;
    if guest.is_multiple_of(5) {
        let unnamed =
            tenant.accepted("guest.register", None, &format!("{{{}}}", attributes.trim_start_matches(','))).await;
        let once = format!(r#"{{"guest_id":"{}","kind":"order.created","topic":"Music"}}"#, unnamed.guest_id);
        tenant.accepted("interactions.record", None, &once).await;
    } else {
        // Once more, which changes nothing.
        tenant.accepted("guest.register", None, &named).await;
    }
}

async fn record(tenant: &Client, known: usize, turn: usize) {
    let (namespace, value) = identifier(turn * 7 % known);
    let (kind, properties) = (KINDS[turn % KINDS.len()], PROPERTIES[turn % PROPERTIES.len()]);
    let (topic, time) = (TOPICS[turn * 5 % TOPICS.len()], time(turn));
    let json = format!(
        r#"{{"guest_id":{},"namespace":"{namespace}","kind":"{kind}","topic":{},"occurred_at":"{time}","properties":{properties}}}"#,
        Value::from(value),
        Value::from(topic),
    );
    tenant.accepted("interactions.record", Some(&format!("turn-{turn}")), &json).await;
}

/// Scattered over thirty years, in no order.
fn time(turn: usize) -> String {
    if turn.is_multiple_of(9) {
        return RARE_TIMES[turn / 9 % RARE_TIMES.len()].to_owned();
    }
    let (year, month, day) = (turn * 13 % 30, 1 + turn * 7 % 12, 1 + turn * 11 % 28);
    let (hour, micros, offset) = (turn * 5 % 24, turn * 7_919 % 1_000_000, OFFSETS[turn % OFFSETS.len()]);
    format!("20{year:02}-{month:02}-{day:02}T{hour:02}:00:00.{micros:06}{offset}")
}
