//! `/guests/{guest_id}/…?namespace=`: the guest a request names in its URL.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use proto::identifier::GuestRef;
use runtime::openapi::{path_parameter, query_parameter, text};
use runtime::problem::Problem;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::Write;
use crate::ingress::decode;

/// Our id, or the caller's in a namespace.
pub(super) struct Addressed {
    guest_id: String,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addressing {
    #[serde(default)]
    namespace: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Addressed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(guest_id) = path.map_err(|_| Problem::unprocessable("invalid_identifier", "the path is not UTF-8"))?;
        Self::by(guest_id, parts, state).await
    }
}

impl Addressed {
    /// The guest of this id, in the namespace that the query string names.
    async fn by<S: Send + Sync>(guest_id: String, parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let detail = "this takes ?namespace= once, and nothing else";
        let query = Query::<Addressing>::from_request_parts(parts, state).await;
        let Query(Addressing { namespace }) = query.map_err(|_| Problem::unprocessable("invalid_filter", detail))?;
        Ok(Self { guest_id, namespace })
    }

    /// The id, and the namespace it is in.
    pub(super) fn name(&self) -> (&str, &str) {
        (&self.guest_id, &self.namespace)
    }

    /// Refuses what can name no guest, before anything else is looked at.
    pub(super) fn require_name(&self) -> Result<(), Problem> {
        let parsed = GuestRef::parse(&self.namespace, &self.guest_id);
        parsed.map(drop).map_err(|invalid| Problem::unprocessable(invalid.code(), invalid.to_string()))
    }

    /// The command in the body, about this guest; `named` is where it says whom it is about.
    pub(super) fn command<C: DeserializeOwned>(
        self,
        write: &Write,
        named: impl FnOnce(&mut C) -> (&mut String, &mut String),
    ) -> Result<C, Problem> {
        write.require_precondition()?;
        let mut command = decode::json(&write.json)?;
        let (guest_id, namespace) = named(&mut command);
        agree("guest_id", guest_id, self.guest_id)?;
        if !self.namespace.is_empty() {
            agree("namespace", namespace, self.namespace)?;
        }
        Ok(command)
    }
}

/// The URL decides; a body that says otherwise is a mistake of the caller's.
fn agree(field: &str, in_body: &mut String, in_url: String) -> Result<(), Problem> {
    if !in_body.is_empty() && *in_body != in_url {
        return Err(
            Problem::unprocessable("validation_failed", "differs from the one in the URL").at(format!("#/{field}"))
        );
    }
    *in_body = in_url;
    Ok(())
}

impl IntoParams for Addressed {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let guest = "Our id of the guest (`prf_…`), or an identifier of yours.";
        let namespace = "What kind of identifier the path's id is when it is the caller's.";
        vec![
            path_parameter("guest_id", guest, text()),
            query_parameter("namespace", namespace, text().pattern(Some("^[a-z0-9_]{0,64}$"))),
        ]
    }
}

/// An identifier in a URL, and the guest who is to have it no more.
pub(super) struct AddressedIdentifier {
    pub(super) guest: Addressed,
    pub(super) namespace: String,
    pub(super) identifier: String,
}

impl<S: Send + Sync> FromRequestParts<S> for AddressedIdentifier {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let Path((guest_id, namespace, identifier)) =
            path.map_err(|_| Problem::unprocessable("invalid_identifier", "the path is not UTF-8"))?;
        let guest = Addressed::by(guest_id, parts, state).await?;
        Ok(Self { guest, namespace, identifier })
    }
}

impl IntoParams for AddressedIdentifier {
    fn into_params(location: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let namespace = "What kind of identifier it is.";
        let identifier = "The identifier to take away.";
        let own = [
            path_parameter("identifier_namespace", namespace, text().pattern(Some("^[a-z0-9_]{1,64}$"))),
            path_parameter("identifier", identifier, text()),
        ];
        Addressed::into_params(location).into_iter().chain(own).collect()
    }
}
