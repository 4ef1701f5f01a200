//! Where the verdict on a command is kept, and where it is told.

use std::fmt::Write as _;

use super::Tenant;

/// The stream behind the key-value bucket `verdict`.
pub const VERDICT_STREAM: &str = "KV_verdict";
/// Every key of the bucket.
pub const VERDICTS_STORED: &str = "$KV.verdict.>";
/// Every subject a verdict is told on.
pub const VERDICT_SUBJECTS: &str = "verdict.>";

/// Every verdict of the tenant, where it is told.
pub fn verdicts_of(tenant: &Tenant) -> String {
    format!("verdict.{tenant}.>")
}

/// `<tenant>.<command id>`, the id written so that it is one token whatever characters it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictSubject(String);

impl VerdictSubject {
    pub fn new(tenant: &Tenant, command_id: &str) -> Self {
        let mut key = format!("{tenant}.");
        for byte in command_id.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
                key.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _written = write!(key, "={byte:02X}");
            }
        }
        Self(key)
    }

    /// Where it is kept.
    pub fn stored(&self) -> String {
        format!("$KV.verdict.{}", self.0)
    }

    /// Where it is told, once it is kept.
    pub fn told(&self) -> String {
        format!("verdict.{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_id_is_one_token_and_no_two_are_the_same() {
        let tenant: Tenant = "demo".parse().expect("a tenant");
        let told = |id: &str| VerdictSubject::new(&tenant, id).told();
        assert_eq!(told("order-1_a"), "verdict.demo.order-1_a");
        assert_eq!(told("a.b*>"), "verdict.demo.a=2Eb=2A=3E");
        assert_ne!(told("a=2Eb"), told("a.b"));
    }
}
