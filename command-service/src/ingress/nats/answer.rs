//! What the sender of a request is told.

use async_nats::{Client, HeaderMap, HeaderName, HeaderValue, Subject};
use bytes::Bytes;
use prost::Message as _;
use proto::{Reply, header};
use runtime::problem::Problem;

use crate::ingress::decode::Encoding;

const COMMAND_ID: HeaderName = HeaderName::from_static(header::COMMAND_ID);
const CONTENT_TYPE: HeaderName = HeaderName::from_static(header::CONTENT_TYPE);
const RETRY_AFTER: HeaderName = HeaderName::from_static("Retry-After");

pub(super) async fn send(client: &Client, to: Subject, encoding: Encoding, outcome: Result<&Reply, &Problem>) {
    let (headers, body) = match outcome {
        Ok(reply) => accepted(reply, encoding),
        Err(problem) => refused(problem),
    };
    if let Err(error) = client.publish_with_headers(to, headers, body).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a reply could not be sent");
    }
}

fn accepted(reply: &Reply, encoding: Encoding) -> (HeaderMap, Bytes) {
    let (content_type, body) = match encoding {
        Encoding::Json => ("application/json", serde_json::to_vec(reply).unwrap_or_default()),
        Encoding::Protobuf => ("application/protobuf", reply.encode_to_vec()),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(COMMAND_ID, reply.id.as_str());
    (headers, Bytes::from(body))
}

fn refused(problem: &Problem) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/problem+json");
    headers.insert(header::SERVICE_ERROR_CODE, problem.status().as_str());
    headers.insert(header::SERVICE_ERROR, problem.code());
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(u64::from(seconds)));
    }
    (headers, Bytes::from(problem.to_json()))
}
