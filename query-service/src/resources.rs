//! Every route, one line each. Writes are passed on, and so are questions that only the command side can answer.

use axum::Router;
use axum::routing::{any, patch, post, put};
use runtime::accept::{Answering as _, MediaType};
use runtime::auth::{Gatekeeper, Guarded as _, Scope};
use runtime::openapi::document;
use runtime::serve::method_not_allowed;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Service;
use crate::cors::CorsOrigins;
use crate::openapi;
use crate::pages;
use crate::pass_through::pass_through;
pub(crate) use live::LIVES;
pub(crate) use profile::PROFILES;

mod conflicts;
mod identifiers;
mod interactions;
mod live;
mod own_profile;
mod profile;
mod quotas;
mod timeline;
mod topic_summary;

/// Who asks must be known and have the scope that stands behind the route; what is passed on is guarded where it arrives.
/// Beside the routes, what is said of those that are answered here.
pub(crate) fn router(gatekeeper: &Gatekeeper, cors: CorsOrigins) -> (Router<Service>, Value) {
    let reads = reads(gatekeeper);
    let described =
        OpenApiRouter::default().routes(routes!(openapi::read)).merge(pages::router()).nest("/api/v1", reads.clone());
    let (versioned, api) = described.split_for_parts();
    let routes = versioned.merge(reads).merge(passed_on()).method_not_allowed_fallback(method_not_allowed);
    let routes = match cors.layer() {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    (routes, document(&openapi::ABOUT, &api))
}

fn reads(gatekeeper: &Gatekeeper) -> OpenApiRouter<Service> {
    OpenApiRouter::default()
        .routes(routes!(profile::read_user).guarded(gatekeeper, Scope::ProfileRead))
        .routes(routes!(own_profile::read).guarded(gatekeeper, Scope::ProfileRead))
        .routes(routes!(profile::read).guarded(gatekeeper, Scope::ProfileRead))
        .routes(routes!(identifiers::read).guarded(gatekeeper, Scope::ProfileRead))
        .routes(routes!(conflicts::read).guarded(gatekeeper, Scope::ProfileRead))
        .routes(routes!(interactions::read).guarded(gatekeeper, Scope::InteractionRead))
        .routes(routes!(timeline::read).guarded(gatekeeper, Scope::InteractionRead))
        .routes(routes!(live::read).guarded(gatekeeper, Scope::InteractionRead).answering(MediaType::EVENT_STREAM))
        .routes(routes!(topic_summary::read).guarded(gatekeeper, Scope::SummaryRead))
        .routes(routes!(quotas::read).guarded(gatekeeper, None))
}

/// What no route here takes: which there are, and by which methods, the command service knows.
fn passed_on() -> Router<Service> {
    Router::new()
        .route("/guests/{guest_id}/interactions", post(pass_through))
        .route("/api/v1/guests/{guest_id}/interactions", post(pass_through))
        .route("/guests/{guest_id}/profile", patch(pass_through))
        .route("/api/v1/guests/{guest_id}/profile", patch(pass_through))
        .route("/guests/{guest_id}/identifiers", post(pass_through))
        .route("/api/v1/guests/{guest_id}/identifiers", post(pass_through))
        .route("/users/{guest_id}", put(pass_through))
        .route("/api/v1/users/{guest_id}", put(pass_through))
        .route("/{*path}", any(pass_through))
}
