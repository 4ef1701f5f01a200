//! Many at once, through two instances: one wins, the others hear of it, and register and log agree in the end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use futures_util::future::join_all;
use keepsake_tests::harness::{Client, log, rebuild, services};
use serde_json::Value;

use super::Scene;

const ROUNDS: usize = 20;

async fn post(client: &Client, path: &str, id: &str, body: &str) -> (StatusCode, Value) {
    client.post_insisting(path, id, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_two_guests_are_to_have_at_once_is_ones() {
    let scene = Scene::start().await;
    let other = services::command(&scene.world).await;
    let there = Client::new(&scene.world, &other.url(), "demo").await;
    let ids = [scene.client.register("ada").await.guest_id, scene.client.register("bob").await.guest_id];
    for round in 0..ROUNDS {
        let body = format!(r#"{{"identifier":"d-{round}","identifier_namespace":"device_{round}"}}"#);
        let link = async |client: &Client, guest: &str| {
            post(client, &format!("/guests/{guest}/identifiers"), &format!("link-{guest}-{round}"), &body).await
        };
        let (ada, bob) = tokio::join!(link(&scene.client, "ada"), link(&there, "bob"));
        let won = [&ada, &bob].map(|(status, _)| *status == StatusCode::OK);
        assert!(won[0] != won[1], "{ada:?} {bob:?}");
        let lost = if won[0] { bob } else { ada };
        assert_eq!(lost.1["code"], "identifier_taken", "{lost:?}");
        let record = format!(r#"{{"guest_id":"d-{round}","namespace":"device_{round}","kind":"product.viewed"}}"#);
        let found = scene.client.accepted("interactions.record", None, &record).await.guest_id;
        assert_eq!(found, ids[usize::from(won[1])]);
    }
    scene.is_proved().await;
    other.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_unlinks_at_once_leave_register_and_log_agreed() {
    let scene = Scene::start().await;
    let other = services::command(&scene.world).await;
    let there = Client::new(&scene.world, &other.url(), "demo").await;
    let guests = ["ada", "bob"];
    for name in guests {
        scene.client.register(name).await;
    }
    for round in 0..ROUNDS {
        let act = async |number: usize| {
            let (client, guest) = ([&scene.client, &there][number % 2], guests[number / 2 % 2]);
            let id = format!("act-{round}-{number}");
            if number < 6 {
                let body = r#"{"identifier":"e@example.com","identifier_namespace":"email"}"#;
                post(client, &format!("/guests/{guest}/identifiers"), &id, body).await
            } else {
                let headers = [("X-Tenant-ID", "demo"), ("Idempotency-Key", id.as_str())];
                let path = format!("/guests/{guest}/identifiers/email/e@example.com");
                let answer = client.http(axum::http::Method::DELETE, &path, &headers, "").await;
                (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
            }
        };
        for (status, answer) in join_all((0..12).map(act)).await {
            let is_fine = status == StatusCode::OK
                || answer["code"] == "identifier_taken"
                || answer["code"] == "version_conflict";
            assert!(is_fine, "{status} {answer}");
        }
        // Whoever has it by the log is whom the register names.
        let token = scene.client.register(&format!("last-{round}")).await.consistency_token;
        let mut have_it = BTreeSet::new();
        for guest in guests {
            if scene.identifiers(guest, &token).await.contains(&"email:e@example.com".to_owned()) {
                have_it.insert(guest);
            }
        }
        assert!(have_it.len() <= 1, "round {round}: {have_it:?}");
        for guest in &have_it {
            let record = r#"{"guest_id":"e@example.com","namespace":"email","kind":"product.viewed"}"#;
            let found = scene.client.accepted("interactions.record", None, record).await.guest_id;
            assert_eq!(Some(found), scene.who(guest, &token).await, "round {round}");
        }
    }
    scene.is_proved().await;
    other.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_of_one_user_at_once_make_one_guest() {
    let scene = Scene::start().await;
    let other = services::command(&scene.world).await;
    let there = Client::new(&scene.world, &other.url(), "demo").await;
    for round in 0..ROUNDS {
        let anonymous = format!(r#"{{"identifier":"a-{round}","namespace":"anonymous_id"}}"#);
        if round % 2 == 0 {
            scene.client.accepted("guest.register", None, &anonymous).await;
        }
        let body = format!(r#"{{"user_id":"user-{round}","anonymous_id":"a-{round}"}}"#);
        let login = async |number: usize| {
            let client = [&scene.client, &there][number % 2];
            post(client, "/guests/identify", &format!("login-{round}-{number}"), &body).await
        };
        let answers = join_all((0..8).map(login)).await;
        let guests: BTreeSet<_> = answers.iter().map(|(_, answer)| answer["guest_id"].to_string()).collect();
        assert!(answers.iter().all(|(status, _)| status.is_success()), "{answers:?}");
        assert_eq!(guests.len(), 1, "round {round}: {answers:?}");
    }
    let conflicts = log::read(&scene.client.nats).await;
    let conflicts = conflicts.iter().flat_map(|entry| &entry.commit.events);
    assert_eq!(conflicts.filter(|event| event.r#type == "IdentityConflictDetected").count(), 0);
    scene.is_proved().await;
    other.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merges_of_the_same_guests_in_opposite_directions_make_one_of_them() {
    let scene = Scene::start().await;
    let other = services::command(&scene.world).await;
    let there = Client::new(&scene.world, &other.url(), "demo").await;
    for round in 0..ROUNDS {
        let names = [0, 1, 2].map(|guest| format!("guest-{round}-{guest}"));
        for name in &names {
            scene.client.register(name).await;
        }
        let merge = async |client: &Client, survivor: &str, absorbed: &str| {
            let body = format!(r#"{{"absorbed_id":"{absorbed}"}}"#);
            let id = format!("merge-{survivor}-{absorbed}");
            post(client, &format!("/guests/{survivor}/merge"), &id, &body).await
        };
        let [one, two, three] = &names;
        let answers = tokio::join!(
            merge(&scene.client, one, two),
            merge(&there, two, one),
            merge(&scene.client, two, three),
            merge(&there, three, one),
        );
        for (status, answer) in [&answers.0, &answers.1, &answers.2, &answers.3] {
            assert!(status.is_success() || answer["code"] == "merged_already", "{status} {answer}");
        }
        let token = scene.client.register(&format!("last-{round}")).await.consistency_token;
        let read_as: BTreeSet<_> = [scene.who(one, &token).await, scene.who(two, &token).await].into();
        assert_eq!(read_as.len(), 1, "round {round}: {answers:?}");
    }
    scene.is_proved().await;
    other.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_away_while_a_read_model_is_made_anew_is_no_difference() {
    const GUESTS: usize = 8;
    let scene = Scene::start().await;
    join_all((0..GUESTS).map(async |guest| scene.client.register(&format!("guest-{guest}")).await)).await;
    let is_over = AtomicBool::new(false);
    let changes = join_all((0..GUESTS).map(async |guest| {
        let mut rounds = 0_usize;
        while !is_over.load(Ordering::Relaxed) {
            let body = format!(
                r#"{{"guest_id":"guest-{guest}","identifier":"d-{guest}","identifier_namespace":"device_id"}}"#
            );
            for command in ["guest.link", "guest.unlink"] {
                scene.client.accepted(command, None, &body).await;
            }
            rounds += 1;
        }
        rounds
    }));
    let rebuilds = async {
        for _ in 0..3 {
            let (code, said) = rebuild(&scene.world, &["identity", "--throttle", "none"]).await;
            assert!(code == Some(0) && said.contains("the same"), "{said}");
            let (code, said) = rebuild(&scene.world, &["identity", "drop"]).await;
            assert_eq!(code, Some(0), "{said}");
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (rounds, ()) = tokio::join!(changes, rebuilds);
    assert!(rounds.iter().all(|rounds| *rounds > 3), "{rounds:?}");
    scene.is_proved().await;
}
