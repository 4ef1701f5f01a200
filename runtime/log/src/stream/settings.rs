//! Which settings make a stream a log, and which of them a stream that was made elsewhere lacks.

use std::fmt::Debug;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use proto::subject::LOG_SUBJECTS;

/// What the server calls "no limit".
const UNLIMITED: i64 = -1;

/// One sentence for each setting under which commits would be lost, hidden or changed.
pub(super) fn faults(config: &Config) -> Vec<String> {
    let limit = |count: i64| if count <= 0 { UNLIMITED } else { count };
    let subjects: Vec<&str> = config.subjects.iter().map(String::as_str).collect();
    let checks = [
        differs("subjects", &subjects, &vec![LOG_SUBJECTS]),
        differs("storage", &config.storage, &StorageType::File),
        differs("retention", &config.retention, &RetentionPolicy::Limits),
        differs("discard", &config.discard, &DiscardPolicy::New),
        differs("discard_new_per_subject", &config.discard_new_per_subject, &false),
        differs("max_age", &config.max_age, &Duration::ZERO),
        differs("max_msgs", &limit(config.max_messages), &UNLIMITED),
        differs("max_msgs_per_subject", &limit(config.max_messages_per_subject), &UNLIMITED),
        differs("allow_direct", &config.allow_direct, &true),
        differs("allow_atomic", &config.allow_atomic_publish, &true),
        differs("deny_purge", &config.deny_purge, &true),
        differs("allow_rollup_hdrs", &config.allow_rollup, &false),
        differs("allow_msg_ttl", &config.allow_message_ttl, &false),
        differs("no_ack", &config.no_ack, &false),
        differs("sealed", &config.sealed, &false),
        differs("mirror", &config.mirror.is_some(), &false),
        differs("sources", &config.sources.as_ref().is_some_and(|sources| !sources.is_empty()), &false),
        differs("subject_transform", &config.subject_transform.is_some(), &false),
    ];
    checks.into_iter().flatten().collect()
}

fn differs<T: Debug + PartialEq>(setting: &str, found: &T, wanted: &T) -> Option<String> {
    (found != wanted).then(|| format!("{setting} is {found:?} and must be {wanted:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{StreamOptions, settings_of};

    fn made_by_us() -> Config {
        settings_of(StreamOptions { replicas: 1, max_bytes: 1 })
    }

    #[test]
    fn a_stream_of_ours_has_no_fault() {
        assert_eq!(faults(&made_by_us()), [""; 0]);
        // As the server tells a limit that was not set.
        assert_eq!(faults(&Config { max_messages: -1, max_messages_per_subject: -1, ..made_by_us() }), [""; 0]);
    }

    #[test]
    fn each_wrong_setting_is_named_with_what_it_must_be() {
        let wrong = [
            (Config { storage: StorageType::Memory, ..made_by_us() }, "storage is Memory and must be File"),
            (Config { discard: DiscardPolicy::Old, ..made_by_us() }, "discard is Old and must be New"),
            (Config { max_age: Duration::from_hours(1), ..made_by_us() }, "max_age is 3600s and must be 0ns"),
            (Config { max_messages: 9, ..made_by_us() }, "max_msgs is 9 and must be -1"),
            (Config { allow_direct: false, ..made_by_us() }, "allow_direct is false and must be true"),
            (Config { allow_atomic_publish: false, ..made_by_us() }, "allow_atomic is false and must be true"),
            (Config { deny_purge: false, ..made_by_us() }, "deny_purge is false and must be true"),
            (
                Config { subjects: vec!["es.00.>".to_owned()], ..made_by_us() },
                r#"subjects is ["es.00.>"] and must be ["es.>"]"#,
            ),
        ];
        for (config, fault) in wrong {
            assert_eq!(faults(&config), [fault]);
        }
    }
}
