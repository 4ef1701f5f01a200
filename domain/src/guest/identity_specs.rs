//! Who is whom, as sentences.

use proto::guest::{
    GuestAbsorbed, GuestMerged, GuestRestored, GuestUnmerged, IdentifierLinked, IdentifierUnlinked, IdentifyGuest,
    IdentityConflictDetected, LinkIdentifier, MergeGuests, UnlinkIdentifier, UnmergeGuests,
};
use proto::{Command, Event};

use super::*;
use crate::given::{MERGE_ID, OTHER_ID, given};

fn event(kind: super::Event) -> Event {
    Event::Guest(kind)
}

fn identifier(namespace: &str, value: &str) -> Identifier {
    Identifier { namespace: namespace.to_owned(), value: value.to_owned() }
}

fn registered(identifiers: &[(&str, &str)], attributes: &str) -> Event {
    let identifiers = identifiers.iter().map(|(namespace, value)| identifier(namespace, value)).collect();
    event(super::Event::GuestRegistered(GuestRegistered { identifiers, attributes: attributes.to_owned() }))
}

fn ada(attributes: &str) -> Event {
    registered(&[("user_id", "ada")], attributes)
}

fn anonymous(attributes: &str) -> Event {
    registered(&[("anonymous_id", "a-1")], attributes)
}

fn link(namespace: &str, value: &str) -> Command {
    let [identifier, identifier_namespace] = [value, namespace].map(str::to_owned);
    Command::Guest(super::Command::Link(LinkIdentifier { identifier, identifier_namespace, ..Default::default() }))
}

fn unlink(namespace: &str, value: &str) -> Command {
    let [identifier, identifier_namespace] = [value, namespace].map(str::to_owned);
    Command::Guest(super::Command::Unlink(UnlinkIdentifier { identifier, identifier_namespace, ..Default::default() }))
}

fn linked(namespace: &str, value: &str) -> Event {
    event(super::Event::IdentifierLinked(IdentifierLinked { identifier: Some(identifier(namespace, value)) }))
}

fn unlinked(namespace: &str, value: &str) -> Event {
    event(super::Event::IdentifierUnlinked(IdentifierUnlinked { identifier: Some(identifier(namespace, value)) }))
}

fn identify(attributes: &str) -> Command {
    let [user_id, anonymous_id, attributes] = ["ada", "a-1", attributes].map(str::to_owned);
    Command::Guest(super::Command::Identify(IdentifyGuest { user_id, anonymous_id, attributes, ..Default::default() }))
}

fn conflict(other_id: &str, reason: &str) -> Event {
    let [other_id, namespace, reason] = [other_id, "anonymous_id", reason].map(str::to_owned);
    event(super::Event::IdentityConflictDetected(IdentityConflictDetected { other_id, namespace, reason }))
}

fn merge(prefer_absorbed: &[&str]) -> Command {
    let prefer_absorbed = prefer_absorbed.iter().map(ToString::to_string).collect();
    Command::Guest(super::Command::Merge(MergeGuests {
        prefer_absorbed,
        reason: "the same".to_owned(),
        ..Default::default()
    }))
}

/// By somebody who says why, of a guest of whom `offered` was known.
fn merged(attributes: &str, offered: &str, changed: &[&str]) -> GuestMerged {
    GuestMerged {
        absorbed_ids: vec![OTHER_ID.to_owned()],
        merge_id: MERGE_ID.to_owned(),
        attributes: attributes.to_owned(),
        offered: offered.to_owned(),
        changed: changed.iter().map(ToString::to_string).collect(),
        members: 1,
        namespaces: vec!["anonymous_id".to_owned()],
        cause: "merge".to_owned(),
        reason: "the same".to_owned(),
        ..GuestMerged::default()
    }
}

fn by_login(merged: GuestMerged) -> Event {
    event(super::Event::GuestMerged(GuestMerged { cause: "identify".to_owned(), reason: String::new(), ..merged }))
}

fn unmerge(merge_id: &str) -> Command {
    let merge_id = merge_id.to_owned();
    Command::Guest(super::Command::Unmerge(UnmergeGuests { merge_id, ..UnmergeGuests::default() }))
}

fn absorbed() -> Event {
    let [survivor_id, merge_id] = [OTHER_ID, "mrg_9"].map(str::to_owned);
    event(super::Event::GuestAbsorbed(GuestAbsorbed { survivor_id, merge_id }))
}

fn restored() -> Event {
    let [survivor_id, merge_id] = [OTHER_ID, "mrg_9"].map(str::to_owned);
    event(super::Event::GuestRestored(GuestRestored { survivor_id, merge_id }))
}

#[test]
fn an_identifier_is_linked_once_and_in_its_normal_form() {
    given([ada("")]).when(link("email", " Ada@Example.com")).then([linked("email", "ada@example.com")]);
    given([ada(""), linked("email", "ada@example.com")]).when(link("email", "ADA@example.com")).then([]);
    given([ada("")]).when(link("", "ada")).then([]);
    given([ada("")]).when(link("email", "null")).refused("blocked_identifier");
    given([]).when(link("email", "ada@example.com")).refused("guest_not_found");
}

#[test]
fn a_guest_has_one_user_id_few_addresses_and_a_bounded_number_of_devices() {
    given([ada("")]).when(link("user_id", "ada-2")).refused("too_many_identifiers");
    let emails = (0..5).map(|n| linked("email", &format!("ada-{n}@example.com")));
    given([ada("")].into_iter().chain(emails)).when(link("email", "ada@example.com")).refused("too_many_identifiers");
    let devices = (0..20).map(|n| linked("device_id", &format!("d-{n}")));
    given([ada("")].into_iter().chain(devices.clone())).when(link("device_id", "d")).refused("too_many_identifiers");
    let room = given([ada("")].into_iter().chain(devices).chain([unlinked("device_id", "d-7")]));
    room.when(link("device_id", "d")).then([linked("device_id", "d")]);
}

#[test]
fn an_identifier_is_taken_away_from_whoever_has_it() {
    given([ada("")]).when(unlink("user_id", "ada")).then([unlinked("user_id", "ada")]);
    given([ada("")]).when(unlink("email", "ada@example.com")).then([]);
    given([ada(""), unlinked("user_id", "ada")]).when(unlink("user_id", "ada")).then([]);
}

#[test]
fn whom_nobody_knows_is_registered_under_both_identifiers() {
    let said = event(super::Event::GuestUpdated(GuestUpdated {
        attributes: r#"{"plan":"gold"}"#.to_owned(),
        changed: vec!["plan".to_owned()],
    }));
    let expected = [ada(""), linked("anonymous_id", "a-1"), said];
    given([]).when(identify(r#"{"plan":"gold","x":null}"#)).then(expected);
}

#[test]
fn what_one_of_the_two_ids_names_gets_the_other_as_well() {
    given([anonymous("")]).when(identify("")).then([linked("user_id", "ada")]);
    given([ada("")]).when(identify("")).then([linked("anonymous_id", "a-1")]);
    let both = [("user_id", "ada"), ("anonymous_id", "a-1")];
    given([registered(&both, "")]).when(identify("")).then([]);
    let updated = GuestUpdated { attributes: r#"{"plan":"gold"}"#.to_owned(), changed: vec!["plan".to_owned()] };
    let expected = [linked("anonymous_id", "a-1"), event(super::Event::GuestUpdated(updated))];
    given([ada("")]).when(identify(r#"{"plan":"gold"}"#)).then(expected);
}

#[test]
fn an_anonymous_guest_becomes_part_of_the_user_it_turns_out_to_be() {
    let merged = merged(r#"{"plan":"gold","seen":"jazz"}"#, r#"{"plan":"none","seen":"jazz"}"#, &["seen"]);
    let beside = given([ada(r#"{"plan":"gold"}"#)]).beside([anonymous(r#"{"plan":"none","seen":"jazz"}"#)]);
    beside.when(identify("")).then([by_login(merged)]);
}

#[test]
fn what_is_said_at_the_login_comes_after_the_merge() {
    let merged = merged(r#"{"seen":"jazz"}"#, r#"{"seen":"jazz"}"#, &["seen"]);
    let updated = GuestUpdated { attributes: r#"{"seen":"blues"}"#.to_owned(), changed: vec!["seen".to_owned()] };
    let beside = given([ada("")]).beside([anonymous(r#"{"seen":"jazz"}"#)]);
    beside.when(identify(r#"{"seen":"blues"}"#)).then([by_login(merged), event(super::Event::GuestUpdated(updated))]);
}

#[test]
fn whoever_is_part_of_the_user_already_is_not_linked_and_not_merged_again() {
    given([ada("")]).beside_a_part().when(identify("")).then([]);
    given([ada("")]).beside_a_part().when(merge(&[])).then([]);
}

#[test]
fn a_user_who_was_claimed_and_not_registered_yet_takes_the_anonymous_guest_in() {
    let expected = [ada(""), by_login(merged("", "", &[]))];
    given([]).beside([anonymous("")]).when(identify("")).then(expected);
}

#[test]
fn two_who_are_identified_stay_two_and_it_is_told_once() {
    let bob = || [registered(&[("email", "bob@example.com"), ("anonymous_id", "a-1")], "")];
    given([ada("")]).beside(bob()).when(identify("")).then([conflict(OTHER_ID, "both_identified")]);
    given([ada(""), conflict(OTHER_ID, "both_identified")]).beside(bob()).when(identify("")).then([]);
}

#[test]
fn whoever_logs_in_where_somebody_else_was_is_somebody_else() {
    let expected = [ada(""), conflict(OTHER_ID, "both_identified")];
    given([])
        .beside([registered(&[("user_id", "bob"), ("anonymous_id", "a-1")], "")])
        .when(identify(""))
        .then(expected);
}

#[test]
fn whoever_has_a_persons_part_is_identified_too() {
    let with_bob = GuestMerged { namespaces: vec!["user_id".to_owned()], ..merged("", "", &[]) };
    let other = [anonymous(""), event(super::Event::GuestMerged(with_bob.clone()))];
    given([ada("")]).beside(other).when(identify("")).then([conflict(OTHER_ID, "both_identified")]);
    let known_as = |value: &str| identifier::Identifier::parse("user_id", value).expect("valid");
    let guest = [anonymous(""), event(super::Event::GuestMerged(with_bob))];
    let state = guest.iter().fold(crate::State::default(), crate::State::evolve);
    assert!(!state.guest.may_be(&known_as("ada")), "a part of it is another user");
}

#[test]
fn a_user_who_is_part_of_another_is_not_linked_to_that_one() {
    given([registered(&[("email", "b@example.com"), ("anonymous_id", "a-1")], "")])
        .named_by_a_part()
        .when(identify(""))
        .then([]);
}

#[test]
fn a_login_that_would_make_one_of_two_of_whom_too_much_is_known_is_a_conflict() {
    let much = |name: &str| format!(r#"{{"{name}":"{}"}}"#, "x".repeat(20_000));
    let beside = || given([ada(&much("a"))]).beside([anonymous(&much("b"))]);
    beside().when(identify("")).then([conflict(OTHER_ID, "too_much_known")]);
    beside().when(merge(&[])).refused("too_long");
}

#[test]
fn an_anonymous_id_there_is_no_room_for_is_told_as_a_conflict() {
    let ids = (0..20).map(|n| linked("anonymous_id", &format!("a-{}", n + 2)));
    let expected = [conflict("", "too_many_identifiers")];
    given([ada("")].into_iter().chain(ids)).when(identify("")).then(expected);
}

#[test]
fn a_merge_keeps_what_the_survivor_has_unless_the_other_is_preferred() {
    let (own, others) = (r#"{"a":1,"b":2}"#, r#"{"b":3,"c":4}"#);
    let expected = merged(r#"{"a":1,"b":2,"c":4}"#, others, &["c"]);
    let expected = event(super::Event::GuestMerged(expected));
    given([ada(own)]).beside([anonymous(others)]).when(merge(&[])).then([expected]);
    let expected =
        GuestMerged { preferred: vec!["b".to_owned()], ..merged(r#"{"a":1,"b":3,"c":4}"#, others, &["b", "c"]) };
    let expected = event(super::Event::GuestMerged(expected));
    given([ada(own)]).beside([anonymous(others)]).when(merge(&["b", "c", "x"])).then([expected]);
}

#[test]
fn a_guest_that_is_part_of_another_is_neither_merged_nor_merged_into() {
    given([ada(""), absorbed()]).beside([anonymous("")]).when(merge(&[])).refused("merged_already");
    given([ada("")]).beside([anonymous(""), absorbed()]).when(merge(&[])).refused("merged_already");
    let again = given([ada("")]).beside([anonymous(""), absorbed(), restored()]);
    again.when(merge(&[])).then([event(super::Event::GuestMerged(merged("", "", &[])))]);
    given([ada("")]).when(merge(&[])).refused("guest_not_found");
    given([ada("")]).beside([]).when(merge(&[])).refused("guest_not_found");
}

#[test]
fn no_more_than_a_hundred_are_read_as_one() {
    let large = |members| event(super::Event::GuestMerged(GuestMerged { members, ..merged("", "", &[]) }));
    given([ada(""), large(99)]).beside([anonymous("")]).when(merge(&[])).refused("too_many_members");
    given([ada("")]).beside([anonymous(""), large(99)]).when(merge(&[])).refused("too_many_members");
    given([ada(""), large(99)])
        .beside([anonymous("")])
        .when(identify(""))
        .then([conflict(OTHER_ID, "too_many_members")]);
    let expected = event(super::Event::GuestMerged(merged("", "", &[])));
    given([ada(""), large(98)]).beside([anonymous("")]).when(merge(&[])).then([expected]);
}

#[test]
fn an_unmerge_leaves_the_survivor_as_it_was() {
    let (own, others) = (r#"{"a":1.50}"#, r#"{"c":4}"#);
    let merged = event(super::Event::GuestMerged(merged(r#"{"a":1.50,"c":4}"#, others, &["c"])));
    let unmerged = event(super::Event::GuestUnmerged(GuestUnmerged {
        restored_ids: vec![OTHER_ID.to_owned()],
        merge_id: MERGE_ID.to_owned(),
        attributes: own.to_owned(),
        changed: vec!["c".to_owned()],
        reason: String::new(),
    }));
    given([ada(own), merged.clone()]).when(unmerge(MERGE_ID)).then([unmerged.clone()]);
    given([ada(own), merged.clone(), unmerged]).when(unmerge(MERGE_ID)).refused("merge_not_found");
    given([ada(own), merged.clone()]).when(unmerge("mrg_2")).refused("merge_not_found");
    given([ada(own), merged, absorbed()]).when(unmerge(MERGE_ID)).refused("merged_further");
}

#[test]
fn each_of_the_others_says_its_part() {
    let said = GuestMerged { absorbed_ids: vec!["prf_a".to_owned(), "prf_b".to_owned()], ..merged("", "", &[]) };
    let part = |id: &str| {
        let [survivor_id, merge_id] = ["prf_s", MERGE_ID].map(str::to_owned);
        (id.to_owned(), super::Event::GuestAbsorbed(GuestAbsorbed { survivor_id, merge_id }))
    };
    assert_eq!(others_part("prf_s", &super::Event::GuestMerged(said)), [part("prf_a"), part("prf_b")]);
}
