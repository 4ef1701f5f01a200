//! `fields`: which members of an answer, or of each item of a list, its caller wants; all of them when it does not say.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::Fault;
use crate::parameters::Parameters;

/// Something that is answered, whose members can be asked for one by one.
pub(crate) trait Selectable: Serialize {
    /// In the order in which they are written.
    const FIELDS: &'static [&'static str];
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields(Vec<&'static str>);

impl Fields {
    /// Takes names with commas between them; `None` when everything is wanted.
    pub(crate) fn take<T: Selectable>(parameters: &mut Parameters) -> Result<Option<Self>, Fault> {
        let Some(text) = parameters.take("fields") else { return Ok(None) };
        let asked: Vec<&str> = text.split(',').map(str::trim).collect();
        if !asked.iter().all(|name| T::FIELDS.contains(name)) {
            return Err(Fault::Fields(T::FIELDS));
        }
        Ok(Some(Self(T::FIELDS.iter().filter(|name| asked.contains(name)).copied().collect())))
    }

    /// Those members, as they would have been written.
    pub(crate) fn of<T: Selectable>(&self, item: &T) -> Result<Box<RawValue>, Fault> {
        let whole = serde_json::to_string(item)?;
        let members: BTreeMap<&str, &RawValue> = serde_json::from_str(&whole)?;
        Ok(serde_json::value::to_raw_value(&Selected { members, fields: &self.0 })?)
    }
}

struct Selected<'a> {
    members: BTreeMap<&'a str, &'a RawValue>,
    fields: &'a [&'static str],
}

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.fields {
            if let Some(value) = self.members.get(name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// Whether the names of `T` are those that are written.
#[cfg(test)]
pub(crate) fn assert_complete<T: Selectable>(item: &T) {
    let whole = serde_json::to_string(item).expect("JSON");
    let members: BTreeMap<&str, &RawValue> = serde_json::from_str(&whole).expect("an object");
    let mut fields = T::FIELDS.to_vec();
    fields.sort_unstable();
    assert_eq!(members.into_keys().collect::<Vec<_>>(), fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Thing {
        name: &'static str,
        price: Box<RawValue>,
        size: Option<u8>,
    }

    impl Selectable for Thing {
        const FIELDS: &'static [&'static str] = &["name", "price", "size"];
    }

    fn asked(query: &str) -> Result<Option<Fields>, Fault> {
        let uri = format!("/?{query}").parse().expect("a URI");
        Fields::take::<Thing>(&mut Parameters::of(&uri)?)
    }

    #[test]
    fn what_is_asked_for_is_answered_digit_for_digit_in_the_order_of_all() {
        let price = RawValue::from_string("1.50".to_owned()).expect("JSON");
        let thing = Thing { name: "a", price, size: None };
        assert_complete(&thing);
        assert_eq!(asked("").expect("valid"), None);
        for (query, json) in [
            ("fields=size,price", r#"{"price":1.50,"size":null}"#),
            ("fields=name", r#"{"name":"a"}"#),
            ("fields=name,%20name", r#"{"name":"a"}"#),
        ] {
            let fields = asked(query).expect("valid").expect("some");
            assert_eq!(fields.of(&thing).expect("JSON").get(), json);
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for query in ["fields=", "fields=name,", "fields=colour", "fields=Name"] {
            assert!(matches!(asked(query), Err(Fault::Fields(_))), "{query}");
        }
    }
}
