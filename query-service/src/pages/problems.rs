//! `GET /problems/{code}`: the page that the `type` of a problem leads to, made of `docs/problems.md`.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header;
use axum::response::{Html, IntoResponse as _, Response};
use data_encoding::BASE64;
use runtime::openapi::{Responses, refusals};
use runtime::problem::Problem;
use sha2::{Digest as _, Sha256};
use utoipa::IntoResponses;

use super::{SHORT, html, safe};

const SOURCE: &str = include_str!("../../../docs/problems.md");
const STYLE: &str = include_str!("problem.css");

/// Nothing but the style that stands in the page itself.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// A chapter of the document: its title, and its problems, each with what is said of it.
struct Chapter {
    title: &'static str,
    problems: Vec<(&'static str, &'static str)>,
}

static CHAPTERS: LazyLock<Vec<Chapter>> = LazyLock::new(|| {
    let chapters = SOURCE.split("\n## ").skip(1);
    chapters.map(chapter).collect()
});

fn chapter(text: &'static str) -> Chapter {
    let mut parts = text.split("\n### ");
    let title = parts.next().and_then(|head| head.lines().next()).unwrap_or_default();
    Chapter { title, problems: parts.filter_map(|problem| problem.split_once('\n')).collect() }
}

pub(super) struct Answers;

impl IntoResponses for Answers {
    fn responses() -> Responses {
        refusals(&[&[(404, "route_not_found")]])
    }
}

/// Every problem there is
#[utoipa::path(
    get,
    path = "/problems",
    operation_id = "list_problems",
    tag = "documents",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"))
)]
pub(super) async fn index() -> Response {
    let chapters = CHAPTERS.iter().map(|Chapter { title, problems }| {
        let links =
            problems.iter().map(|(code, _)| format!("<li><a href=\"/problems/{code}\"><code>{code}</code></a></li>\n"));
        format!("<h2>{title}</h2>\n<ul>\n{}</ul>\n", links.collect::<String>())
    });
    let about = SOURCE.split("\n## ").next().and_then(|head| head.split_once('\n')).map_or("", |(_, about)| about);
    page("Problems", &format!("{}{}", html::of_markdown(about), chapters.collect::<String>()))
}

/// What a problem is, and what to do about it
#[utoipa::path(
    get,
    path = "/problems/{code}",
    operation_id = "get_problem",
    tag = "documents",
    params(("code" = String, Path, description = "The `code` of a problem.", example = "guest_not_found")),
    responses((status = 200, description = "A page.", body = String, content_type = "text/html"), Answers)
)]
pub(super) async fn page_of(path: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("route_not_found", "there is no such problem");
    let Path(asked) = path.map_err(|_| unknown())?;
    let mut problems = CHAPTERS.iter().flat_map(|chapter| &chapter.problems);
    let (code, text) = problems.find(|(code, _)| *code == asked).ok_or_else(unknown)?;
    Ok(page(code, &html::of_markdown(text)))
}

fn page(title: &str, content: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · Keepsake</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{content}</main>\n\
         <footer><a href=\"/problems\">All problems</a> · <a href=\"/docs\">The HTTP interface</a></footer>\n</body>\n</html>\n"
    );
    (safe(&POLICY), [(header::CACHE_CONTROL, SHORT)], Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_of_the_document_is_a_problem_with_something_to_do() {
        let problems: Vec<_> = CHAPTERS.iter().flat_map(|chapter| &chapter.problems).collect();
        assert_eq!(problems.len(), SOURCE.matches("\n### ").count());
        for (code, text) in problems {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(text.contains("*What to do:*"), "{code}");
        }
    }
}
