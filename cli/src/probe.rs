//! `keepsake probe URL`: a health check for images that hold no other HTTP client.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use runtime::http_client::HttpClient;

const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Args, Debug)]
pub struct ProbeArgs {
    /// What to ask: `http://127.0.0.1:8003/healthz/ready`
    url: String,
}

pub async fn run(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let answer = HttpClient::new(TIMEOUT).get(&args.url, &[]).await?;
    if answer.status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))
}
