//! The key-encryption key: wraps every key the vault stores, and is itself only ever a file.

use std::path::Path;
use std::{fs, io};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::aead::{self, Forged, KEY_BYTES, Key, NONCE_BYTES, SealFault};

#[derive(Clone)]
pub struct Kek(Key);

/// Why the key file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    #[error("the key file {path} cannot be read: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("the key file {0} must hold 32 bytes, or 64 hexadecimal digits")]
    Malformed(String),
}

impl Kek {
    /// Reads the key: 32 bytes as they are, or 64 hexadecimal digits.
    pub fn from_file(path: &Path) -> Result<Self, KekError> {
        let name = || path.display().to_string();
        let content = fs::read(path).map_err(|source| KekError::Unreadable { path: name(), source })?;
        Self::from_bytes(&Zeroizing::new(content)).ok_or_else(|| KekError::Malformed(name()))
    }

    fn from_bytes(content: &[u8]) -> Option<Self> {
        let hex = || data_encoding::HEXLOWER_PERMISSIVE.decode(content.trim_ascii()).ok().map(Zeroizing::new);
        let raw = <[u8; KEY_BYTES]>::try_from(content).ok();
        let key = raw.or_else(|| <[u8; KEY_BYTES]>::try_from(hex()?.as_slice()).ok())?;
        Some(Self(Key::new(key)))
    }

    /// `nonce || ciphertext` of a key, bound to the place it is stored at.
    pub(crate) fn wrap(&self, place: &[u8], key: &Key) -> Result<Vec<u8>, SealFault> {
        let (nonce, ciphertext) = aead::seal(&self.0, place, &**key)?;
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    pub(crate) fn unwrap(&self, place: &[u8], wrapped: &[u8]) -> Result<Key, Forged> {
        let (nonce, ciphertext) = wrapped.split_at_checked(NONCE_BYTES).ok_or(Forged)?;
        let key = aead::open(&self.0, place, nonce, ciphertext)?;
        Ok(Key::new(key.as_slice().try_into().map_err(|_| Forged)?))
    }

    /// A key for one purpose, the same in every process that holds this file.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        Key::new(keyed_hash(&self.0, &[b"derive", purpose.as_bytes()]))
    }
}

/// HMAC-SHA256 over length-prefixed fields.
pub(crate) fn keyed_hash(key: &Key, fields: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a short key with zeros to the hash's block itself; doing it here leaves no error to handle.
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY_BYTES].copy_from_slice(&**key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    // Some fields are keys themselves.
    mac.update(&Zeroizing::new(aead::place(fields)));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_only_at_its_place() {
        let kek = Kek::from_bytes(&[7; 32]).expect("32 bytes");
        let key = aead::random_key().expect("randomness");
        let wrapped = kek.wrap(b"here", &key).expect("seals");
        assert_eq!(kek.unwrap(b"here", &wrapped).expect("opens"), key);
        assert!(kek.unwrap(b"there", &wrapped).is_err());
    }

    #[test]
    fn a_key_file_is_raw_bytes_or_hexadecimal_digits() {
        assert!(Kek::from_bytes("0f".repeat(32).as_bytes()).is_some());
        assert!(Kek::from_bytes(format!("{}\n", "0F".repeat(32)).as_bytes()).is_some());
        assert!(Kek::from_bytes(b"short").is_none());
    }
}
