//! Whose tokens are taken: the file that says which issuers are trusted, and for what.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::key_source::{KeySource, Place};
use super::keys::Algorithm;
use crate::http_client::{HttpClient, HttpError};
use crate::tenant::Tenant;

/// Where nobody else can change what is on its way.
const HERE: [&str; 3] = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
/// Longer tokens of services are refused where the file does not say otherwise.
const LONGEST_SERVICE_TOKEN_S: i64 = 600;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    #[error("{0} is not a file of issuers: {1}")]
    Malformed(PathBuf, serde_json::Error),
    #[error("{0}: {1}")]
    Refused(PathBuf, String),
    #[error("the authorities that sign certificates cannot be loaded: {0}")]
    Certificates(#[from] HttpError),
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// What tokens must be made out to.
    audience: String,
    issuers: Vec<IssuerEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerEntry {
    /// The `iss` of its tokens, letter for letter.
    issuer: String,
    /// Its key set: `https://…`, or a file beside this one.
    keys: String,
    algorithms: Vec<Algorithm>,
    /// Never to be trusted in production.
    #[serde(default)]
    development: bool,
    longest_service_token_s: Option<i64>,
    /// Those it may speak for; absent: all.
    tenants: Option<Vec<String>>,
}

pub(super) struct Issuers {
    pub(super) audience: String,
    each: Vec<Issuer>,
}

pub(super) struct Issuer {
    name: String,
    pub(super) keys: KeySource,
    algorithms: Vec<Algorithm>,
    pub(super) longest_service_token_s: i64,
    pub(super) tenants: Option<Vec<Tenant>>,
}

impl Issuers {
    pub(super) fn read(file: &Path, is_production: bool) -> Result<Self, IssuersError> {
        let text = std::fs::read(file).map_err(|error| IssuersError::Unreadable(file.to_owned(), error))?;
        let document: Document =
            serde_json::from_slice(&text).map_err(|error| IssuersError::Malformed(file.to_owned(), error))?;
        let refused = |reason: String| IssuersError::Refused(file.to_owned(), reason);
        if document.audience.is_empty() || document.issuers.is_empty() {
            return Err(refused("an audience and at least one issuer are needed".to_owned()));
        }
        // Files of keys need no authorities.
        let is_https = |entry: &IssuerEntry| entry.keys.starts_with("https://");
        let http = if document.issuers.iter().any(is_https) {
            HttpClient::secure(KeySource::timeout())?
        } else {
            HttpClient::new(KeySource::timeout())
        };
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut each: Vec<Issuer> = Vec::new();
        for entry in document.issuers {
            if entry.development && is_production {
                return Err(refused(format!(
                    "{} issues tokens for development: KEEPSAKE_ENV=production",
                    entry.issuer
                )));
            }
            if entry.algorithms.is_empty() || each.iter().any(|known| known.name == entry.issuer) {
                return Err(refused(format!("{}: algorithms are needed, and each issuer stands once", entry.issuer)));
            }
            let place = place(&entry.keys, folder, is_production)
                .ok_or_else(|| refused(format!("{}: keys come over https, or from a file", entry.issuer)))?;
            let tenants = entry.tenants.map(|names| names.iter().map(|name| name.parse()).collect::<Result<_, _>>());
            let tenants = tenants.transpose().map_err(|_| refused(format!("{}: not all are tenants", entry.issuer)))?;
            each.push(Issuer {
                keys: KeySource::new(place, http.clone()),
                name: entry.issuer,
                algorithms: entry.algorithms,
                tenants,
                longest_service_token_s: entry.longest_service_token_s.unwrap_or(LONGEST_SERVICE_TOKEN_S),
            });
        }
        Ok(Self { audience: document.audience, each })
    }

    pub(super) fn named(&self, name: &str) -> Option<&Issuer> {
        self.each.iter().find(|issuer| issuer.name == name)
    }
}

impl Issuer {
    pub(super) fn signs_with(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

/// Whoever can change keys on their way is whoever they want to be.
fn place(keys: &str, folder: &Path, is_production: bool) -> Option<Place> {
    let is_here = HERE.iter().any(|here| keys.starts_with(here));
    if keys.starts_with("https://") || (is_here && !is_production) {
        Some(Place::Url(keys.to_owned()))
    } else {
        (!keys.contains("://")).then(|| Place::File(folder.join(keys)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(issuers: &str, is_production: bool) -> Result<Issuers, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("issuers.json");
        std::fs::write(&file, format!(r#"{{"audience":"keepsake","issuers":[{issuers}]}}"#)).unwrap();
        Issuers::read(&file, is_production).map_err(|error| error.to_string())
    }

    #[test]
    fn production_trusts_no_issuer_for_development_and_no_keys_that_anybody_could_change() {
        let development = r#"{"issuer":"a","keys":"a.json","algorithms":["EdDSA"],"development":true}"#;
        let in_clear = r#"{"issuer":"a","keys":"http://127.0.0.1:80/keys","algorithms":["EdDSA"]}"#;
        for issuer in [development, in_clear] {
            assert!(read(issuer, false).is_ok());
            assert!(read(issuer, true).is_err(), "{issuer}");
        }
        assert!(read(r#"{"issuer":"a","keys":"https://a/keys","algorithms":["EdDSA"]}"#, true).is_ok());
    }

    #[test]
    fn what_the_file_says_wrong_is_told_when_the_service_starts() {
        for issuers in [
            "",
            r#"{"issuer":"a","keys":"a.json","algorithms":[]}"#,
            r#"{"issuer":"a","keys":"a.json","algorithms":["HS256"]}"#,
            r#"{"issuer":"a","keys":"ftp://a/keys","algorithms":["EdDSA"]}"#,
            r#"{"issuer":"a","keys":"http://a/keys","algorithms":["EdDSA"]}"#,
            r#"{"issuer":"a","keys":"a.json","algorithms":["EdDSA"],"tenants":["*"]}"#,
            r#"{"issuer":"a","keys":"a.json","algorithms":["EdDSA"],"audiences":"b"}"#,
            r#"{"issuer":"a","keys":"a.json","algorithms":["EdDSA"]},{"issuer":"a","keys":"b.json","algorithms":["EdDSA"]}"#,
        ] {
            assert!(read(issuers, false).is_err(), "{issuers}");
        }
    }
}
