//! `GET /api/v1/quotas`: how often the caller and its tenant may ask, and what is left of that.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use runtime::limits::Allowance;

/// The question itself is counted, too.
pub(crate) async fn read(Extension(allowance): Extension<Allowance>) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(allowance)).into_response()
}
