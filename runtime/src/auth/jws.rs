//! A signed token as it comes: taken apart, and nothing in it believed yet.

use data_encoding::BASE64URL_NOPAD;
use proto::strict_json;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::keys::Algorithm;

/// Longer ones are refused unread.
const MAX_BYTES: usize = 8 * 1024;
const MAX_KEY_ID_BYTES: usize = 255;

/// The parts of a JWS in compact form (RFC 7515).
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    /// What the signature is over.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    claims: Vec<u8>,
}

/// Keys that a token brings along, and extensions that would change what it means, are refused (RFC 8725, 3.1 and 3.10).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: Option<String>,
    jwk: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
}

impl Header {
    fn is_plain(&self) -> bool {
        let Self { jwk, jku, x5u, x5c, crit, b64, enc, zip, .. } = self;
        [jwk, jku, x5u, x5c, crit, b64, enc, zip].into_iter().all(Option::is_none)
    }

    /// Access tokens only: what was issued to sign somebody in at a client is not for us.
    fn is_access_token(&self) -> bool {
        let typ = self.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.as_str())
    }
}

impl<'a> Jws<'a> {
    /// `None` for whatever is not a token of the one form that is taken.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = object(&decode(header)?)?;
        let algorithm = Algorithm::named(&header.alg)?;
        let is_taken = header.is_plain() && header.is_access_token() && header.kid.len() <= MAX_KEY_ID_BYTES;
        let (signature, claims) = (decode(signature)?, decode(claims)?);
        (is_taken && !signature.is_empty()).then_some(Self { algorithm, key_id: header.kid, signed, signature, claims })
    }

    /// What it says; only for somebody who has checked the signature, or is about to find out whose it should be.
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        object(&self.claims)
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(part.as_bytes()).ok()
}

/// A key that stands twice would let two readers understand two things.
fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    strict_json::check(json).ok()?;
    serde_json::from_slice(json).ok()
}
