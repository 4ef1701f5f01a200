//! The only place a NATS subject is spelled.

mod command;
pub mod inbox;
pub mod jetstream;
mod published;
mod verdict;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use command::{
    COMMAND_SUBJECTS, CommandSubject, DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECTS, DISCOVERY_SUBJECTS, INTAKE_HOLDERS,
    INTAKE_STREAM, INTAKE_SUBJECTS, commands_of, dead_letter, durable_commands_of, intake_holder,
};
pub use published::{PUBLISHED_STREAM, PUBLISHED_SUBJECTS, PublishedSubject};
pub use verdict::{VERDICT_STREAM, VERDICT_SUBJECTS, VERDICTS_STORED, VerdictSubject, verdicts_of};

/// The stream that holds the log.
pub const LOG_STREAM: &str = "EVT";
/// Every subject of the log.
pub const LOG_SUBJECTS: &str = "es.>";
/// Virtual partitions a log subject can fall into; fixed for ever.
pub const PARTITIONS: u8 = 64;

const MAX_TOKEN_BYTES: usize = 64;

/// Not a token of `[A-Za-z0-9_-]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidToken;

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Cheap to clone.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidToken;

            fn from_str(text: &str) -> Result<Self, InvalidToken> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                let valid = !text.is_empty() && text.len() <= MAX_TOKEN_BYTES && text.bytes().all(allowed);
                if valid { Ok(Self(text.into())) } else { Err(InvalidToken) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

token! {
    /// A customer of the platform.
    Tenant
}

/// The tenant of the instances themselves, whose commits probe the log and say nothing to anybody else.
const SYSTEM_TENANT: &str = "_sys";

impl Tenant {
    pub fn system() -> Self {
        Self(SYSTEM_TENANT.into())
    }

    /// Whether this is no customer but the system itself; no caller may name it.
    pub fn is_system(&self) -> bool {
        *self.0 == *SYSTEM_TENANT
    }
}

token! {
    /// What a log subject belongs to: a guest (`prf_...`), or an object with a life of its own.
    Owner
}

pub(crate) const GUEST_PREFIX: &str = "prf_";
const GUEST_HEX_DIGITS: usize = 32;

impl Owner {
    /// The owner under which a tenant's own events are kept.
    pub fn tenant() -> Self {
        Self("tenant".into())
    }

    /// Something a running instance of a service keeps for itself under this 128-bit id; belongs to [`Tenant::system`].
    pub fn instance(id: u128) -> Self {
        Self(format!("ins_{id:032x}").into())
    }

    /// The guest with this 128-bit id.
    pub fn guest(id: u128) -> Self {
        Self(format!("{GUEST_PREFIX}{id:032x}").into())
    }

    /// The guest this text names, when it is an id of ours.
    pub fn parse_guest(text: &str) -> Option<Self> {
        is_guest(text).then(|| Self(text.into()))
    }

    pub fn is_guest(&self) -> bool {
        is_guest(&self.0)
    }
}

fn is_guest(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let digits = text.strip_prefix(GUEST_PREFIX);
    digits.is_some_and(|digits| digits.len() == GUEST_HEX_DIGITS && digits.bytes().all(hex))
}

/// `es.<pp>.<tenant>.<owner>`: the one subject of everything an owner lives through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogSubject {
    pub tenant: Tenant,
    pub owner: Owner,
}

impl LogSubject {
    pub fn new(tenant: Tenant, owner: Owner) -> Self {
        Self { tenant, owner }
    }

    /// The virtual partition, 0 to 63: FNV-1a 32 over tenant and owner, as NATS' own `partition()` computes it.
    pub fn partition(&self) -> u8 {
        let bytes = self.tenant.0.bytes().chain(self.owner.0.bytes());
        let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        // 64 divides 256: the lowest byte has the whole remainder.
        hash.to_le_bytes()[0] % PARTITIONS
    }
}

impl fmt::Display for LogSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "es.{:02}.{}.{}", self.partition(), self.tenant, self.owner)
    }
}

/// Not a subject of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject of the expected form")]
pub struct InvalidSubject;

impl FromStr for LogSubject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let mut parts = text.split('.');
        let [Some("es"), Some(pp), Some(tenant), Some(owner), None] = std::array::from_fn(|_| parts.next()) else {
            return Err(InvalidSubject);
        };
        let subject =
            Self::new(tenant.parse().map_err(|_| InvalidSubject)?, owner.parse().map_err(|_| InvalidSubject)?);
        let partition = subject.partition();
        let is_its_own = pp.as_bytes() == [b'0' + partition / 10, b'0' + partition % 10];
        if is_its_own { Ok(subject) } else { Err(InvalidSubject) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(tenant: &str, owner: &str) -> LogSubject {
        LogSubject::new(tenant.parse().expect("a token"), owner.parse().expect("a token"))
    }

    #[test]
    fn a_log_subject_reads_back_as_it_was_written() {
        let written = subject("demo", Owner::guest(7).as_str());
        assert_eq!(written.to_string().parse(), Ok(written));
    }

    #[test]
    fn a_log_subject_with_a_foreign_partition_is_refused() {
        let written = subject("demo", "tenant");
        let elsewhere = format!("es.{:02}.demo.tenant", (written.partition() + 1) % PARTITIONS);
        assert_eq!(elsewhere.parse::<LogSubject>(), Err(InvalidSubject));
    }

    #[test]
    fn only_four_tokens_with_two_digits_for_the_partition_are_a_log_subject() {
        assert_eq!("es.10.a.b".parse(), Ok(subject("a", "b")));
        for text in ["es.10.a", "es.10.a.b.c", "es.010.a.b", "es.1.a.b", "es..a.b", "ev.10.a.b", "es.10.a.b."] {
            assert_eq!(text.parse::<LogSubject>(), Err(InvalidSubject), "{text}");
        }
    }

    #[test]
    fn the_partition_is_fnv1a_over_tenant_and_owner_without_separator() {
        assert_eq!(u32::from(subject("a", "b").partition()), 0x4d25_05ca_u32 % 64);
        assert_eq!(u32::from(subject("foo", "bar").partition()), 0xbf9c_f968_u32 % 64);
    }

    #[test]
    fn tokens_take_no_subject_punctuation() {
        for text in ["", "a.b", "*", ">", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(text.parse::<Tenant>(), Err(InvalidToken), "{text:?}");
        }
    }

    #[test]
    fn only_our_own_form_is_a_guest_id() {
        let id = Owner::guest(u128::MAX);
        assert_eq!(Owner::parse_guest(id.as_str()), Some(id));
        for text in ["prf_", "prf_FF", "00001", "prf_0000000000000000000000000000000g"] {
            assert_eq!(Owner::parse_guest(text), None, "{text:?}");
        }
    }
}
