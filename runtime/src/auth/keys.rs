//! The public keys of an issuer (RFC 7517), and the three signatures that are taken.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// More keys are not looked at.
const MAX_KEYS: usize = 100;
/// Of an uncompressed point (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;
const COORDINATE_BYTES: usize = 32;
const ED25519_BYTES: usize = 32;

/// How a token is signed. No other way is taken: not `none`, and none with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// One key. Its kind decides the algorithm, never the token.
enum Key {
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// The keys of an issuer by their ids.
#[derive(Default)]
pub(super) struct Keys(Vec<(String, Key)>);

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Keys {
    /// Those of a key set that can be used; what is for other purposes is left out. `None` for what is no key set.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let jwks: Jwks = serde_json::from_slice(json).ok()?;
        let keys = jwks.keys.into_iter().take(MAX_KEYS);
        Some(Self(keys.filter_map(|jwk| Some((jwk.kid.clone()?, Key::of(&jwk)?))).collect()))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key of this id and kind.
    pub(super) fn has(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.of(key_id, algorithm).next().is_some()
    }

    /// Whether one of the keys of this id made the signature.
    pub(super) fn verify(&self, key_id: &str, algorithm: Algorithm, signed: &str, signature: &[u8]) -> bool {
        self.of(key_id, algorithm).any(|key| key.made(signed.as_bytes(), signature))
    }

    fn of(&self, key_id: &str, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |(id, key)| id == key_id && key.algorithm() == algorithm).map(|(_, key)| key)
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let decoded = |part: &Option<String>| BASE64URL_NOPAD.decode(part.as_deref()?.as_bytes()).ok();
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (decoded(&jwk.x)?, decoded(&jwk.y)?);
                let is_point = x.len() == COORDINATE_BYTES && y.len() == COORDINATE_BYTES;
                is_point.then(|| Self::P256([&[UNCOMPRESSED][..], &x, &y].concat()))
            }
            ("OKP", Some("Ed25519")) => decoded(&jwk.x).filter(|x| x.len() == ED25519_BYTES).map(Self::Ed25519),
            ("RSA", None) => Some(Self::Rsa { n: decoded(&jwk.n)?, e: decoded(&jwk.e)? }),
            _ => None,
        }?;
        let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        let is_for_this = jwk.alg.as_deref().is_none_or(|alg| Algorithm::named(alg) == Some(key.algorithm()));
        (is_for_signatures && is_for_this).then_some(key)
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Rsa { .. } => Algorithm::Rs256,
        }
    }

    fn made(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature),
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7515, A.2.
    const RFC_7515_KEY: &str = r#"{"keys":[{"kty":"RSA","kid":"a2","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}"#;
    const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    #[test]
    fn the_example_of_the_rfc_is_signed_by_its_key() {
        let keys = Keys::parse(RFC_7515_KEY.as_bytes()).unwrap();
        let mut signature = BASE64URL_NOPAD.decode(SIGNATURE.as_bytes()).unwrap();
        assert!(keys.verify("a2", Algorithm::Rs256, SIGNED, &signature));
        assert!(!keys.verify("a2", Algorithm::Es256, SIGNED, &signature), "a key is good for its own algorithm alone");
        assert!(!keys.verify("a1", Algorithm::Rs256, SIGNED, &signature));
        signature[0] ^= 1;
        assert!(!keys.verify("a2", Algorithm::Rs256, SIGNED, &signature));
    }

    #[test]
    fn keys_for_other_purposes_are_left_out() {
        let keys = [
            r#"{"kty":"RSA","kid":"1","n":"AQAB","e":"AQAB","use":"enc"}"#,
            r#"{"kty":"RSA","kid":"2","n":"AQAB","e":"AQAB","alg":"RS512"}"#,
            r#"{"kty":"oct","kid":"3","k":"AQAB"}"#,
            r#"{"kty":"EC","kid":"4","crv":"P-384","x":"AQAB","y":"AQAB"}"#,
            r#"{"kty":"EC","kid":"5","crv":"P-256","x":"AQAB","y":"AQAB"}"#,
            r#"{"kty":"OKP","kid":"6","crv":"X25519","x":"AQAB"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        ];
        assert!(Keys::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes()).unwrap().is_empty());
        assert!(Keys::parse(b"[]").is_none());
    }
}
