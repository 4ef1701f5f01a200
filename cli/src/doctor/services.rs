//! The services: does each answer, and is it ready.

use std::time::Duration;

use runtime::http_client::HttpClient;

use super::Finding;

const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn examine(part: &'static str, url: Option<&str>, variable: &str, findings: &mut Vec<Finding>) {
    let Some(url) = url else {
        return findings.push(Finding::doubtful(part, format!("not looked at: set {variable}")));
    };
    let ready = format!("{}/healthz/ready", url.trim_end_matches('/'));
    findings.push(match HttpClient::new(TIMEOUT).get(&ready, &[]).await {
        Ok(answer) if answer.status.is_success() => Finding::good(part, format!("ready at {url}")),
        Ok(answer) => Finding::bad(part, format!("not ready: {}", String::from_utf8_lossy(&answer.body))),
        Err(error) => Finding::bad(part, format!("{error} at {url}")),
    });
}
