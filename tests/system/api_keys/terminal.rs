//! `keepsake api-keys`, and what stands in the audit trail of it.

use axum::http::{Method, StatusCode};
use keepsake_tests::harness::{Service, keepsake};
use tokio::process::Command;

use super::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_looked_after_from_a_terminal_and_each_act_is_on_record() {
    let scene = Scene::start().await;
    let operate = async |arguments: &[&str], token: &str| {
        let mut command = Command::new(keepsake());
        command.args(arguments).envs(scene.world.environment(Service::Projections));
        command.env("KEEPSAKE_URL", scene.services.query.url()).env("KEEPSAKE_TENANT", "demo");
        let output = command.env("KEEPSAKE_TOKEN", token).output().await.expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let admin = scene.admin();
    let (is_done, key, said) =
        operate(&["api-keys", "issue", "till", "--role", "reader", "--days", "90"], &admin).await;
    assert!(is_done, "{said}");
    let key = key.trim();
    assert_eq!(scene.ask(key, Method::GET, "/users/ada", "").await.0, StatusCode::OK);
    let (_, listed, _) = operate(&["api-keys", "list"], &admin).await;
    assert!(listed.contains("till") && listed.contains("until 20") && listed.contains("profile:read"), "{listed}");
    let (is_done, _, said) = operate(&["api-keys", "list"], key).await;
    assert!(!is_done && said.contains("scope_missing"), "{said}");
    let (is_done, _, said) = operate(&["api-keys", "list"], "").await;
    assert!(!is_done && said.contains("KEEPSAKE_TOKEN"), "{said}");
    let key_id = key.split('_').nth(1).expect("an id");
    assert!(operate(&["api-keys", "revoke", key_id], &admin).await.0);
    let (_, listed, _) = operate(&["api-keys", "list"], &admin).await;
    assert!(listed.contains("ended 20"), "{listed}");
    scene.services.stop().await;

    let mut command = Command::new(keepsake());
    command.args(["audit", "list", "--json", "--tenant", "demo"]).envs(scene.world.environment(Service::Projections));
    let trail = String::from_utf8(command.output().await.expect("runs").stdout).expect("UTF-8");
    for on_record in ["api_key.issue", "api_key.revoke", key_id, &format!("till/{key_id}")] {
        assert!(trail.contains(on_record), "{on_record} is not on record: {trail}");
    }
}
