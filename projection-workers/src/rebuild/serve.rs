//! `GET /generations`: every generation of every read model, and how far it is.

use std::sync::Arc;

use async_nats::Client;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use deadpool_postgres::Pool;
use runtime::problem::Problem;
use serde::Serialize;

use super::built::{Built, built};
use crate::error::Fault;

#[derive(Serialize)]
struct Generations {
    /// Position of the log's last commit.
    log_position: u64,
    generations: Vec<Built>,
}

pub(crate) fn router(nats: Client, pool: Pool) -> Router {
    Router::new().route("/generations", get(read)).with_state(Arc::new((nats, pool)))
}

async fn read(State(site): State<Arc<(Client, Pool)>>) -> Response {
    match generations(&site.0, &site.1).await {
        Ok(generations) => Json(generations).into_response(),
        Err(fault) => Problem::unavailable("generations_unknown", fault.to_string()).into_response(),
    }
}

async fn generations(nats: &Client, pool: &Pool) -> Result<Generations, Fault> {
    let log_position = event_log::stream::info(nats).await?.last_position;
    let connection = pool.get().await?;
    Ok(Generations { log_position, generations: built(&connection).await? })
}
