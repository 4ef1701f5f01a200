//! The guest a path names: our id, or an identifier of the caller's in `?namespace=`.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use proto::identifier::{GuestRef, InvalidIdentifier};

use crate::error::Fault;
use crate::parameters::Parameters;

/// The id in the path, percent-decoded and not yet understood.
pub(crate) struct GuestPath(String);

impl GuestPath {
    /// Reads the id together with the namespace the query string names.
    pub(crate) fn parse(&self, parameters: &mut Parameters) -> Result<GuestRef, Fault> {
        let namespace = parameters.take("namespace").unwrap_or_default();
        Ok(GuestRef::parse(&namespace, &self.0)?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for GuestPath {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let not_utf8 = |_: PathRejection| Fault::Identifier(InvalidIdentifier::Character);
        Path::from_request_parts(parts, state).await.map(|Path(id)| Self(id)).map_err(not_utf8)
    }
}
