//! What is decided about a guest, as sentences.

use proto::guest::ActivateGuest;
use proto::{Command, Event};

use super::*;
use crate::given::given;

fn register(identifier: &str, attributes: &str) -> Command {
    Command::Guest(super::Command::Register(RegisterGuest {
        identifier: identifier.to_owned(),
        namespace: String::new(),
        attributes: attributes.to_owned(),
    }))
}

fn registered(value: &str, attributes: &str) -> Event {
    let identifiers = vec![Identifier { namespace: "user_id".to_owned(), value: value.to_owned() }];
    let attributes = attributes.to_owned();
    Event::Guest(super::Event::GuestRegistered(GuestRegistered { identifiers, attributes }))
}

fn update(change: impl FnOnce(&mut UpdateGuest)) -> Command {
    let mut command = UpdateGuest { guest_id: "00001".to_owned(), ..UpdateGuest::default() };
    change(&mut command);
    Command::Guest(super::Command::Update(command))
}

fn replace(attributes: &str) -> Command {
    let attributes = attributes.to_owned();
    Command::Guest(super::Command::Replace(ReplaceGuest { attributes, ..ReplaceGuest::default() }))
}

fn updated(attributes: &str, changed: &[&str]) -> Event {
    let changed = changed.iter().map(ToString::to_string).collect();
    Event::Guest(super::Event::GuestUpdated(GuestUpdated { attributes: attributes.to_owned(), changed }))
}

fn deactivate(reason: &str) -> Command {
    let reason = reason.to_owned();
    Command::Guest(super::Command::Deactivate(DeactivateGuest { reason, ..DeactivateGuest::default() }))
}

fn deactivated(reason: &str) -> Event {
    Event::Guest(super::Event::GuestDeactivated(GuestDeactivated { reason: reason.to_owned() }))
}

fn activate() -> Command {
    Command::Guest(super::Command::Activate(ActivateGuest::default()))
}

fn activated() -> Event {
    Event::Guest(super::Event::GuestActivated(GuestActivated {}))
}

#[test]
fn a_new_guest_is_registered_under_the_identifier_as_it_was_given() {
    given([]).when(register("00001", "")).then([registered("00001", "")]);
}

#[test]
fn registering_again_changes_nothing() {
    let known = || registered("00001", r#"{"tier":"gold"}"#);
    given([known()]).when(register("00001", r#"{"tier":"gold"}"#)).then([]);
    given([known()]).when(register("00001", "")).then([]);
}

#[test]
fn registering_again_with_other_attributes_is_refused() {
    given([registered("00001", "")]).when(register("00001", r#"{"tier":"gold"}"#)).refused("guest_conflict");
}

#[test]
fn a_guest_may_have_no_identifier() {
    let anonymous = GuestRegistered { identifiers: Vec::new(), attributes: String::new() };
    given([]).when(register("", "")).then([Event::Guest(super::Event::GuestRegistered(anonymous))]);
}

#[test]
fn an_identifier_that_names_nobody_is_refused() {
    given([]).when(register("undefined", "")).refused("blocked_identifier");
    given([]).when(register(&"x".repeat(256), "")).refused("invalid_identifier");
}

#[test]
fn an_update_says_what_is_known_from_now_on_and_which_of_it_is_new() {
    let known = registered("00001", r#"{"tier":"gold","visits":9,"name":"Ada"}"#);
    let change = |command: &mut UpdateGuest| {
        command.attributes = r#"{"tier":"silver"}"#.to_owned();
        command.unset = vec!["name".to_owned()];
        command.increment = r#"{"visits":1,"spent":29.90}"#.to_owned();
    };
    let after = r#"{"tier":"silver","visits":10,"spent":29.90}"#;
    given([known]).when(update(change)).then([updated(after, &["name", "spent", "tier", "visits"])]);
}

#[test]
fn an_update_that_changes_nothing_is_no_event() {
    let known = || registered("00001", r#"{"tier":"gold"}"#);
    given([known()]).when(update(|command| command.attributes = r#"{"tier":"gold","x":null}"#.to_owned())).then([]);
    given([known()]).when(replace(r#"{"tier":"gold"}"#)).then([]);
}

#[test]
fn a_replacement_leaves_nothing_of_what_was_known() {
    let known = registered("00001", r#"{"tier":"gold","visits":9}"#);
    given([known]).when(replace(r#"{"visits":10}"#)).then([updated(r#"{"visits":10}"#, &["tier", "visits"])]);
}

#[test]
fn what_is_known_after_all_updates_together_is_bounded() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000));
    let more = format!(r#"{{"b":"{}"}}"#, "x".repeat(20_000));
    given([registered("00001", &long)]).when(update(|command| command.attributes = more)).refused("too_long");
}

#[test]
fn only_to_a_number_is_added() {
    let known = registered("00001", r#"{"tier":"gold"}"#);
    given([known]).when(update(|command| command.increment = r#"{"tier":1}"#.to_owned())).refused("not_a_number");
}

#[test]
fn a_guest_is_made_inactive_and_active_again_once_each() {
    let known = || registered("00001", "");
    given([known()]).when(deactivate("moved away")).then([deactivated("moved away")]);
    given([known(), deactivated("")]).when(deactivate("again")).then([]);
    given([known(), deactivated("")]).when(activate()).then([activated()]);
    given([known(), deactivated(""), activated()]).when(activate()).then([]);
}

#[test]
fn what_nobody_registered_is_not_changed() {
    for command in [update(|_| {}), replace(""), activate(), deactivate("")] {
        given([]).when(command).refused("guest_not_found");
    }
}
