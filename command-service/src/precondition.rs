//! `If-Match`: a command is carried out only on a version that its sender has seen.

use axum::http::{HeaderMap, header};
use runtime::problem::Problem;

/// What must hold of the version of the command's facet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// There is one.
    Exists,
    /// It is one of these.
    OneOf(Vec<u64>),
}

impl Precondition {
    /// What `If-Match` asks for; `None` when there is none.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut versions = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let value = value.to_str().map_err(|_| invalid())?.trim();
            if value == "*" {
                return Ok(Some(Self::Exists));
            }
            for tag in value.split(',') {
                versions.push(version(tag.trim()).ok_or_else(invalid)?);
            }
        }
        Ok(if versions.is_empty() { None } else { Some(Self::OneOf(versions)) })
    }

    pub(crate) fn holds(&self, version: u64) -> bool {
        match self {
            Self::Exists => version > 0,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// The version in `"v<version>-<position>"`. A weak tag promises less than a write may rest on.
fn version(tag: &str) -> Option<u64> {
    let (version, position) = tag.strip_prefix("\"v")?.strip_suffix('"')?.split_once('-')?;
    position.parse::<u64>().ok()?;
    version.parse().ok()
}

fn invalid() -> Problem {
    Problem::bad_request("if_match_invalid", "If-Match takes ETags as they were given, such as \"v3-1742\", or *")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Result<Option<Precondition>, &'static str> {
        let value = |value: &&'static str| (header::IF_MATCH, header::HeaderValue::from_static(value));
        Precondition::from_headers(&values.iter().map(value).collect()).map_err(|problem| problem.code())
    }

    #[test]
    fn tags_are_read_from_any_number_of_headers() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(Some(Precondition::Exists)));
        assert_eq!(read(&["\"v3-17\", \"v4-20\"", "\"v5-21\""]), Ok(Some(Precondition::OneOf(vec![3, 4, 5]))));
    }

    #[test]
    fn what_is_no_tag_of_ours_or_a_weak_one_is_refused() {
        for value in ["v3-17", "W/\"v3-17\"", "\"v3\"", "\"abc\"", "", "\"v3-17\",", "\"v-3-17\""] {
            assert_eq!(read(&[value]), Err("if_match_invalid"), "{value}");
        }
    }

    #[test]
    fn the_version_decides_and_the_position_does_not() {
        let seen = Precondition::OneOf(vec![3]);
        assert!(seen.holds(3) && !seen.holds(4));
        assert!(Precondition::Exists.holds(1) && !Precondition::Exists.holds(0));
    }
}
