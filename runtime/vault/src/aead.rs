//! XChaCha20-Poly1305 with random nonces, and the associated data that ties a ciphertext to its place.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use rand::Rng as _;
use zeroize::Zeroizing;

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 24;

/// A 256-bit key, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// The ciphertext was not made with this key for this place.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a sealed value does not open with its key")]
pub struct Forged;

/// The operating system gave no randomness, or the text was too long to seal.
#[derive(Clone, Debug, thiserror::Error)]
#[error("sealing failed: {0}")]
pub struct SealFault(&'static str);

pub(crate) fn random_key() -> Result<Key, SealFault> {
    let mut key = Key::default();
    getrandom::fill(&mut *key).map_err(|_| SealFault("the system gives no random bytes"))?;
    Ok(key)
}

pub(crate) fn seal(key: &Key, place: &[u8], text: &[u8]) -> Result<([u8; NONCE_BYTES], Vec<u8>), SealFault> {
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    let payload = Payload { msg: text, aad: place };
    let ciphertext = XChaCha20Poly1305::new((&**key).into()).encrypt(&nonce.into(), payload);
    Ok((nonce, ciphertext.map_err(|_| SealFault("the text is too long"))?))
}

pub(crate) fn open(key: &Key, place: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Forged> {
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| Forged)?;
    let payload = Payload { msg: ciphertext, aad: place };
    let text = XChaCha20Poly1305::new((&**key).into()).decrypt(&nonce.into(), payload);
    text.map(Zeroizing::new).map_err(|_| Forged)
}

/// Length-prefixed fields: no two places share an encoding.
pub(crate) fn place(fields: &[&[u8]]) -> Vec<u8> {
    let mut place = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
    for field in fields {
        place.extend_from_slice(&(field.len() as u64).to_be_bytes());
        place.extend_from_slice(field);
    }
    place
}
