//! Where published events are told.

use super::{InvalidSubject, Tenant};

/// The stream that keeps published events for a week.
pub const PUBLISHED_STREAM: &str = "PUB";
/// Every subject of a published event.
pub const PUBLISHED_SUBJECTS: &str = "pub.>";

/// `pub.<tenant>.<name>`, the name being dotted words: `guest.profile.created`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSubject<'a> {
    pub tenant: &'a str,
    pub name: &'a str,
}

impl<'a> PublishedSubject<'a> {
    pub fn new(tenant: &'a Tenant, name: &'a str) -> Self {
        Self { tenant: tenant.as_str(), name }
    }

    pub fn parse(text: &'a str) -> Result<Self, InvalidSubject> {
        let rest = text.strip_prefix("pub.").ok_or(InvalidSubject)?;
        let (tenant, name) = rest.split_once('.').ok_or(InvalidSubject)?;
        if tenant.is_empty() || name.is_empty() { Err(InvalidSubject) } else { Ok(Self { tenant, name }) }
    }

    /// Every event of the tenant.
    pub fn all_of(tenant: &Tenant) -> String {
        format!("pub.{tenant}.>")
    }
}

impl std::fmt::Display for PublishedSubject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pub.{}.{}", self.tenant, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_subject_reads_back_as_it_was_written() {
        let tenant: Tenant = "demo".parse().expect("a tenant");
        let written = PublishedSubject::new(&tenant, "guest.profile.created");
        assert_eq!(written.to_string(), "pub.demo.guest.profile.created");
        assert_eq!(PublishedSubject::parse(&written.to_string()), Ok(written));
        for text in ["pub.demo", "pub.demo.", "pub..a", "es.01.a.b", ""] {
            assert_eq!(PublishedSubject::parse(text), Err(InvalidSubject), "{text}");
        }
    }
}
