//! What makes two spellings of a topic the same topic.

use unicode_normalization::UnicodeNormalization as _;

/// The topic trimmed, in lower case and NFC; empty when it is only white space.
pub fn topic_key(topic: &str) -> String {
    if topic.is_ascii() {
        return topic.trim().to_ascii_lowercase();
    }
    // NFC last: a lower-case letter may have a composed form where the upper-case one has none.
    topic.trim().to_lowercase().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::topic_key;

    #[test]
    fn spellings_of_one_topic_have_one_key() {
        assert_eq!(topic_key("  Caf\u{c9} "), topic_key("cafe\u{301}"));
        assert_eq!(topic_key("J\u{30c}"), topic_key("\u{1f0}"));
        assert_eq!(topic_key("\tClassical Music "), "classical music");
    }

    #[test]
    fn a_key_is_its_own_key() {
        for topic in ["ΟΔΟΣ", "Straße", "İstanbul", " x y "] {
            assert_eq!(topic_key(&topic_key(topic)), topic_key(topic), "{topic}");
        }
    }
}
