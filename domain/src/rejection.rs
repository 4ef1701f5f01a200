//! Why a command was refused: an answer with a stable code, not a fault.

use crate::values::Invalid;
use crate::{guest, tenant};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Guest(#[from] guest::Rejection),
    #[error(transparent)]
    Tenant(#[from] tenant::Rejection),
}

/// What sort of refusal it is; each door has its own way to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request can never be carried out as it stands.
    Invalid,
    /// What it speaks of is not there.
    NotFound,
    /// What it speaks of is in another state than the request takes for granted.
    Conflict,
    /// Nothing may be done here at present, whatever is asked for.
    Forbidden,
}

impl Rejection {
    /// The stable code callers see; `docs/problems.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.code,
            Self::Guest(guest::Rejection::NotFound) => "guest_not_found",
            Self::Guest(guest::Rejection::RegisteredOtherwise) => "guest_conflict",
            Self::Guest(guest::Rejection::IdentifierTaken) => "identifier_taken",
            Self::Guest(guest::Rejection::TooManyIdentifiers) => "too_many_identifiers",
            Self::Guest(guest::Rejection::MergedWithItself) => "merged_with_itself",
            Self::Guest(guest::Rejection::MergedAlready) => "merged_already",
            Self::Guest(guest::Rejection::TooManyMembers) => "too_many_members",
            Self::Guest(guest::Rejection::MergeNotFound) => "merge_not_found",
            Self::Guest(guest::Rejection::MergedFurther) => "merged_further",
            Self::Tenant(tenant::Rejection::NotProvisioned) => "tenant_unknown",
            Self::Tenant(tenant::Rejection::ProvisionedOtherwise) => "tenant_conflict",
            Self::Tenant(tenant::Rejection::Suspended) => "tenant_suspended",
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Guest(guest::Rejection::NotFound | guest::Rejection::MergeNotFound)
            | Self::Tenant(tenant::Rejection::NotProvisioned) => Kind::NotFound,
            Self::Guest(
                guest::Rejection::RegisteredOtherwise
                | guest::Rejection::IdentifierTaken
                | guest::Rejection::TooManyIdentifiers
                | guest::Rejection::MergedWithItself
                | guest::Rejection::MergedAlready
                | guest::Rejection::TooManyMembers
                | guest::Rejection::MergedFurther,
            )
            | Self::Tenant(tenant::Rejection::ProvisionedOtherwise) => Kind::Conflict,
            Self::Tenant(tenant::Rejection::Suspended) => Kind::Forbidden,
        }
    }

    /// The field of the command it is about.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(invalid) => Some(invalid.field),
            Self::Guest(_) | Self::Tenant(_) => None,
        }
    }
}
