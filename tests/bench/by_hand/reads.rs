//! Reading by hand, a process of its own: axum, deadpool and tokio-postgres, and a profile by its primary key as the same JSON. It asks
//! nobody who they are, and its table knows no tenants.

use std::net::Ipv4Addr;
use std::str::FromStr as _;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio_postgres::{Config, NoTls, Row};

use super::{CONNECTIONS, DATABASE_URL};
use crate::child;

/// What ours shows of guests, as one would keep it who keeps nothing else.
pub(crate) const TABLE: &str = "
DROP TABLE IF EXISTS by_hand;
CREATE TABLE by_hand AS
SELECT p.guest_id, p.attributes, p.registered_at, p.interaction_count, p.first_seen_at, p.last_seen_at, p.version, p.position,
       ARRAY(SELECT namespace FROM read.identity_identifier i WHERE i.tenant = p.tenant AND i.guest_id = p.guest_id ORDER BY 1) AS namespaces,
       ARRAY(SELECT value FROM read.identity_identifier i WHERE i.tenant = p.tenant AND i.guest_id = p.guest_id ORDER BY 1) AS identifiers
FROM read.profile p;
ALTER TABLE by_hand ADD PRIMARY KEY (guest_id)";

const PROFILE: &str = "
SELECT guest_id, attributes::text, registered_at, interaction_count, first_seen_at, last_seen_at, version, position,
       namespaces, identifiers
FROM by_hand
WHERE guest_id = $1";

/// Serves on a free port, whose URL it says, until the process that holds our standard input is gone.
pub(crate) async fn run() -> anyhow::Result<()> {
    let url = std::env::var(DATABASE_URL).with_context(|| format!("{DATABASE_URL} is not set"))?;
    let recycling_method = RecyclingMethod::Fast;
    let manager = Manager::from_config(Config::from_str(&url)?, NoTls, ManagerConfig { recycling_method });
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    let router = Router::new().route("/api/v1/guests/{guest}/profile", get(profile)).with_state(pool);
    let router = router.route("/hello", get(async || "hello"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        () = child::until_parent_is_gone() => Ok(()),
    }
}

#[derive(Serialize)]
struct Profile {
    guest_id: String,
    identifiers: Vec<Identifier>,
    attributes: Box<RawValue>,
    registered_at: Option<String>,
    interaction_count: i64,
    first_seen_at: Option<String>,
    last_seen_at: Option<String>,
    version: i64,
    as_of: String,
}

#[derive(Serialize)]
struct Identifier {
    namespace: String,
    value: String,
}

async fn profile(State(pool): State<Pool>, Path(guest): Path<String>) -> Result<Json<Profile>, Refusal> {
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(PROFILE).await?;
    let row = connection.query_opt(&statement, &[&guest]).await?;
    Ok(Json(profile_in(&row.ok_or(Refusal(StatusCode::NOT_FOUND, "no such guest".to_owned()))?)?))
}

fn profile_in(row: &Row) -> Result<Profile, Refusal> {
    let instant = |column| -> Result<_, Refusal> {
        let instant: Option<DateTime<Utc>> = row.try_get(column)?;
        Ok(instant.map(|instant| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
    };
    let (namespaces, values): (Vec<String>, Vec<String>) = (row.try_get("namespaces")?, row.try_get("identifiers")?);
    let identifiers = namespaces.into_iter().zip(values);
    let position: i64 = row.try_get("position")?;
    Ok(Profile {
        guest_id: row.try_get("guest_id")?,
        identifiers: identifiers.map(|(namespace, value)| Identifier { namespace, value }).collect(),
        attributes: RawValue::from_string(row.try_get("attributes")?)?,
        registered_at: instant("registered_at")?,
        interaction_count: row.try_get("interaction_count")?,
        first_seen_at: instant("first_seen_at")?,
        last_seen_at: instant("last_seen_at")?,
        version: row.try_get("version")?,
        as_of: format!("0.{position}"),
    })
}

struct Refusal(StatusCode, String);

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
