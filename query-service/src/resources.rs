//! Every route, one line each. Writes are passed on, and so are questions that only the command side can answer.

use axum::Router;
use axum::routing::{any, get};
use runtime::accept::{Answering as _, MediaType};
use runtime::auth::{Gatekeeper, Guarded as _, Scope};
use runtime::serve::method_not_allowed;

use crate::Service;
use crate::cors::CorsOrigins;
use crate::guest_list::read;
use crate::pass_through::pass_through;
use interactions::Interactions;
pub(crate) use live::LIVES;
pub(crate) use profile::PROFILES;
use timeline::Timeline;

mod interactions;
mod live;
mod profile;
mod quotas;
mod timeline;
mod topic_summary;

/// Who asks must be known and have the scope that stands behind the route; what is passed on is guarded where it arrives.
pub(crate) fn router(gatekeeper: &Gatekeeper, cors: CorsOrigins) -> Router<Service> {
    let routes = routes(gatekeeper).method_not_allowed_fallback(method_not_allowed);
    match cors.layer() {
        Some(cors) => routes.layer(cors),
        None => routes,
    }
}

fn routes(gatekeeper: &Gatekeeper) -> Router<Service> {
    let profile = || get(profile::read).guarded(gatekeeper, Scope::ProfileRead);
    let interactions = || get(read::<Interactions>).guarded(gatekeeper, Scope::InteractionRead);
    let timeline = || get(read::<Timeline>).guarded(gatekeeper, Scope::InteractionRead);
    let live = || get(live::read).guarded(gatekeeper, Scope::InteractionRead).answering(MediaType::EVENT_STREAM);
    let topic_summary = || get(topic_summary::read).guarded(gatekeeper, Scope::SummaryRead);
    Router::new()
        .route("/users/{guest_id}", profile())
        .route("/api/v1/users/{guest_id}", profile())
        .route("/guests/{guest_id}/profile", profile())
        .route("/api/v1/guests/{guest_id}/profile", profile())
        .route("/guests/{guest_id}/interactions", interactions().post(pass_through))
        .route("/api/v1/guests/{guest_id}/interactions", interactions().post(pass_through))
        .route("/guests/{guest_id}/timeline", timeline())
        .route("/api/v1/guests/{guest_id}/timeline", timeline())
        .route("/guests/{guest_id}/live", live())
        .route("/api/v1/guests/{guest_id}/live", live())
        .route("/topics/{topic_name}/summary", topic_summary())
        .route("/api/v1/topics/{topic_name}/summary", topic_summary())
        .route("/api/v1/quotas", get(quotas::read).guarded(gatekeeper, None))
        .route("/api-keys", any(pass_through))
        .route("/api/v1/api-keys", any(pass_through))
        .route("/commands/{command_id}", get(pass_through))
        .route("/api/v1/commands/{command_id}", get(pass_through))
        .route("/asyncapi.json", get(pass_through))
        .route("/schemas/{name}", get(pass_through))
        .route("/{*path}", any(pass_through))
}
