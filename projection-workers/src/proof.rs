//! What proves a read model: how many commits went in, and a sum that only these commits have.

use std::ops::AddAssign;

use sha2::{Digest as _, Sha256};

/// One commit's part of the sum: the first 128 bits of SHA-256 over its position (8 bytes, big endian), its subject and, behind
/// a zero byte, its payload as it is stored. `keepsake.checkpoint` holds the sums; SQL's own `sha256` gives the same.
pub(crate) fn mark(position: u64, subject: &str, payload: &[u8]) -> u128 {
    let mut hash = Sha256::new();
    hash.update(position.to_be_bytes());
    hash.update(subject.as_bytes());
    hash.update([0]);
    hash.update(payload);
    let digest = hash.finalize();
    u128::from_be_bytes(digest[..16].try_into().expect("a SHA-256 has 32 bytes"))
}

/// Commits of one partition that went into one read model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) commits: i64,
    /// Modulo 2^128: commits may be added in any order.
    pub(crate) sum: u128,
}

impl Proof {
    pub(crate) fn add(&mut self, mark: u128) {
        self.commits += 1;
        self.sum = self.sum.wrapping_add(mark);
    }
}

impl AddAssign for Proof {
    fn add_assign(&mut self, more: Self) {
        self.commits += more.commits;
        self.sum = self.sum.wrapping_add(more.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: u128 = 0x4d90_47d9_364d_4658_6913_b143_2365_e739;

    #[test]
    fn a_mark_is_what_postgres_makes_of_the_same_bytes() {
        // SELECT substr(sha256('\x0000000000000007' || 'es.00.a.b' || '\x00' || 'payload'), 1, 16)
        assert_eq!(mark(7, "es.00.a.b", b"payload"), MARK);
    }

    #[test]
    fn a_skipped_a_doubled_and_a_changed_commit_all_show() {
        let of = |marks: &[u128]| {
            let mut proof = Proof::default();
            for mark in marks {
                proof.add(*mark);
            }
            proof
        };
        let [one, two] = [mark(1, "es.00.a.b", b"x"), mark(2, "es.00.a.b", b"x")];
        assert_eq!(of(&[one, two]), of(&[two, one]));
        for other in [&[one][..], &[one, two, two], &[one, one], &[one, mark(2, "es.00.a.b", b"y")]] {
            assert_ne!(of(other), of(&[one, two]));
        }
    }
}
