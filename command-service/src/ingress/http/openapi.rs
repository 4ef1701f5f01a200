//! What this service says of its routes: its part of the document of the one origin.

use axum::http::StatusCode;
use proto::{Command, REPLY_SCHEMA};
use runtime::openapi::{About, Codes, Header, Responses, header_parameter, refusals, text};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::Write;
use crate::asyncapi::{schema_of, verdict_schema};

const ABOUT: About = About {
    title: "Keepsake commands",
    version: env!("CARGO_PKG_VERSION"),
    description: "What command-service takes over HTTP. query-service serves it as part of the one origin's document.",
    tags: &[],
};

const TAKEN: &Codes = &[
    (400, "duplicate_key"),
    (400, "json_too_deep"),
    (400, "malformed_body"),
    (400, "malformed_json"),
    (400, "number_out_of_range"),
    (408, "body_timeout"),
    (413, "payload_too_large"),
    (415, "unsupported_encoding"),
    (415, "unsupported_media_type"),
    (422, "invalid_character"),
    (422, "too_many_items"),
    (422, "unknown_field"),
    (422, "validation_failed"),
    (503, "overloaded"),
];
const CARRIED_OUT: &Codes = &[
    (400, "idempotency_key_invalid"),
    (400, "if_match_invalid"),
    (409, "version_conflict"),
    (412, "version_conflict"),
    (422, "idempotency_key_reused"),
    (422, "too_long"),
    (503, "idempotency_unavailable"),
    (503, "intake_unavailable"),
    (503, "key_missing"),
    (503, "log_not_durable"),
    (503, "log_unavailable"),
    (503, "stopping"),
    (503, "storage_full"),
    (504, "outcome_unknown"),
];
/// Of everything but making a tenant exist.
pub(super) const FOR_A_TENANT: &Codes = &[(403, "tenant_suspended"), (404, "tenant_unknown")];
pub(super) const FOR_A_GUEST: &Codes =
    &[(403, "wrong_principal"), (422, "blocked_identifier"), (422, "invalid_identifier")];

const ETAG: Header =
    Header { name: "ETag", about: "The version it is now: send it back as `If-Match`.", example: "\"v3-1742\"" };
const TOKEN: Header = Header {
    name: "Consistency-Token",
    about: "Sent back as `X-Min-Position`, it makes a read wait until it has seen this write.",
    example: "0.1742",
};
const REPLAYED: Header = Header {
    name: "Idempotent-Replayed",
    about: "`true` where the command was carried out before and this is its original answer.",
    example: "true",
};
const LOCATION: Header =
    Header { name: "Location", about: "Where the verdict will be.", example: "/api/v1/commands/order-1" };
const APPLIED: Header = Header { name: "Preference-Applied", about: "That nobody waits.", example: "respond-async" };

/// Headers of a write.
impl IntoParams for Write {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = "Makes a retry the same command, for ever; made and returned when absent.";
        let seen = "`ETag` of the last write to the same endpoint: carried out only if nobody wrote since.";
        let prefer = "`respond-async`: answered as soon as the command is kept, and the verdict is told later.";
        let tags = r#"^(\*|"v[0-9]{1,18}-[0-9]{1,18}")$"#;
        vec![
            header_parameter("Idempotency-Key", key, text().pattern(Some("^[!-~]{1,255}$"))),
            header_parameter("If-Match", seen, text().pattern(Some(tags))),
            header_parameter("Prefer", prefer, text()),
        ]
    }
}

/// The answers of a command; `now` is the status when it was carried out by this request.
pub(super) fn carried_out(now: StatusCode, own: &[&Codes]) -> Responses {
    let mut answers = refused(&[&[CARRIED_OUT], own].concat());
    let kept = answer("Kept, as the caller prefers; the verdict comes later.", "Verdict", &[LOCATION, APPLIED]);
    answers.insert("202".to_owned(), RefOr::T(kept));
    let before = "Carried out before, or nothing had to change.";
    answers.insert("200".to_owned(), RefOr::T(answer(before, "Reply", &[ETAG, TOKEN, REPLAYED])));
    let carried_out = match now {
        StatusCode::OK => answer("Carried out, now or before.", "Reply", &[ETAG, TOKEN, REPLAYED]),
        StatusCode::ACCEPTED => carried_out_or_kept(),
        _ => answer("Carried out.", "Reply", &[ETAG, TOKEN]),
    };
    answers.insert(now.as_str().to_owned(), RefOr::T(carried_out));
    answers
}

/// The refusals of what takes a body.
pub(super) fn refused(own: &[&Codes]) -> Responses {
    refusals(&[&[TAKEN], own].concat())
}

fn carried_out_or_kept() -> Response {
    let about = "Carried out; or kept, as the caller prefers, and the verdict comes later.";
    let mut answer = answer(about, "Reply", &[ETAG, TOKEN, LOCATION, APPLIED]);
    let either = OneOfBuilder::new().item(Ref::from_schema_name("Reply")).item(Ref::from_schema_name("Verdict"));
    answer.content.insert("application/json".to_owned(), Content::new(Some(Schema::from(either.build()))).into());
    answer
}

fn answer(about: &str, schema: &str, headers: &[Header]) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    let answer = ResponseBuilder::new().description(about).content("application/json", content);
    headers.iter().fold(answer, |answer, header| answer.header(header.name, header.told())).build()
}

/// The document, with the messages as `proto` describes them.
pub(super) fn document(api: &OpenApi) -> Value {
    let mut document = runtime::openapi::document(&ABOUT, api);
    let schemas = &mut document["components"]["schemas"];
    for (&(_, _, message), (_, _, schema)) in Command::NAMES.iter().zip(Command::SCHEMAS) {
        schemas[message] = schema_of(schema);
    }
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    schemas["Reply"] = schema_of(REPLY_SCHEMA);
    schemas["Verdict"] = verdict_schema(&reference("Reply"), &reference("Problem"));
    document
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::super::{CONSISTENCY_TOKEN, IDEMPOTENT_REPLAYED, PREFERENCE_APPLIED};
    use super::*;

    #[test]
    fn headers_are_told_under_the_names_they_are_sent_with() {
        let sent = [header::ETAG, CONSISTENCY_TOKEN, IDEMPOTENT_REPLAYED, header::LOCATION, PREFERENCE_APPLIED];
        let told = [ETAG, TOKEN, REPLAYED, LOCATION, APPLIED];
        for (sent, told) in sent.iter().zip(told) {
            assert!(told.name.eq_ignore_ascii_case(sent.as_str()));
        }
    }
}
