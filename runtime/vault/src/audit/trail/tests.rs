use runtime::config::Secret;

use super::*;

fn reads(guests: usize, times: u64) -> HashMap<Reading, Reads> {
    let now = clock::now();
    let by = Actor::operator("ada");
    let reading = Reading { tenant: "demo".parse().expect("a token"), by, act: Act::new("profile.read") };
    let guests = (0..guests).map(|guest| format!("prf_{guest:05}")).collect();
    HashMap::from([(reading, Reads { guests, times, first: now, last: now })])
}

#[test]
fn everybody_who_was_read_stands_in_an_entry_and_every_time_is_counted_once() {
    let chains = in_chains(reads(2_500, 4_000));
    assert_eq!(chains.len(), 1);
    let Waiting { entries, guests } = &chains[0];
    assert_eq!(*guests, 2_500);
    let entries: Vec<Entry> = entries.texts().map(|text| serde_json::from_str(text).expect("an entry")).collect();
    assert_eq!(entries.iter().map(|entry| entry.guests.len()).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert_eq!(entries.iter().map(|entry| entry.times).sum::<u64>(), 4_000);
    let all: HashSet<_> = entries.iter().flat_map(|entry| &entry.guests).collect();
    assert_eq!(all.len(), 2_500);
}

#[test]
fn an_entry_says_no_more_than_there_is_to_say() {
    let chains = in_chains(reads(1, 1));
    let text = chains[0].entries.texts().next().expect("an entry");
    let entry: Entry = serde_json::from_str(text).expect("an entry");
    assert_eq!(entry.text(), text);
    for absent in ["until", "times", "detail", "issuer"] {
        assert!(!text.contains(absent), "{text}");
    }
}

#[test]
fn nobody_is_noted_any_more_when_too_many_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let key_file = folder.path().join("kek");
    std::fs::write(&key_file, [7; 32]).expect("writes");
    let vault = Vault::connect(&Secret::new("postgres://nobody@127.0.0.1:1/none".to_owned()), &key_file);
    let trail = Trail::of(vault.expect("no connection yet"), 2);
    let (tenant, by, act) = ("demo".parse().expect("a token"), Actor::operator("ada"), Act::new("profile.read"));
    let note = |guest| trail.note(&tenant, &by, &act, guest);
    assert_eq!((note("prf_1"), note("prf_1"), note("prf_2")), (Ok(()), Ok(()), Ok(())), "again is not another one");
    assert_eq!((note("prf_3"), note("prf_1")), (Err(Full), Err(Full)));
}
