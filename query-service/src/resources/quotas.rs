//! `GET /api/v1/quotas`: how often the caller and its tenant may ask, and what is left of that.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use runtime::limits::Allowance;

/// Read how often you may ask
///
/// The question itself is counted, too.
#[utoipa::path(
    get,
    path = "/quotas",
    operation_id = "get_quotas",
    tag = "quotas",
    responses((status = 200, description = "What is left for the next second.", body = Allowance))
)]
pub(crate) async fn read(Extension(allowance): Extension<Allowance>) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(allowance)).into_response()
}
