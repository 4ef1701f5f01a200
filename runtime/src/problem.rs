//! Every refusal and every fault a caller sees: RFC 9457 problem+json with a stable code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proto::strict_json::JsonRefused;
use serde::Serialize;
use tracing::Span;
use utoipa::ToSchema;

use crate::clock;
use crate::trace;

/// Seconds after which a caller may try again, when nothing better is known.
const RETRY_AFTER_SECONDS: u32 = 1;

/// One answer that is not a success.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

/// RFC 9457: an answer that is not a success.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Document {
    /// `/problems/<code>`: the page that explains the code.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong, for programs: stable for ever.
    code: &'static str,
    /// The same for people.
    detail: String,
    /// Names this one occurrence, also in our logs.
    #[schema(format = "uri")]
    instance: String,
    /// Of the request, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    trace_id: Option<String>,
    /// Whether the same request may succeed later.
    retryable: bool,
    #[schema(inline)]
    outcome: Outcome,
    /// The fields it is about, where it is about fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(inline)]
    errors: Vec<FieldError>,
}

/// What became of a command: `not_applied`, or `unknown` when only a retry with the same id can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    NotApplied,
    Unknown,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer as a URI fragment: `#/kind`.
    pub pointer: String,
    /// What is wrong with the field, for programs.
    pub code: &'static str,
    /// The same for people.
    pub detail: String,
}

impl Problem {
    /// A problem with a stable `code` and one sentence for the caller, without personal data.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let trace = trace::current();
        if trace.is_some() {
            trace::note(&Span::current(), "error.type", code);
        }
        Self(Box::new(Document {
            kind: format!("/problems/{code}"),
            title: title(status).to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            instance: format!("urn:uuid:{}", clock::random_id()),
            trace_id: trace.map(|trace| trace.trace_id_hex()),
            retryable: is_retryable(status),
            outcome: Outcome::NotApplied,
            errors: Vec::new(),
        }))
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The credential is missing or not taken.
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// The credential is good, and not for this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// A fault of ours: the cause goes to the log under the same instance, never to the caller.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        let problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed here; the instance names it in the logs",
        );
        tracing::error!(problem.instance = problem.0.instance, error = cause, "request failed");
        problem
    }

    /// Adds the field the problem is about.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        let detail = self.0.detail.clone();
        self.0.errors.push(FieldError { pointer: pointer.into(), code: self.0.code, detail });
        self
    }

    /// Says that the command may or may not have been applied.
    #[must_use]
    pub fn outcome_unknown(mut self) -> Self {
        self.0.outcome = Outcome::Unknown;
        self
    }

    /// Says that the same request may succeed when it is sent again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub fn code(&self) -> &'static str {
        self.0.code
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// When the same request may be sent again; `None` when that would change nothing.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.0.retryable.then_some(RETRY_AFTER_SECONDS)
    }

    /// The problem as its JSON document.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|_| br#"{"code":"internal","status":500}"#.to_vec())
    }
}

/// A status in words.
pub(crate) fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Problem")
}

/// Whether the same request may succeed later, as far as the status tells.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

impl From<JsonRefused> for Problem {
    fn from(refused: JsonRefused) -> Self {
        let status = match refused {
            JsonRefused::Nul | JsonRefused::TooManyItems => StatusCode::UNPROCESSABLE_ENTITY,
            JsonRefused::Malformed { .. }
            | JsonRefused::NotUtf8
            | JsonRefused::TooDeep
            | JsonRefused::DuplicateKey
            | JsonRefused::NumberOutOfRange => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refused.code(), refused.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keepsake\""));
        }
        response
    }
}
