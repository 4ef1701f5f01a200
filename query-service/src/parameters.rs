//! The query string of a request: every parameter is taken by name, and one nobody takes is refused.

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;

use crate::error::Fault;

/// The parameters nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Removes the parameter; of one given twice the second stays, for [`Parameters::finish`] to refuse.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(index).1)
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Filter("a query parameter is unknown here or given twice")) }
    }

    /// The parameters of a URI, percent-decoded.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Fault> {
        let unreadable = |_| Fault::Filter("the query string is not readable");
        let Query(pairs): Query<Vec<(String, String)>> = Query::try_from_uri(uri).map_err(unreadable)?;
        if is_lossy(uri, &pairs) {
            return Err(Fault::Filter("the query string is not UTF-8"));
        }
        Self::checked(pairs)
    }

    fn checked(pairs: Vec<(String, String)>) -> Result<Self, Fault> {
        let storable = pairs.iter().all(|(_, value)| !value.contains('\0'));
        if storable { Ok(Self(pairs)) } else { Err(Fault::Character) }
    }
}

/// What is no UTF-8 was read as U+FFFD, which may also have been sent as such.
fn is_lossy(uri: &Uri, pairs: &[(String, String)]) -> bool {
    let read = |text: &String| text.matches('\u{fffd}').count();
    let read: usize = pairs.iter().map(|(name, value)| read(name) + read(value)).sum();
    read > 0 && uri.query().is_none_or(|query| query.to_ascii_uppercase().matches("%EF%BF%BD").count() != read)
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Self::of(&parts.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Parameters};

    fn parameters(pairs: &[(&str, &str)]) -> Result<Parameters, Fault> {
        Parameters::checked(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_parameter_nobody_takes_is_refused() {
        let mut given = parameters(&[("kind", "order.created"), ("sort", "email;drop")]).expect("storable");
        assert_eq!(given.take("kind").as_deref(), Some("order.created"));
        assert!(matches!(given.finish(), Err(Fault::Filter(_))));
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        let mut given = parameters(&[("kind", "a"), ("kind", "b")]).expect("storable");
        assert!(given.take("kind").is_some());
        assert!(given.finish().is_err());
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        let read = |query: &str| Parameters::of(&format!("/?{query}").parse().expect("a URI")).is_ok();
        assert!(read("kind=%C3%A4") && read("kind=a%ef%bf%bdb") && read(""));
        assert!(!read("kind=%FF") && !read("kind=%EF%BF%BD%FF") && !read("%FF=a"));
    }

    #[test]
    fn what_postgres_cannot_hold_is_refused() {
        assert!(matches!(parameters(&[("kind", "a\0b")]), Err(Fault::Character)));
    }
}
