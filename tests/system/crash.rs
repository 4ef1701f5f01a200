//! `kill -9` of each service in the middle of an import: after a restart every figure is right. With `KEEPSAKE_CDNOW` naming
//! the real data set, on 69,659 real purchases.

use std::path::PathBuf;
use std::time::Duration;

use event_log::stream;
use futures_util::{StreamExt as _, stream as futures};
use keepsake_cli::import::{FileFormat, ImportArgs, Summary};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::import;
use keepsake_tests::harness::{Client, Processes, Service, World, eventually_within};

const READERS: usize = 16;
/// An import of the real data on a busy machine.
const LONG: Duration = Duration::from_mins(20);

/// What the read models must say.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    guests: u64,
    interactions: u64,
    cents: u64,
    /// Interactions of the guest who is asked for by name.
    of_one: u64,
}

/// Which guests there are, and one whose own figures are looked at.
#[derive(Clone, Copy)]
struct Guests {
    count: u32,
    one: u32,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Interaction>,
    cursor: Cursor,
}

#[derive(Deserialize)]
struct Cursor {
    next: Option<String>,
}

#[derive(Deserialize)]
struct Interaction {
    properties: Purchase,
}

#[derive(Deserialize)]
struct Purchase {
    dollar_value: Box<RawValue>,
}

/// Dollars with two decimals as cents; never through a float.
fn cents(amount: &str) -> u64 {
    let (dollars, cents) = amount.split_once('.').expect("two decimals");
    assert_eq!(cents.len(), 2, "{amount} lost or won digits");
    dollars.parse::<u64>().expect("digits") * 100 + cents.parse::<u64>().expect("digits")
}

/// Pages through one guest's interactions: how many, and what they were worth.
async fn purchases_of(client: &Client, guest: String) -> (u64, u64) {
    let (mut count, mut worth, mut cursor) = (0, 0, String::new());
    loop {
        let path = format!("/api/v1/guests/{guest}/interactions?limit=100{cursor}");
        let headers = [("X-Tenant-ID", "demo")];
        let answer = client.http(axum::http::Method::GET, &path, &headers, "").await;
        let page: Page = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{path}: {:?}", answer.body));
        count += page.data.len() as u64;
        worth += page.data.iter().map(|item| cents(item.properties.dollar_value.get())).sum::<u64>();
        let Some(next) = page.cursor.next else { return (count, worth) };
        cursor = format!("&cursor={next}");
    }
}

/// Asks the read models over HTTP, once they have seen everything.
async fn figures(client: &Client, Guests { count, one }: Guests) -> Figures {
    let end = stream::info(&client.nats).await.expect("the log").last_position;
    let summary = eventually_within(LONG, "the read models have caught up", async || {
        let (status, body) = client.get("/api/v1/topics/music/summary", &proto::token::write(end)).await;
        status.is_success().then_some(body)
    })
    .await;
    let each = futures::iter((1..=count).map(|guest| purchases_of(client, format!("{guest:05}"))));
    let all: Vec<(u64, u64)> = each.buffer_unordered(READERS).collect().await;
    let interactions = all.iter().map(|(count, _)| count).sum();
    assert_eq!(summary["interaction_count"], interactions, "the summary and the lists agree");
    assert_eq!(summary["guest_count"], all.iter().filter(|(count, _)| *count > 0).count());
    let guests = summary["guest_count"].as_u64().expect("a count");
    let profile = client.read(&format!("/users/{one:05}"), "").await;
    let of_one = profile["interaction_count"].as_u64().expect("a count");
    assert_eq!(purchases_of(client, format!("{one:05}")).await.0, of_one, "the profile and the list agree");
    Figures { guests, interactions, cents: all.iter().map(|(_, cents)| cents).sum(), of_one }
}

/// Imports while each service is killed and started again, one after the other.
async fn import_under_fire(
    world: &World,
    processes: &mut Processes,
    client: &Client,
    args: &ImportArgs,
    records: u64,
) -> Summary {
    let fire = async {
        for (round, service) in (1..).zip(Service::ALL) {
            eventually_within(LONG, "the import is under way", async || {
                let reached = stream::info(&client.nats).await.is_ok_and(|log| log.last_position > records * round / 5);
                reached.then_some(())
            })
            .await;
            processes.kill(service).await;
            processes.start_one(service).await;
        }
    };
    let (summary, ()) = tokio::join!(import::run_whole(world, args), fire);
    summary
}

async fn killed_and_repeated(
    args: impl FnOnce(&World) -> ImportArgs,
    records: u64,
    guests: Guests,
    expected: &Figures,
) {
    let world = World::start().await;
    let mut processes = Processes::start(&world).await;
    let client = Client::new(&world, &processes.url(Service::Query), "demo").await;
    client.provision().await;
    let args = args(&world);
    let first = import_under_fire(&world, &mut processes, &client, &args, records).await;
    assert!(first.finished && first.rejected == 0 && first.records == records, "{first:?}");
    assert_eq!(&figures(&client, guests).await, expected);
    let second = import::run_whole(&world, &args).await;
    assert_eq!(second, Summary { records, replayed: records, finished: true, ..Summary::default() });
    assert_eq!(&figures(&client, guests).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_is_right_after_each_service_was_killed_during_the_import() {
    let args =
        |world: &World| import::arguments(world, "purchases.txt", &import::purchases(150, 16), FileFormat::Cdnow);
    let expected = Figures { guests: 150, interactions: 2_400, cents: 2_400 * 125, of_one: 16 };
    killed_and_repeated(args, 2_400, Guests { count: 150, one: 7 }, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_purchases_of_cdnow_add_up_after_each_service_was_killed_during_the_import() {
    let Some(file) = std::env::var_os("KEEPSAKE_CDNOW").map(PathBuf::from) else {
        eprintln!("not run: KEEPSAKE_CDNOW names no copy of cdnow_master.txt.gz");
        return;
    };
    let expected = Figures { guests: 23_570, interactions: 69_659, cents: 250_031_563, of_one: 217 };
    let args = |world: &World| import::arguments_for(world, file, FileFormat::Cdnow);
    killed_and_repeated(args, 69_659, Guests { count: 23_570, one: 14_048 }, &expected).await;
}
