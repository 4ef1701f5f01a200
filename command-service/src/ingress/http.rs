//! The HTTP door: the write endpoints of the sources, each under its unversioned and its `/api/v1` path.

mod addressed;
mod api_keys;
mod batch;
mod commands;
mod descriptions;
mod events;
mod guests;
mod identity;
mod interactions;
mod openapi;
mod prefer;
mod tenants;

use std::sync::Arc;

use async_nats::Client;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request as HttpRequest};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use proto::{Command, Reply};
use runtime::auth::{Gatekeeper, Guarded as _, Principal, Scope};
use runtime::body;
use runtime::clock;
use runtime::problem::Problem;
use runtime::tenant::{RequestTenant, Tenant};
use runtime::trace;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vault::Vault;

use super::intake;
use super::{MAX_IN_FLIGHT, decode};
use crate::asyncapi;
use crate::commit::Request;
use crate::error::Fault;
use crate::execute::Executor;
use crate::precondition::Precondition;
use crate::verdicts::{Verdict, Verdicts};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");

#[derive(Clone)]
struct Door {
    client: Client,
    executor: Arc<Executor>,
    vault: Vault,
    verdicts: Verdicts,
    in_flight: Arc<Semaphore>,
    asyncapi: Arc<str>,
    openapi: Arc<str>,
    /// Whether every write on something with a version must say which one its sender has seen.
    require_if_match: bool,
}

/// Every write endpoint, and what is asked about commands.
pub(crate) fn router(
    client: Client,
    executor: Arc<Executor>,
    vault: Vault,
    verdicts: Verdicts,
    gatekeeper: &Gatekeeper,
    require_if_match: bool,
) -> Router {
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let versioned = versioned(gatekeeper);
    let described = OpenApiRouter::default()
        .routes(routes!(descriptions::asyncapi))
        .routes(routes!(descriptions::schema))
        .nest("/api/v1", versioned.clone());
    let (routes, api) = described.split_for_parts();
    let asyncapi = asyncapi::document().to_string().into();
    let openapi = openapi::document(&api).to_string().into();
    let door = Door { client, executor, vault, verdicts, in_flight, asyncapi, openapi, require_if_match };
    routes.merge(versioned).route("/openapi.json", get(descriptions::openapi)).with_state(door)
}

fn versioned(gatekeeper: &Gatekeeper) -> OpenApiRouter<Door> {
    OpenApiRouter::default()
        .routes(routes!(tenants::provision).guarded(gatekeeper, Scope::TenantAdmin))
        .routes(routes!(tenants::suspend).guarded(gatekeeper, Scope::TenantAdmin))
        .routes(routes!(tenants::resume).guarded(gatekeeper, Scope::TenantAdmin))
        .routes(routes!(tenants::configure).guarded(gatekeeper, Scope::TenantAdmin))
        .routes(routes!(api_keys::list, api_keys::issue).guarded(gatekeeper, Scope::ApiKeyAdmin))
        .routes(routes!(api_keys::revoke).guarded(gatekeeper, Scope::ApiKeyAdmin))
        .routes(routes!(guests::register).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(guests::replace).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(guests::update).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(guests::activate).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(guests::deactivate).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(identity::identify).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(identity::link).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(identity::unlink).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(identity::merge).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(identity::unmerge).guarded(gatekeeper, Scope::GuestWrite))
        .routes(routes!(events::record).guarded(gatekeeper, Scope::InteractionWrite))
        .routes(routes!(batch::events).guarded(gatekeeper, Scope::InteractionWrite))
        .routes(routes!(batch::interactions).guarded(gatekeeper, Scope::InteractionWrite))
        .routes(routes!(interactions::record).guarded(gatekeeper, Scope::InteractionWrite))
        .routes(routes!(commands::verdict).guarded(gatekeeper, Scope::CommandRead))
}

/// A write as every endpoint gets it: whose it is, under which id, and the bytes of its JSON.
struct Write {
    door: Door,
    tenant: Tenant,
    principal: Principal,
    id: Option<String>,
    precondition: Option<Precondition>,
    /// The caller would rather not wait.
    asynchronously: bool,
    json: Bytes,
}

impl FromRequest<Door> for Write {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, door: &Door) -> Result<Self, Problem> {
        let (mut parts, body): (_, Body) = request.into_parts();
        let RequestTenant(tenant) = RequestTenant::from_request_parts(&mut parts, door).await?;
        let principal = Principal::from_request_parts(&mut parts, door).await?;
        let id = idempotency_key(&parts.headers)?;
        let precondition = Precondition::from_headers(&parts.headers)?;
        let asynchronously = prefer::respond_async(&parts.headers);
        let json = match parts.method {
            Method::PATCH => body::json_patch_bytes(&parts.headers, body).await?,
            // All it says is in the URL.
            Method::DELETE => Bytes::from_static(b"{}"),
            _ => body::json_bytes(&parts.headers, body).await?,
        };
        Ok(Self { door: door.clone(), tenant, principal, id, precondition, asynchronously, json })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => decode::command_id(key.as_bytes()).map(Some),
        (Some(_), Some(_)) => {
            Err(Problem::bad_request("idempotency_key_invalid", "Idempotency-Key is given more than once"))
        }
    }
}

impl Write {
    /// For a write on something that has a version, be it 0.
    fn require_precondition(&self) -> Result<(), Problem> {
        if self.precondition.is_some() || !self.door.require_if_match {
            return Ok(());
        }
        let detail = "say in If-Match which version this rests on: the last ETag, or \"v0-0\" when there is none yet";
        Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail))
    }

    /// The command as this request sends it.
    fn request(&self, id: String, command: Command) -> Request {
        Request {
            id,
            tenant: self.tenant.clone(),
            sender: self.door.executor.acts.actor(&self.principal),
            command,
            received_at: clock::now(),
            owner: None,
            precondition: self.precondition.clone(),
            correlation_id: None,
            deadline: None,
        }
    }

    /// Carries the command out; `status` is the answer's when it did so now, 200 when it had before or nothing changed.
    async fn execute(self, command: Command, status: StatusCode) -> Result<Response, Problem> {
        let Ok(permit) = Arc::clone(&self.door.in_flight).try_acquire_owned() else {
            return Err(Fault::Overloaded.into());
        };
        let id = self.id.clone().unwrap_or_else(decode::new_command_id);
        let request = self.request(id, command);
        let Self { door, principal, asynchronously, .. } = self;
        // Whoever rests on a version must hear at once that it is not the present one; and a verdict stands under the id of its
        // command alone, which a guest might share with somebody else's.
        let asynchronously = asynchronously && request.precondition.is_none() && principal.own().is_none();
        // A task of its own: a caller who hangs up does not stop a command half-way.
        let carried_out = tokio::spawn(trace::here(async move {
            let _permit = permit;
            if let Some(own) = principal.own() {
                door.executor.require_own(&request, own).await?;
            }
            if asynchronously { door.take(&request).await } else { door.carry_out(&request, status).await }
        }));
        Ok(carried_out.await.map_err(|panic| Problem::internal(&panic))??)
    }
}

impl Door {
    async fn carry_out(&self, request: &Request, status: StatusCode) -> Result<Response, Fault> {
        Ok(respond(&self.executor.execute(request).await?, status))
    }

    /// Keeps the command until it is carried out, and says where its verdict will be.
    async fn take(&self, request: &Request) -> Result<Response, Fault> {
        self.executor.require_durable().await?;
        self.executor.require_tenant(request).await?;
        let sender = self.executor.acts.vouch(request);
        intake::put::put(&self.client, &self.verdicts, request, &sender).await?;
        let headers = [
            (header::LOCATION, format!("/api/v1/commands/{}", prefer::path_segment(&request.id))),
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (PREFERENCE_APPLIED, "respond-async".to_owned()),
        ];
        Ok((StatusCode::ACCEPTED, headers, Verdict::pending(&request.id).to_json()).into_response())
    }
}

fn respond(reply: &Reply, status: StatusCode) -> Response {
    let changed = !reply.replayed && !reply.events.is_empty();
    let status = if changed { status } else { StatusCode::OK };
    let etag = format!("\"v{}-{}\"", reply.version, reply.position);
    let headers = [(header::ETAG, etag), (CONSISTENCY_TOKEN, reply.consistency_token.clone())];
    let replayed = reply.replayed.then_some([(IDEMPOTENT_REPLAYED, "true")]);
    match replayed {
        Some(replayed) => (status, headers, replayed, Json(reply)).into_response(),
        None => (status, headers, Json(reply)).into_response(),
    }
}
