//! The service by hand, a process of its own: what a team would write instead. An axum handler and Postgres: one
//! transaction for each request locks the guest, appends the event and brings the guest's row up to date.

mod pool;
pub(crate) mod reads;

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio_postgres::error::SqlState;
use tokio_postgres::types;

use crate::child;
use crate::contestant::FSYNC;
use crate::contestant::http::IDEMPOTENCY_KEY;
pub(crate) use pool::{CONNECTIONS, Driver, connect, prove};
use pool::{Connection, Pool};

/// Where it is told which database it has.
pub(crate) const DATABASE_URL: &str = "DATABASE_URL";
/// The path of ours, so that callers send both the same request.
const ROUTE: &str = "/api/v1/guests/{guest}/interactions";

/// Serves on a free port, whose URL it says, until the process that holds our standard input is gone.
pub(crate) async fn run() -> anyhow::Result<()> {
    let url = std::env::var(DATABASE_URL).with_context(|| format!("{DATABASE_URL} is not set"))?;
    let pool = Arc::new(Pool::prepare(&url).await?);
    let router = Router::new().route(ROUTE, post(record)).with_state(pool);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        () = child::until_parent_is_gone() => Ok(()),
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Interaction {
    guest_id: String,
    kind: String,
    topic: String,
    occurred_at: String,
    properties: Map<String, Value>,
}

#[derive(Serialize)]
struct Recorded {
    position: i64,
    version: i64,
    events: [&'static str; 1],
    durability: &'static str,
}

async fn record(
    State(pool): State<Arc<Pool>>,
    Path(guest): Path<String>,
    headers: HeaderMap,
    Json(interaction): Json<Interaction>,
) -> Result<(StatusCode, Json<Recorded>), Refusal> {
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
    let id = key.ok_or_else(|| Refusal(StatusCode::BAD_REQUEST, "Idempotency-Key is missing".to_owned()))?;
    let mut lent = pool.lend().await;
    let Connection { client, lock, append, fold, .. } = lent.connection();
    let transaction = client.transaction().await?;
    let Some(known) = transaction.query_opt(&*lock, &[&guest]).await? else {
        return Err(Refusal(StatusCode::NOT_FOUND, "no such guest".to_owned()));
    };
    let version = known.try_get::<_, i64>(0)? + 1;
    let payload = types::Json(&interaction);
    let stored = transaction.query_one(&*append, &[&guest, &version, &id, &interaction.kind, &payload]).await?;
    transaction.execute(&*fold, &[&guest, &version]).await?;
    transaction.commit().await?;
    let position = stored.try_get(0)?;
    // The pool was not prepared on a server that acknowledges what is not on disk.
    let recorded = Recorded { position, version, events: ["InteractionRecorded"], durability: FSYNC };
    Ok((StatusCode::CREATED, Json(recorded)))
}

struct Refusal(StatusCode, String);

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        let is_repeated = error.code() == Some(&SqlState::UNIQUE_VIOLATION);
        let status = if is_repeated { StatusCode::CONFLICT } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self(status, error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
