//! The files of the pages: those of other people as they are, compressed; and the few lines that start them.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use runtime::problem::Problem;

use super::{SHORT, gzip};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
/// A release never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(super) struct Asset {
    pub(super) release: &'static str,
    pub(super) file: &'static str,
    media_type: &'static str,
    content: Content,
}

enum Content {
    Gzip(&'static [u8]),
    Plain(&'static str),
}

macro_rules! release {
    ($release:literal, $file:literal, $media_type:expr) => {
        Asset {
            release: $release,
            file: $file,
            media_type: $media_type,
            content: Content::Gzip(include_bytes!(concat!("../../assets/", $release, "/", $file, ".gz"))),
        }
    };
}

macro_rules! own {
    ($file:literal, $media_type:expr) => {
        Asset {
            release: "keepsake",
            file: $file,
            media_type: $media_type,
            content: Content::Plain(include_str!($file)),
        }
    };
}

pub(super) static ALL: [Asset; 6] = [
    release!("swagger-ui-5.35.0", "swagger-ui-bundle.js", SCRIPT),
    release!("swagger-ui-5.35.0", "swagger-ui.css", STYLE),
    release!("redoc-2.5.4", "redoc.standalone.js", SCRIPT),
    own!("docs.js", SCRIPT),
    own!("redoc.js", SCRIPT),
    own!("pages.css", STYLE),
];

impl Asset {
    pub(super) fn respond(&self, request: &HeaderMap) -> Result<Response, Problem> {
        let head = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        let (kept, varies) = ([(header::CACHE_CONTROL, FOR_EVER)], [(header::VARY, "accept-encoding")]);
        match self.content {
            Content::Plain(text) => Ok((head, [(header::CACHE_CONTROL, SHORT)], text).into_response()),
            Content::Gzip(bytes) if gzip::is_taken(request) => {
                let encoded = [(header::CONTENT_ENCODING, "gzip")];
                Ok((head, kept, varies, encoded, Bytes::from_static(bytes)).into_response())
            }
            Content::Gzip(bytes) => {
                let inflated = gzip::inflate(bytes).map_err(|error| Problem::internal(&error))?;
                Ok((head, kept, varies, inflated).into_response())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_release_is_whole() {
        for asset in &ALL {
            if let Content::Gzip(bytes) = asset.content {
                let text = gzip::inflate(bytes).expect("gzip");
                assert!(text.len() > 100_000, "{}", asset.file);
            }
        }
    }
}
