//! Telling one text from another by a hash.

use sha2::{Digest as _, Sha256};

/// In hexadecimal; changes with any byte, and with where one text ends.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn any_change_makes_another_hash() {
        let hashes =
            [hash(["a", "bc"]), hash(["ab", "c"]), hash(["a", "bd"]), hash(["a", "b", "c", ""]), hash(["a", "b", "c"])];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash));
        }
    }
}
