//! `keepsake api-keys`: keys of programs that get no tokens from an issuer.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail};
use axum::http::Method;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta};
use clap::{Args, Subcommand};
use runtime::auth::{Role, Scope};
use runtime::clock;
use runtime::config::Secret;
use runtime::http_client::HttpClient;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commander::Problem;
use crate::token;

const TIMEOUT: Duration = Duration::from_secs(15);
const PATH: &str = "/api/v1/api-keys";
const ACTIVE: Style = AnsiColor::Green.on_default();
const OVER: Style = AnsiColor::BrightBlack.on_default();

/// Issues, lists and revokes API keys of a tenant.
///
/// A key is a bearer credential like a token, for programs that get no tokens from an issuer: `Authorization: Bearer ksk_…`. Two keys
/// of one name may be active at a time, so that a key is replaced without a gap: issue another, hand it out, revoke the first. It takes the
/// scope `api_key:admin`, and a key can do no more than whoever issues it.
#[derive(Args, Debug)]
pub struct ApiKeysArgs {
    #[command(subcommand)]
    action: Action,
    /// The tenant
    #[arg(long, env = "KEEPSAKE_TENANT", default_value = "demo", global = true)]
    tenant: String,
    /// Where Keepsake answers
    #[arg(long, env = "KEEPSAKE_URL", default_value = "http://127.0.0.1:8003", global = true)]
    url: String,
    /// Who asks: a token, or an API key
    #[arg(long, env = "KEEPSAKE_TOKEN", hide_env_values = true, global = true, default_value = "")]
    token: Secret,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Makes a key and prints it, this once
    Issue {
        /// What its bearer is called: a-z, 0-9, `.`, `_` and `-`
        name: String,
        /// reader, writer or admin; may be given several times
        #[arg(long = "role", value_parser = token::role, required_unless_present = "scopes")]
        roles: Vec<Role>,
        /// One thing it may do, such as profile:read; may be given several times
        #[arg(long = "scope", value_parser = token::scope)]
        scopes: Vec<Scope>,
        /// Days it lives; without it until it is revoked
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=36_500))]
        days: Option<i64>,
    },
    /// Keys that are active, and those that were: id, name, state, what they may do
    List,
    /// Ends a key for good, within ten seconds everywhere
    Revoke {
        /// As `keepsake api-keys list` shows it
        key_id: String,
    },
}

#[derive(Deserialize)]
struct Issued {
    key_id: String,
    key: String,
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(rename = "key_id")]
    id: String,
    name: String,
    scopes: Vec<String>,
    issued_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

pub async fn run(args: &ApiKeysArgs) -> anyhow::Result<()> {
    match &args.action {
        Action::Issue { name, roles, scopes, days } => {
            let expires_at = days.map(|days| clock::now() + TimeDelta::days(days));
            let wanted = json!({
                "name": name,
                "roles": roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
                "scopes": scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
                "expires_at": expires_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            });
            let issued: Issued = serde_json::from_slice(&ask(args, Method::POST, "", Some(wanted)).await?)?;
            // Alone on standard output, for `$(…)`.
            anstream::println!("{}", issued.key);
            anstream::eprintln!("key {} of {name}: it is not shown again, and nobody can look it up", issued.key_id);
        }
        Action::List => {
            let listed: Listed = serde_json::from_slice(&ask(args, Method::GET, "", None).await?)?;
            listed.data.iter().for_each(print);
            anstream::eprintln!("keys: {}", listed.data.len());
        }
        Action::Revoke { key_id } => {
            ask(args, Method::DELETE, &format!("/{key_id}"), None).await?;
            anstream::eprintln!("key {key_id} is revoked: within ten seconds nobody takes it any more");
        }
    }
    Ok(())
}

fn print(key: &Key) {
    let Key { id, name, scopes, issued_at, expires_at, revoked_at } = key;
    let is_over = |at: &String| DateTime::parse_from_rfc3339(at).is_ok_and(|at| at <= clock::now());
    let (style, state) = match (revoked_at, expires_at) {
        (Some(at), _) => (OVER, format!("ended {at}")),
        (None, Some(at)) if is_over(at) => (OVER, format!("expired {at}")),
        (None, Some(at)) => (ACTIVE, format!("until {at}")),
        (None, None) => (ACTIVE, "active".to_owned()),
    };
    anstream::println!("{id}  {name}  issued {issued_at}  {style}{state}{style:#}  {}", scopes.join(" "));
}

async fn ask(args: &ApiKeysArgs, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Bytes> {
    if args.token.expose().is_empty() {
        bail!("--token or KEEPSAKE_TOKEN says who asks: `keepsake token` makes one for development");
    }
    let origin = args.url.trim_end_matches('/');
    let http = if origin.starts_with("https://") { HttpClient::secure(TIMEOUT)? } else { HttpClient::new(TIMEOUT) };
    let bearer = format!("Bearer {}", args.token.expose());
    let headers =
        [("Authorization", bearer.as_str()), ("X-Tenant-ID", &args.tenant), ("Content-Type", "application/json")];
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let answer = http.send(method, &format!("{origin}{PATH}{path}"), &headers, body).await;
    let answer = answer.with_context(|| format!("no answer from {origin}: see KEEPSAKE_URL"))?;
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(Problem { code, detail, .. }) if !code.is_empty() => bail!("{code}: {detail}"),
        _ => bail!("{origin} answered {}", answer.status),
    }
}
