//! What this service says of its routes, and the one document of the whole origin.

mod contract;
mod merge;
mod parameters;

use runtime::openapi::{About, Codes, Header, Responses, refusals, succeeds_with};

pub(crate) use contract::{__path_read, Contract, read};
pub(crate) use parameters::{IfNoneMatch, Paging, Selection};

pub(crate) const ABOUT: About = About {
    title: "Keepsake",
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("openapi/about.md"),
    tags: &[
        ("guests", "Who the guests are: register them, read what is known of them."),
        ("identity", "Who is whom: identifiers, logins, merges."),
        ("interactions", "What guests did: record it, read it back."),
        ("topics", "What all guests do about a topic."),
        ("commands", "How commands ended that nobody waited for."),
        ("tenants", "Make tenants exist, suspend and resume them, agree on their budgets."),
        ("api-keys", "Credentials of programs."),
        ("quotas", "How often somebody may ask."),
        ("documents", "What describes all of this, for programs."),
    ],
};

const READ: &Codes = &[
    (400, "invalid_position"),
    (403, "tenant_suspended"),
    (404, "tenant_unknown"),
    (422, "invalid_character"),
    (422, "invalid_filter"),
    (503, "database_unavailable"),
    (503, "overloaded"),
    (503, "read_model_behind"),
];
const OF_A_GUEST: &Codes = &[
    (404, "guest_not_found"),
    (422, "blocked_identifier"),
    (422, "invalid_identifier"),
    (503, "audit_unavailable"),
    (503, "guest_parked"),
    (503, "vault_unavailable"),
];
const OF_A_LIST: &Codes = &[(400, "cursor_mismatch"), (400, "invalid_cursor"), (422, "invalid_limit")];

const AS_OF: Header = Header {
    name: "X-As-Of",
    about: "The position of the log that the answer is as of: a consistency token.",
    example: "0.1742",
};
const CACHE_CONTROL: Header = Header {
    name: "Cache-Control",
    about: "Somebody's data: only their own browser may keep it, and asks each time.",
    example: "private, no-cache",
};
const PARKED_FROM: Header = Header {
    name: "X-Parked-From",
    about: "Only where commits are set aside: what they changed, from this position on, is not in the answer.",
    example: "0.1742",
};
const CANONICAL_ID: Header = Header {
    name: "X-Canonical-Id",
    about: "Only where the guest was merged: the id that stands for all of its ids.",
    example: "prf_4a0c9c5e8d1b4f6aa3d2e1f00b9c8d7e",
};
pub(crate) const ETAG: Header =
    Header { name: "ETag", about: "Names this state: send it back as `If-None-Match`.", example: "\"v3-1742\"" };

/// The answers of a read, beside its success; `own` are the problems that are its alone.
pub(crate) fn read_of_many(own: &Codes) -> Responses {
    answers(&[AS_OF, CACHE_CONTROL, PARKED_FROM], &[READ, own])
}

/// The same of a list that is nobody's in particular.
pub(crate) fn list_of_many(own: &Codes) -> Responses {
    read_of_many(&[OF_A_LIST, own].concat())
}

/// The same of a read about one guest.
pub(crate) fn read_of_a_guest(headers: &[Header], own: &Codes) -> Responses {
    let headers = [&[AS_OF, CACHE_CONTROL, PARKED_FROM, CANONICAL_ID], headers].concat();
    answers(&headers, &[READ, OF_A_GUEST, own])
}

/// The same of a list of one guest's.
pub(crate) fn list_of_a_guest(own: &Codes) -> Responses {
    read_of_a_guest(&[], &[OF_A_LIST, own].concat())
}

/// The answers of a stream of what happens to one guest.
pub(crate) fn stream_of_a_guest(own: &Codes) -> Responses {
    let kept = Header { example: "no-store", about: "Nobody keeps it.", ..CACHE_CONTROL };
    answers(&[AS_OF, kept], &[READ, OF_A_GUEST, own])
}

fn answers(headers: &[Header], codes: &[&Codes]) -> Responses {
    let mut answers = succeeds_with(headers);
    answers.extend(refusals(codes));
    answers
}
