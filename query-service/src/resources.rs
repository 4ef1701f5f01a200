//! Every route, one line each. Writes are passed on, and so are questions that only the command side can answer.

use axum::Router;
use axum::routing::{any, get};
use runtime::auth::{Gatekeeper, Guarded as _, Scope};
use runtime::problem::Problem;

use crate::Service;
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
pub(crate) fn router(gatekeeper: &Gatekeeper) -> Router<Service> {
    let profile = || get(profile::read).guarded(gatekeeper, Scope::ProfileRead);
    let interactions = || get(read::<Interactions>).guarded(gatekeeper, Scope::InteractionRead);
    let timeline = || get(read::<Timeline>).guarded(gatekeeper, Scope::InteractionRead);
    let live = || get(live::read).guarded(gatekeeper, Scope::InteractionRead);
    let topic_summary = || get(topic_summary::read).guarded(gatekeeper, Scope::SummaryRead);
    let passed_on = || any(pass_through).options(no_such_route);
    Router::new()
        .route("/users/{guest_id}", profile())
        .route("/api/v1/users/{guest_id}", profile())
        .route("/guests/{guest_id}/profile", profile())
        .route("/api/v1/guests/{guest_id}/profile", profile())
        .route("/guests/{guest_id}/interactions", interactions().merge(passed_on()))
        .route("/api/v1/guests/{guest_id}/interactions", interactions().merge(passed_on()))
        .route("/guests/{guest_id}/timeline", timeline())
        .route("/api/v1/guests/{guest_id}/timeline", timeline())
        .route("/guests/{guest_id}/live", live())
        .route("/api/v1/guests/{guest_id}/live", live())
        .route("/topics/{topic_name}/summary", topic_summary())
        .route("/api/v1/topics/{topic_name}/summary", topic_summary())
        .route("/api/v1/quotas", get(quotas::read).guarded(gatekeeper, None))
        .route("/api-keys", passed_on().get(pass_through))
        .route("/api/v1/api-keys", passed_on().get(pass_through))
        .route("/commands/{command_id}", get(pass_through))
        .route("/api/v1/commands/{command_id}", get(pass_through))
        .route("/asyncapi.json", get(pass_through))
        .route("/schemas/{name}", get(pass_through))
        .route("/{*path}", any(pass_through).get(no_such_route).options(no_such_route))
}

async fn no_such_route() -> Problem {
    Problem::not_found("route_not_found", "there is no such route")
}
