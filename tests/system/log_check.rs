//! The check of the log must itself be caught when it lets something pass.

use keepsake_cli::commander::Problem;
use proto::subject::{LogSubject, Owner};
use proto::{Commit, EventId, Reply, StoredEvent};

use keepsake_tests::harness::History;
use keepsake_tests::harness::log::{Entry, faults};

fn guest() -> Owner {
    Owner::guest(7)
}

fn entry(position: u64, id: &str, version: u64) -> Entry {
    let event = StoredEvent { id: format!("evt_{id}"), ..StoredEvent::default() };
    let commit = Commit {
        command_id: id.to_owned(),
        facet: "interactions".to_owned(),
        version,
        events: vec![event],
        ..Commit::default()
    };
    Entry { position, subject: LogSubject::new("demo".parse().expect("a tenant"), guest()), commit }
}

fn reply(position: u64, id: &str, version: u64) -> Reply {
    Reply {
        id: id.to_owned(),
        guest_id: guest().to_string(),
        position,
        version,
        events: vec![EventId { id: format!("evt_{id}"), ..EventId::default() }],
        ..Reply::default()
    }
}

fn told(accepted: Vec<Reply>) -> History {
    History { accepted, ..History::default() }
}

fn fault(log: &[Entry], told: &History) -> String {
    let faults = faults(log, told);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

#[test]
fn a_log_that_holds_what_was_told_has_no_fault() {
    let log = [entry(3, "a", 1), entry(5, "b", 2)];
    let mut unchanged = reply(5, "c", 2);
    unchanged.events.clear();
    assert_eq!(faults(&log, &told(vec![reply(5, "b", 2), reply(3, "a", 1), unchanged])), Vec::<String>::new());
}

#[test]
fn what_was_lost_or_moved_or_stored_twice_is_caught() {
    let log = [entry(3, "a", 1), entry(5, "b", 2)];
    assert!(fault(&log, &told(vec![reply(6, "c", 3)])).contains("lost"));
    assert!(fault(&log, &told(vec![reply(4, "b", 2)])).contains("was told"));
    assert!(fault(&log, &told(vec![reply(5, "b", 3)])).contains("was told"));
    assert!(fault(&[entry(3, "a", 1), entry(5, "a", 2)], &told(Vec::new())).contains("and again at 5"));
}

#[test]
fn a_gap_a_twin_and_a_step_back_are_caught() {
    for (position, version) in [(5, 3), (5, 1)] {
        assert!(fault(&[entry(3, "a", 1), entry(position, "b", version)], &told(Vec::new())).contains("instead of 2"));
    }
    assert!(fault(&[entry(3, "a", 1), entry(3, "b", 2)], &told(Vec::new())).contains("comes after"));
}

#[test]
fn a_refused_command_that_was_stored_is_caught() {
    let problem = Problem { code: "guest_not_found".to_owned(), ..Problem::default() };
    let told = History { refused: vec![("a".to_owned(), problem)], ..History::default() };
    assert!(fault(&[entry(3, "a", 1)], &told).contains("refused"));
}
