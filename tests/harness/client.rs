//! A caller: commands over NATS, requests over HTTP, answers as JSON.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{HeaderMap, jetstream};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use keepsake_cli::commander::{self, Outcome};
use keepsake_cli::dev_issuer::{DevIssuer, Grant};
use proto::subject::Tenant;
use proto::{Reply, header};
use runtime::http_client::{Answer, HttpClient, HttpError};
use serde_json::Value;

use super::{World, eventually};

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Client {
    pub nats: async_nats::Client,
    http: HttpClient,
    origin: String,
    tenant: String,
    issuer: Arc<DevIssuer>,
    /// `Authorization` of somebody who may do everything in the tenant.
    bearer: String,
}

/// Longer than any test.
const TOKEN_SECONDS: i64 = 3_600;

/// `Authorization` of somebody who may do everything in a tenant.
pub(super) fn bearer(issuer: &DevIssuer, tenant: &str) -> String {
    format!("Bearer {}", issuer.token(&Grant::admin(tenant, TOKEN_SECONDS)))
}

impl Client {
    /// A caller of the tenant through the one origin.
    pub async fn new(world: &World, origin: &str, tenant: &str) -> Self {
        let nats = world.nats.connect().await;
        let (issuer, bearer) = (Arc::clone(&world.issuer), world.bearer(tenant));
        Self {
            nats,
            http: HttpClient::new(TIMEOUT),
            origin: origin.to_owned(),
            tenant: tenant.to_owned(),
            issuer,
            bearer,
        }
    }

    /// The same caller for another tenant.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), bearer: bearer(&self.issuer, tenant), ..self.clone() }
    }

    /// The same caller with a token of its own.
    #[must_use]
    pub fn with(&self, grant: &Grant) -> Self {
        Self { bearer: format!("Bearer {}", self.issuer.token(grant)), ..self.clone() }
    }

    /// Provisions the tenant.
    pub async fn provision(&self) -> Reply {
        self.accepted("tenant.provision", None, r#"{"name":"A tenant"}"#).await
    }

    /// Registers a guest under a `user_id`.
    pub async fn register(&self, user_id: &str) -> Reply {
        self.accepted("guest.register", None, &format!(r#"{{"identifier":"{user_id}"}}"#)).await
    }

    /// Sends a command that must be accepted.
    pub async fn accepted(&self, command: &str, id: Option<&str>, json: &str) -> Reply {
        match self.send(command, id, json).await {
            Outcome::Accepted(reply) => serde_json::from_slice(&reply).expect("a reply"),
            other @ (Outcome::Refused { .. } | Outcome::NoAnswer(_)) => panic!("{command} {json}: {other:?}"),
        }
    }

    /// Sends a command that must be refused; answers its code.
    pub async fn refused(&self, command: &str, id: Option<&str>, json: &str) -> String {
        match self.send(command, id, json).await {
            Outcome::Refused { problem, .. } => problem.code,
            other @ (Outcome::Accepted(_) | Outcome::NoAnswer(_)) => panic!("{command} {json}: {other:?}"),
        }
    }

    pub async fn send(&self, command: &str, id: Option<&str>, json: &str) -> Outcome {
        self.send_within(commander::PATIENT, command, id, json).await
    }

    /// Sends a command and waits this long for its answer.
    pub async fn send_within(&self, wait: Duration, command: &str, id: Option<&str>, json: &str) -> Outcome {
        let subject = format!("cmd.{}.{command}", self.tenant);
        commander::send(&self.nats, &subject, id, Bytes::from(json.to_owned()), wait).await
    }

    /// Sends a command and waits for nothing.
    pub async fn publish(&self, command: &str, id: &str, json: &str) {
        let (subject, headers) = (format!("cmd.{}.{command}", self.tenant), headers(id));
        self.nats.publish_with_headers(subject, headers, json.to_owned().into()).await.expect("publishes");
    }

    /// Gives a command to the durable intake; it has it when this returns.
    pub async fn durable(&self, command: &str, id: &str, json: &str) {
        let (subject, headers) = (format!("cmdq.{}.{command}", self.tenant), headers(id));
        let context = jetstream::new(self.nats.clone());
        let sent = context.publish_with_headers(subject, headers, json.to_owned().into()).await;
        sent.expect("publishes").await.expect("is acknowledged");
    }

    /// The verdict on a command, once there is one.
    pub async fn verdict(&self, id: &str) -> Value {
        eventually(&format!("{id} has a verdict"), async || {
            let (status, verdict) = self.known_of(id).await;
            (status == StatusCode::OK).then_some(verdict)
        })
        .await
    }

    /// What is known of a command now.
    pub async fn known_of(&self, id: &str) -> (StatusCode, Value) {
        let headers = [("X-Tenant-ID", self.tenant.as_str())];
        json(&self.http(Method::GET, &format!("/api/v1/commands/{id}"), &headers, "").await)
    }

    /// Sends a command as protobuf and reads the reply as protobuf.
    pub async fn protobuf<R: prost::Message + Default>(&self, command: &str, message: &impl prost::Message) -> R {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/protobuf");
        let subject = format!("cmd.{}.{command}", self.tenant);
        let reply = self.nats.request_with_headers(subject, headers, message.encode_to_vec().into()).await;
        R::decode(reply.expect("an answer").payload).expect("protobuf")
    }

    pub async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        let headers = [("X-Tenant-ID", self.tenant.as_str()), ("X-Wait-Ms", "10000"), ("X-Min-Position", token)];
        let headers = if token.is_empty() { &headers[..2] } else { &headers[..] };
        json(&self.http(Method::GET, path, headers, "").await)
    }

    /// Reads what must be there.
    pub async fn read(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.get(path, token).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Reads a list to its end, page by page; `path` names the limit.
    pub async fn pages(&self, path: &str, token: &str) -> Vec<Value> {
        let (mut items, mut page_path) = (Vec::new(), path.to_owned());
        loop {
            let page = self.read(&page_path, token).await;
            items.extend_from_slice(page["data"].as_array().expect("a list"));
            let Some(next) = page["cursor"]["next"].as_str() else { return items };
            page_path = format!("{path}&cursor={next}");
        }
    }

    pub async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let headers = [("X-Tenant-ID", self.tenant.as_str()), ("Content-Type", "application/json")];
        json(&self.http(Method::POST, path, &headers, body).await)
    }

    /// Posts under an idempotency key, again and again until the outcome is known.
    pub async fn post_insisting(&self, path: &str, id: &str, body: &str) -> (StatusCode, Value) {
        let tenant = self.tenant.as_str();
        let headers = [("X-Tenant-ID", tenant), ("Content-Type", "application/json"), ("Idempotency-Key", id)];
        eventually(&format!("{path} {id} is settled"), async || {
            // A service that was killed breaks off.
            let (status, body) = json(&self.try_http(Method::POST, path, &headers, body).await.ok()?);
            let open = body["retryable"] == true || body["outcome"] == "unknown";
            (!open).then_some((status, body))
        })
        .await
    }

    /// A request exactly as given, with a token for the tenant it names unless it brings another.
    pub async fn http(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_http(method, path, headers, body).await.expect("an answer")
    }

    async fn try_http(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, HttpError> {
        let url = format!("{}{path}", self.origin);
        let value = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let is_one = |tenant: &&str| *tenant != self.tenant && tenant.parse::<Tenant>().is_ok();
        let tenant = value("X-Tenant-ID").filter(is_one);
        let bearer = tenant.map_or_else(|| self.bearer.clone(), |tenant| bearer(&self.issuer, tenant));
        let token = value("Authorization").is_none().then_some(("Authorization", bearer.as_str()));
        let headers: Vec<_> = headers.iter().copied().chain(token).collect();
        self.http.send(method, &url, &headers, Bytes::from(body.to_owned())).await
    }
}

fn headers(id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::COMMAND_ID, id);
    headers
}

fn json(answer: &Answer) -> (StatusCode, Value) {
    let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {:?}", answer.body));
    (answer.status, body)
}
