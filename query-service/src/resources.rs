//! Every route, one line each. Writes are passed on, and so are questions that only the command side can answer.

use axum::Router;
use axum::routing::{any, get};
use runtime::problem::Problem;

use crate::Service;
use crate::guest_list::read;
use crate::pass_through::pass_through;
use interactions::Interactions;
use timeline::Timeline;

mod interactions;
mod profile;
mod timeline;
mod topic_summary;

pub(crate) fn router() -> Router<Service> {
    Router::new()
        .route("/users/{guest_id}", get(profile::read))
        .route("/api/v1/users/{guest_id}", get(profile::read))
        .route("/guests/{guest_id}/profile", get(profile::read))
        .route("/api/v1/guests/{guest_id}/profile", get(profile::read))
        .route("/guests/{guest_id}/interactions", any(pass_through).get(read::<Interactions>).options(no_such_route))
        .route(
            "/api/v1/guests/{guest_id}/interactions",
            any(pass_through).get(read::<Interactions>).options(no_such_route),
        )
        .route("/guests/{guest_id}/timeline", get(read::<Timeline>))
        .route("/api/v1/guests/{guest_id}/timeline", get(read::<Timeline>))
        .route("/topics/{topic_name}/summary", get(topic_summary::read))
        .route("/api/v1/topics/{topic_name}/summary", get(topic_summary::read))
        .route("/commands/{command_id}", get(pass_through))
        .route("/api/v1/commands/{command_id}", get(pass_through))
        .route("/asyncapi.json", get(pass_through))
        .route("/schemas/{name}", get(pass_through))
        .route("/{*path}", any(pass_through).get(no_such_route).options(no_such_route))
}

async fn no_such_route() -> Problem {
    Problem::not_found("route_not_found", "there is no such route")
}
