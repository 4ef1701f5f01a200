//! What is known of a guest, with what came by merges kept apart: any of them can be undone, in any order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::values::Invalid;
use crate::values::attributes::Attributes;

const FIELD: &str = "attributes";

/// Attributes, as the text of one JSON object; empty when there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// All together, as everybody reads them.
    together: String,
    /// The guest's own, kept only while there are others.
    own: String,
    /// What merges brought, in their order. An attribute that was changed since is nobody's but the guest's own.
    offers: Vec<Offer>,
}

/// What one merge brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Offer {
    merge_id: String,
    attributes: String,
    /// Names of those that stand before the guest's own.
    preferred: Vec<String>,
}

impl Known {
    pub(super) fn new(attributes: String) -> Self {
        Self { together: attributes, ..Self::default() }
    }

    pub(super) fn text(&self) -> &str {
        &self.together
    }

    pub(super) fn attributes(&self) -> Result<Attributes, Invalid> {
        Attributes::parse(FIELD, &self.together)
    }

    /// All together with one more offer.
    pub(super) fn with(&self, offered: &str, preferred: &[String]) -> Result<Attributes, Invalid> {
        let mut together = self.attributes()?;
        together.take_in(&Attributes::parse(FIELD, offered)?, preferred);
        Ok(together)
    }

    /// Those of these names that both have something under.
    pub(super) fn shared_with(&self, offered: &str, names: &[String]) -> Result<Vec<String>, Invalid> {
        let (known, offered) = (self.attributes()?, Attributes::parse(FIELD, offered)?);
        let names: BTreeSet<&String> = names.iter().collect();
        Ok(names.into_iter().filter(|name| known.has(name) && offered.has(name)).cloned().collect())
    }

    /// All together without what a merge brought.
    pub(super) fn without(&self, merge_id: &str) -> Attributes {
        let mut together = Attributes::stored(&self.own);
        for offer in self.offers.iter().filter(|offer| offer.merge_id != merge_id) {
            together.take_in(&Attributes::stored(&offer.attributes), &offer.preferred);
        }
        together
    }

    /// Somebody said what is known from now on.
    pub(super) fn change(&mut self, attributes: &str) {
        if !self.offers.is_empty() {
            self.keep_apart(attributes);
        }
        attributes.clone_into(&mut self.together);
    }

    /// What is not as it was is the guest's own from now on, and no offer's.
    fn keep_apart(&mut self, attributes: &str) {
        let (before, after) = (Attributes::stored(&self.together), Attributes::stored(attributes));
        let mut own = Attributes::stored(&self.own);
        let names = before.differing(&after);
        for name in &names {
            own.put(name, &after);
        }
        self.own = own.stored_text();
        for offer in &mut self.offers {
            let mut attributes = Attributes::stored(&offer.attributes);
            for name in &names {
                attributes.unset(name);
            }
            offer.attributes = attributes.stored_text();
        }
    }

    /// A merge brought these, and this is what is known together.
    pub(super) fn merge(&mut self, merge_id: &str, offered: &str, preferred: &[String], together: &str) {
        if self.offers.is_empty() {
            self.own.clone_from(&self.together);
        }
        let (merge_id, attributes, preferred) = (merge_id.to_owned(), offered.to_owned(), preferred.to_vec());
        self.offers.push(Offer { merge_id, attributes, preferred });
        together.clone_into(&mut self.together);
    }

    /// A merge was undone, and this is what is known without it.
    pub(super) fn unmerge(&mut self, merge_id: &str, together: &str) {
        self.offers.retain(|offer| offer.merge_id != merge_id);
        if self.offers.is_empty() {
            self.own.clear();
        }
        together.clone_into(&mut self.together);
    }

    pub(super) fn bytes(&self) -> usize {
        let names = |offer: &Offer| offer.preferred.iter().map(String::len).sum::<usize>();
        let of = |offer: &Offer| size_of::<Offer>() + offer.merge_id.len() + offer.attributes.len() + names(offer);
        self.together.len() + self.own.len() + self.offers.iter().map(of).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(mut known: Known, merge_id: &str, offered: &str, preferred: &[&str]) -> Known {
        let preferred: Vec<String> = preferred.iter().map(ToString::to_string).collect();
        let together = known.with(offered, &preferred).expect("objects").text(FIELD).expect("short");
        known.merge(merge_id, offered, &preferred, &together);
        known
    }

    fn unmerged(mut known: Known, merge_id: &str) -> Known {
        let together = known.without(merge_id).stored_text();
        known.unmerge(merge_id, &together);
        known
    }

    fn known(attributes: &str) -> Known {
        Known::new(attributes.to_owned())
    }

    #[test]
    fn what_the_guest_has_itself_stands_before_what_it_is_offered() {
        let one = merged(known(r#"{"a":1.0,"b":2}"#), "m1", r#"{"b":3,"c":4}"#, &[]);
        assert_eq!(one.text(), r#"{"a":1.0,"b":2,"c":4}"#);
        let other = merged(known(r#"{"a":1.0,"b":2}"#), "m1", r#"{"b":3,"c":4}"#, &["b"]);
        assert_eq!(other.text(), r#"{"a":1.0,"b":3,"c":4}"#);
        assert_eq!(unmerged(one, "m1"), known(r#"{"a":1.0,"b":2}"#));
        assert_eq!(unmerged(other, "m1"), known(r#"{"a":1.0,"b":2}"#));
    }

    #[test]
    fn merges_are_undone_in_any_order() {
        let both = merged(merged(known(r#"{"a":1}"#), "m1", r#"{"x":1,"y":1}"#, &[]), "m2", r#"{"x":2,"z":2}"#, &[]);
        assert_eq!(both.text(), r#"{"a":1,"x":1,"y":1,"z":2}"#);
        let second = unmerged(both.clone(), "m1");
        assert_eq!(second.text(), r#"{"a":1,"x":2,"z":2}"#, "the second one has it, too");
        assert_eq!(unmerged(second, "m2"), known(r#"{"a":1}"#));
        assert_eq!(unmerged(unmerged(both, "m2"), "m1"), known(r#"{"a":1}"#));
    }

    #[test]
    fn what_was_said_since_stays() {
        let mut one = merged(known(r#"{"a":1,"b":2}"#), "m1", r#"{"b":3,"c":4,"d":5,"e":6}"#, &["b"]);
        one.change(r#"{"a":1,"b":7,"d":8,"e":6}"#);
        assert_eq!(unmerged(one, "m1").text(), r#"{"a":1,"b":7,"d":8}"#, "c was taken away, and e was never its own");
    }

    #[test]
    fn what_was_taken_away_does_not_come_back() {
        let mut one = merged(known(r#"{"a":1}"#), "m1", r#"{"c":4}"#, &[]);
        one.change(r#"{"a":1}"#);
        let two = merged(one, "m2", r#"{"e":6}"#, &[]);
        assert_eq!(two.text(), r#"{"a":1,"e":6}"#);
        assert_eq!(unmerged(two, "m2").text(), r#"{"a":1}"#);
    }
}
