//! `GET /api/v1/topics/{topic_name}/summary`: how many guests a topic has, and how often they met it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use runtime::openapi::Responses;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::{IntoResponses, ToSchema};

use crate::Service;
use crate::answer::Answer;
use crate::error::Fault;
use crate::instant;
use crate::openapi;
use crate::parameters::Parameters;
use crate::position::Position;
use crate::read::{Models, Query, Reach, Scope, Snapshot};

const MODELS: Models = &["tenant", "topic_summary"];

/// At most 64 rows by primary key, one for each virtual partition.
const SUMMARY: &str = "
-- topic_summary()
SELECT sum(guest_count)::bigint AS guest_count, sum(interaction_count)::bigint AS interaction_count,
       min(first_at) AS first_at, max(last_at) AS last_at
FROM read.topic_summary
WHERE tenant = $1 AND topic_key = $2
HAVING sum(interaction_count) > 0
LIMIT 1";

/// What all guests of the tenant do about a topic.
#[derive(Serialize, ToSchema)]
struct TopicSummary {
    /// The topic as all spellings of it compare equal.
    topic: String,
    /// Guests who were merged count once each: to count them as one, every absorbed guest of the tenant would have to be looked
    /// up at every read.
    guest_count: i64,
    interaction_count: i64,
    #[schema(required, format = DateTime)]
    first_at: Option<String>,
    #[schema(required, format = DateTime)]
    last_at: Option<String>,
    /// The position of the log that all of this is as of.
    as_of: String,
}

pub(crate) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        openapi::read_of_many(&[(404, "topic_not_found")])
    }
}

/// Read what all guests do about a topic
#[utoipa::path(
    get,
    path = "/topics/{topic_name}/summary",
    operation_id = "get_topic_summary",
    tag = "topics",
    params(
        ("topic_name" = String, Path, description = "The topic; case, blanks around it and Unicode form do not matter."),
        Scope
    ),
    responses((status = 200, description = "Figures that name no guest.", body = TopicSummary), Answers)
)]
pub(crate) async fn read(
    State(service): State<Service>,
    scope: Scope,
    topic: Result<Path<String>, PathRejection>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Path(topic) = topic.map_err(|_| Fault::TopicNotFound)?;
    if topic.contains('\0') {
        return Err(Fault::Character);
    }
    parameters.finish()?;
    let topic_key = schema::topic_key(&topic);
    let query = Query::new(SUMMARY).with(scope.tenant.to_string()).with(topic_key.clone());
    let Snapshot { as_of, parked_from, rows: [rows], .. } =
        service.reader.read(&scope, Reach::everybody(MODELS), [query]).await?;
    let summary = summary_in(rows.first().ok_or(Fault::TopicNotFound)?, topic_key, as_of)?;
    Answer::as_of(as_of).parked(parked_from).respond(&headers, &summary)
}

fn summary_in(row: &Row, topic: String, as_of: Position) -> Result<TopicSummary, Fault> {
    let instant = |name| -> Result<_, Fault> { Ok(row.try_get::<_, Option<DateTime<Utc>>>(name)?.map(instant::utc)) };
    Ok(TopicSummary {
        topic,
        guest_count: row.try_get("guest_count")?,
        interaction_count: row.try_get("interaction_count")?,
        first_at: instant("first_at")?,
        last_at: instant("last_at")?,
        as_of: as_of.to_string(),
    })
}
