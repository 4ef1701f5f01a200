//! Reads the versions that servers print about themselves.

use std::fmt;

/// Major, minor, patch; Postgres has no patch, and a pre-release counts as the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// The first word that starts like a version: `nats-server: v2.15.1`, `postgres (PostgreSQL) 18beta1`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let mut parts = word.split('.').map(leading_number);
        Some(Self(parts.next()??, parts.next().flatten().unwrap_or(0), parts.next().flatten().unwrap_or(0)))
    }
}

fn leading_number(part: &str) -> Option<u32> {
    let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
    part[..end].parse().ok()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_servers_print() {
        let found = |text| Version::find(text);
        assert_eq!(found("nats-server: v2.15.1\n"), Some(Version(2, 15, 1)));
        assert_eq!(found("nats-server: v2.15.0-RC.1"), Some(Version(2, 15, 0)));
        assert_eq!(found("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(Version(15, 18, 0)));
        assert_eq!(found("postgres (PostgreSQL) 18beta1"), Some(Version(18, 0, 0)));
        assert_eq!(found("command not found"), None);
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(Version(2, 9, 0) < Version(2, 14, 4));
    }
}
