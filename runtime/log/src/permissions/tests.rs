//! The table holds together, and the document shows it as it is.

use super::*;

const DOCUMENT: &str = include_str!("../../../../docs/nats-users.md");

fn line(user: User) -> String {
    let Permissions { publish, subscribe } = user.permissions();
    let list =
        |subjects: &[String]| subjects.iter().map(|subject| format!("`{subject}`")).collect::<Vec<_>>().join(", ");
    format!("| `{}` | {} | {} |", user.name(), list(&publish), list(&subscribe))
}

#[test]
fn the_document_says_what_each_user_may_do() {
    let missing: Vec<String> = User::ALL.into_iter().map(line).filter(|line| !DOCUMENT.contains(line)).collect();
    assert!(missing.is_empty(), "docs/nats-users.md lacks:\n{}", missing.join("\n"));
}

#[test]
fn an_empty_list_would_allow_everything_so_there_is_none() {
    for user in User::ALL {
        let Permissions { publish, subscribe } = user.permissions();
        assert!(!publish.is_empty() && !subscribe.is_empty(), "{}", user.name());
    }
}

#[test]
fn the_door_reaches_no_inbox_of_a_service() {
    for user in [User::Migrate, User::Appender, User::Intake, User::Workers] {
        assert!(!proto::subject::inbox::is_inbox(&format!("{}.x", user.inbox())), "{}", user.name());
    }
}
