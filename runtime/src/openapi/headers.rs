//! Headers of answers, told once for all the operations that give them.

use serde_json::{Map, Value, json};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{self, RefOr, ResponseBuilder};

use super::parameters::text;
use super::refusals::Responses;

/// Stands for every success of an operation until its document is written.
const SUCCESSES: &str = "2XX";

/// A header of an answer.
#[derive(Clone, Copy)]
pub struct Header {
    pub name: &'static str,
    pub about: &'static str,
    pub example: &'static str,
}

impl Header {
    /// As handlers tell it to `utoipa`.
    pub fn told(&self) -> openapi::Header {
        let told = HeaderBuilder::new().schema(Some(text())).description(Some(self.about));
        told.example(Some(self.example.into())).build()
    }
}

/// Says that every success of an operation comes with these headers, a 304 too.
pub fn succeeds_with(headers: &[Header]) -> Responses {
    let response =
        headers.iter().fold(ResponseBuilder::new(), |response, header| response.header(header.name, header.told()));
    Responses::from([(SUCCESSES.to_owned(), RefOr::T(response.build()))])
}

/// Writes down at each success what was said of all.
pub(super) fn spread(operation: &mut Value) {
    let said = operation["responses"].as_object_mut().and_then(|responses| responses.remove(SUCCESSES));
    if let Some(Value::Object(headers)) = said.map(|mut said| said["headers"].take()) {
        add_all(operation, &headers);
    }
}

/// Adds headers to each success of an operation.
pub(super) fn add(operation: &mut Value, headers: &[Header]) {
    let told = |header: &Header| {
        let told = json!({"description": header.about, "schema": {"type": "string"}, "example": header.example});
        (header.name.to_owned(), told)
    };
    add_all(operation, &headers.iter().map(told).collect());
}

fn add_all(operation: &mut Value, headers: &Map<String, Value>) {
    let responses = operation["responses"].as_object_mut().into_iter().flatten();
    for (_, response) in responses.filter(|(status, _)| status.starts_with('2') || *status == "304") {
        for (name, header) in headers {
            response["headers"][name] = header.clone();
        }
    }
}
