//! What people read in a browser, served from the binary: the document in Swagger UI and in Redoc, and a page for each problem.

mod assets;
mod gzip;
mod html;
mod problems;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use runtime::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Service;

/// Both programs style their elements one by one, and Redoc searches in a worker that it makes itself.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const SHORT: &str = "public, max-age=300";

/// Nobody needs a token for these.
pub(crate) fn router() -> OpenApiRouter<Service> {
    OpenApiRouter::default()
        .routes(routes!(problems::page_of))
        .routes(routes!(problems::index))
        .route("/docs", get(async || shown(include_str!("pages/docs.html"))))
        .route("/redoc", get(async || shown(include_str!("pages/redoc.html"))))
        .route("/docs/assets/{release}/{file}", get(asset))
}

fn shown(page: &'static str) -> Response {
    (safe(POLICY), [(header::CACHE_CONTROL, SHORT)], Html(page)).into_response()
}

/// What keeps a page from doing more than it is for.
fn safe(policy: &str) -> [(HeaderName, HeaderValue); 3] {
    let policy = HeaderValue::from_str(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}

async fn asset(path: Result<Path<(String, String)>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("route_not_found", "there is no such file");
    let Path((release, file)) = path.map_err(|_| unknown())?;
    let found = assets::ALL.iter().find(|asset| asset.release == release && asset.file == file);
    let asset = found.ok_or_else(unknown)?;
    asset.respond(&headers)
}
