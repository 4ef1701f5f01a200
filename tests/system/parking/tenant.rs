//! What is parked of a tenant itself is a matter of all its guests.

use axum::http::StatusCode;
use keepsake_tests::harness::{table, until_folded};
use proto::token;

use super::{MEND, Scene};

/// Stands for whatever a table refuses.
const REFUSE_SUSPENSIONS: &str = "ADD CONSTRAINT mended CHECK (suspended_at IS NULL) NOT VALID";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_that_cannot_be_folded_shows_on_every_read_and_counts_once_it_is() {
    let scene = Scene::start().await;
    let tenant = table(&scene.admin, "tenant").await;
    let alter = async |change: &str| {
        scene.admin.batch_execute(&format!("ALTER TABLE {tenant} {change}")).await.expect("alters");
    };
    alter(REFUSE_SUSPENSIONS).await;
    let suspended = scene.client.accepted("tenant.suspend", None, r#"{"reason":"abuse"}"#).await.position;
    until_folded(&scene.world, &scene.client).await;
    assert_eq!(scene.count("keepsake.parked_guest WHERE owner = 'tenant' AND projection = 'tenant'").await, 1);

    let reads = ["profile", "interactions", "timeline"];
    for what in reads {
        let shown = (StatusCode::OK, String::new(), Some(token::write(suspended)));
        assert_eq!(scene.read_of(what, 1, None).await, shown, "{what}");
        let (status, problem, _) = scene.read_of(what, 1, Some(suspended)).await;
        assert_eq!((status, problem.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "guest_parked"), "{what}");
    }

    alter(MEND).await;
    let (code, said) = scene.parked(&["retry", "--all"]).await;
    assert!(code == Some(0) && said.contains("done  1 folded"), "{said}");
    for what in reads {
        let (status, problem, _) = scene.read_of(what, 1, Some(suspended)).await;
        assert_eq!((status, problem.as_str()), (StatusCode::FORBIDDEN, "tenant_suspended"), "{what}");
    }
    scene.is_proved().await;
    scene.services.stop().await;
}
