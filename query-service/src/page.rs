//! Pages of a list: a cursor names the last row its caller has seen, and no other list accepts it.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use utoipa::ToSchema;

use crate::error::Fault;
use crate::parameters::Parameters;

/// What the key of cursors is derived for.
pub(crate) const KEY_PURPOSE: &str = "query-service cursor v1";

const DEFAULT_LIMIT: u16 = 50;
pub(crate) const MAX_LIMIT: u16 = 500;
const FILTER_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
/// Far more than a cursor of ours takes.
const MAX_CURSOR_CHARS: usize = 1_024;

/// Rows a page takes: `limit`, 1 to 500.
pub(crate) fn limit(parameters: &mut Parameters) -> Result<u16, Fault> {
    let Some(text) = parameters.take("limit") else { return Ok(DEFAULT_LIMIT) };
    let limit: u16 = text.parse().map_err(|_| Fault::Limit)?;
    if (1..=MAX_LIMIT).contains(&limit) { Ok(limit) } else { Err(Fault::Limit) }
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

impl Order {
    /// Takes `sort`: the field by which the list is ordered, with a minus for newest first.
    pub(crate) fn take(parameters: &mut Parameters, field: &'static str) -> Result<Self, Fault> {
        let Some(text) = parameters.take("sort") else { return Ok(Self::default()) };
        match text.strip_prefix('-') {
            Some(name) if name == field => Ok(Self::NewestFirst),
            None if text == field => Ok(Self::OldestFirst),
            Some(_) | None => Err(Fault::Order(field)),
        }
    }

    /// As a cursor is bound to it; `None` is the order of cursors that know of no other.
    pub(crate) fn text(self) -> Option<&'static str> {
        match self {
            Self::NewestFirst => None,
            Self::OldestFirst => Some("oldest first"),
        }
    }
}

/// A list somebody pages through. The filters enter a cursor only as a keyed digest.
pub(crate) struct List<'a> {
    pub(crate) name: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) filters: &'a [Option<&'a str>],
}

/// `cursor` of an answer: how to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cursor {
    /// Asks for the page after this one; none after the last.
    #[schema(required)]
    pub(crate) next: Option<String>,
    /// Whether there is another page.
    pub(crate) has_more: bool,
    /// Items the page takes.
    pub(crate) limit: u16,
}

/// Issues cursors and recognises its own: `filters || place || mac`, in base64url. The place, where the last row stands in its
/// list, is the list's to spell.
#[derive(Clone)]
pub(crate) struct Cursors(Hmac<Sha256>);

impl Cursors {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    pub(crate) fn issue(&self, list: &List<'_>, place: &[u8]) -> String {
        let body = [&self.filters(list)[..], place].concat();
        let mac = self.mac(list, &body).finalize().into_bytes();
        BASE64URL_NOPAD.encode(&[&body[..], &mac[..MAC_BYTES]].concat())
    }

    /// The place a cursor names, when it was issued for this very list.
    pub(crate) fn read(&self, list: &List<'_>, text: &str) -> Result<Vec<u8>, Fault> {
        let bytes = (text.len() <= MAX_CURSOR_CHARS).then(|| BASE64URL_NOPAD.decode(text.as_bytes()).ok()).flatten();
        let bytes = bytes.ok_or(Fault::Cursor)?;
        let (body, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(Fault::Cursor)?;
        self.mac(list, body).verify_truncated_left(mac).map_err(|_| Fault::Cursor)?;
        let (filters, place) = body.split_first_chunk::<FILTER_BYTES>().ok_or(Fault::Cursor)?;
        if *filters == self.filters(list) { Ok(place.to_vec()) } else { Err(Fault::CursorMismatch) }
    }

    fn mac(&self, list: &List<'_>, body: &[u8]) -> Hmac<Sha256> {
        self.keyed(
            [list.name, list.tenant, list.owner].map(|field| Some(field.as_bytes())).into_iter().chain([Some(body)]),
        )
    }

    fn filters(&self, list: &List<'_>) -> [u8; FILTER_BYTES] {
        let scope = [Some(&b"filters"[..]), Some(list.tenant.as_bytes()), Some(list.owner.as_bytes())];
        let filters = list.filters.iter().map(|filter| filter.map(str::as_bytes));
        let digest = self.keyed(scope.into_iter().chain(filters)).finalize().into_bytes();
        std::array::from_fn(|index| digest[index])
    }

    /// Each field with its length before it, so that no two sets of fields look alike.
    fn keyed<'f>(&self, fields: impl Iterator<Item = Option<&'f [u8]>>) -> Hmac<Sha256> {
        fields.fold(self.0.clone(), |mac, field| {
            let length = field.map_or(u64::MAX, |bytes| bytes.len() as u64);
            mac.chain_update(length.to_be_bytes()).chain_update(field.unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List<'_> =
        List { name: "interactions", tenant: "demo", owner: "prf_1", filters: &[Some("order"), None] };
    const PLACE: &[u8] = b"evt_1";

    fn cursors() -> Cursors {
        Cursors::new(&[7; 32])
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_issued() {
        let text = cursors().issue(&LIST, PLACE);
        assert_eq!(cursors().read(&LIST, &text).ok(), Some(PLACE.to_vec()));
    }

    #[test]
    fn a_cursor_of_other_filters_is_told_apart() {
        let text = cursors().issue(&LIST, PLACE);
        for filters in [&[None, Some("order")][..], &[Some("order"), Some("")], &[Some("orde"), Some("r")], &[]] {
            let read = cursors().read(&List { filters, ..LIST }, &text);
            assert!(matches!(read, Err(Fault::CursorMismatch)), "{filters:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_tenant_guest_list_or_key_is_none() {
        let text = cursors().issue(&LIST, PLACE);
        let foreign =
            [List { tenant: "other", ..LIST }, List { owner: "prf_2", ..LIST }, List { name: "others", ..LIST }];
        assert!(foreign.iter().all(|list| matches!(cursors().read(list, &text), Err(Fault::Cursor))));
        assert!(matches!(Cursors::new(&[8; 32]).read(&LIST, &text), Err(Fault::Cursor)));
    }

    #[test]
    fn a_tampered_cursor_is_none() {
        let text = cursors().issue(&LIST, PLACE);
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).expect("ASCII");
            assert!(matches!(cursors().read(&LIST, &tampered), Err(Fault::Cursor)), "{index}");
        }
        for text in ["", "AA", "not base64!", &"A".repeat(5_000)] {
            assert!(matches!(cursors().read(&LIST, text), Err(Fault::Cursor)), "{text}");
        }
    }
}
