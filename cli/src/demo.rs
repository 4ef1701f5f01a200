//! The demonstration `up` gives: commands in over NATS and HTTP, read back over HTTP, each one to paste and try again.

mod sample;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use async_nats::Client;
use axum::http::Method;
use bytes::Bytes;
use event_log::User;
use runtime::http_client::HttpClient;
use tokio::sync::watch;

use crate::commander::{self, Outcome};
use crate::import::{self, FileFormat, ImportArgs, Source};
use crate::json_print::pretty;
use crate::up::Endpoints;

const COMMAND: Style = Style::new().bold();
const TIME: Style = AnsiColor::BrightBlack.on_default();
const TIMEOUT: Duration = Duration::from_secs(20);
/// The token stands in `.run/env`, too long to read.
const AS_ME: &str = r#"-H "Authorization: Bearer $KEEPSAKE_TOKEN""#;
/// Guests of the sample set besides those written by hand.
const SAMPLE_PEOPLE: u32 = 3_000;

/// Does the demo and prints it. `state_dir` is where the import of the sample set remembers how far it came.
pub async fn run(endpoints: &Endpoints, state_dir: &Path) -> anyhow::Result<()> {
    let demo = Demo {
        client: event_log::connect(&endpoints.nats, User::Operator, "keepsake demo").await?,
        http: HttpClient::new(TIMEOUT),
        endpoints,
    };
    demo.tell_the_story().await?;
    demo.load_sample(state_dir).await
}

struct Demo<'a> {
    client: Client,
    http: HttpClient,
    endpoints: &'a Endpoints,
}

impl Demo<'_> {
    async fn tell_the_story(&self) -> anyhow::Result<()> {
        let tenant = &self.endpoints.tenant;
        say("A tenant, over HTTP");
        self.post("/api/v1/tenants", r#"{"name":"Demo shop"}"#).await?;
        say("A guest, by NATS request");
        let register = format!("cmd.{tenant}.guest.register");
        self.request(&register, r#"{"identifier":"ada@example.com","namespace":"email","attributes":{"plan":"gold"}}"#)
            .await?;
        say("What she did, published without waiting for an answer");
        let record = format!("cmd.{tenant}.interactions.record");
        self.publish(
            &record,
            r#"{"guest_id":"ada@example.com","namespace":"email","kind":"product.viewed","topic":"Jazz"}"#,
        )
        .await?;
        say("And once more as a request: the answer holds a consistency token");
        let order = r#"{"guest_id":"ada@example.com","namespace":"email","kind":"order.created","topic":"Jazz","properties":{"dollar_value":29.90}}"#;
        let token = self.request(&record, order).await?;
        say("Her profile, over HTTP: the token makes the read wait until it has seen the order");
        self.get("/api/v1/guests/ada@example.com/profile?namespace=email", &token).await?;
        say("What all guests do about a topic");
        self.get("/api/v1/topics/jazz/summary", &token).await
    }

    async fn request(&self, subject: &str, json: &str) -> anyhow::Result<String> {
        anstream::println!("{COMMAND}keepsake send {subject} '{json}'{COMMAND:#}");
        let started = Instant::now();
        match commander::send(&self.client, subject, None, Bytes::from(json.to_owned()), commander::PATIENT).await {
            Outcome::Accepted(reply) => {
                answered(&reply, started);
                let reply: proto::Reply = serde_json::from_slice(&reply).context("the reply is none")?;
                Ok(reply.consistency_token)
            }
            Outcome::Refused { body, .. } => anyhow::bail!("refused: {}", String::from_utf8_lossy(&body)),
            Outcome::NoAnswer(why) => anyhow::bail!(why),
        }
    }

    async fn publish(&self, subject: &str, json: &str) -> anyhow::Result<()> {
        anstream::println!("{COMMAND}keepsake send --publish {subject} '{json}'{COMMAND:#}");
        self.client.publish(subject.to_owned(), Bytes::from(json.to_owned())).await?;
        self.client.flush().await?;
        Ok(())
    }

    async fn post(&self, path: &str, json: &str) -> anyhow::Result<()> {
        let tenant = self.endpoints.tenant.as_str();
        anstream::println!(
            "{COMMAND}curl -s $KEEPSAKE_URL{path} {AS_ME} -H 'X-Tenant-ID: {tenant}' -H 'Content-Type: application/json' -d '{json}'{COMMAND:#}"
        );
        let headers = [("X-Tenant-ID", tenant), ("Content-Type", "application/json")];
        self.ask(Method::POST, path, &headers, json).await
    }

    async fn get(&self, path: &str, token: &str) -> anyhow::Result<()> {
        let tenant = self.endpoints.tenant.as_str();
        anstream::println!(
            "{COMMAND}curl -s '{}{path}' {AS_ME} -H 'X-Tenant-ID: {tenant}' -H 'X-Min-Position: {token}'{COMMAND:#}",
            self.endpoints.url
        );
        self.ask(Method::GET, path, &[("X-Tenant-ID", tenant), ("X-Min-Position", token)], "").await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        let url = format!("{}{path}", self.endpoints.url);
        let bearer = format!("Bearer {}", self.endpoints.token);
        let headers = [&[("Authorization", bearer.as_str())], headers].concat();
        let answer = self.http.send(method, &url, &headers, Bytes::from(body.to_owned())).await?;
        answered(&answer.body, started);
        anyhow::ensure!(answer.status.is_success(), "{path} answered {}", answer.status);
        Ok(())
    }

    async fn load_sample(&self, state_dir: &Path) -> anyhow::Result<()> {
        anstream::println!("\n{TIME}# A sample set of {SAMPLE_PEOPLE} guests, every record a command{TIME:#}");
        let args = ImportArgs {
            file: PathBuf::from("the sample set"),
            format: FileFormat::SegmentNdjson,
            tenant: self.endpoints.tenant.parse()?,
            nats: self.endpoints.nats.clone().into(),
            rejects: None,
            state_dir: state_dir.to_owned(),
            concurrency: 64,
            patience: 60,
        };
        let rejects = state_dir.join("sample.rejects");
        let (_never, interrupted) = watch::channel(false);
        let source = Source::from_text(sample::text(SAMPLE_PEOPLE))?;
        let summary = import::import(&args, source, rejects, interrupted).await?;
        anyhow::ensure!(summary.rejected == 0, "the sample set has records that are refused");
        Ok(())
    }
}

fn say(what: &str) {
    anstream::println!("\n{TIME}# {what}{TIME:#}");
}

fn answered(json: &[u8], started: Instant) {
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    anstream::println!("{}\n{TIME}{milliseconds:.1} ms{TIME:#}", pretty(json));
}
