//! Words for programs: `order.created`, `payment_overdue`.

use super::Invalid;

/// Dotted words of lower-case letters, digits and underscores.
pub(crate) fn dotted(field: &'static str, text: &str, max_bytes: usize) -> Result<String, Invalid> {
    if text.is_empty() {
        return Err(Invalid::required(field));
    }
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if text.len() > max_bytes || !text.split('.').all(word) {
        let detail = format!("takes dotted lower-case words such as order.created, at most {max_bytes} bytes");
        return Err(Invalid { field, code: "validation_failed", detail });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn words_are_taken_as_they_are_and_sentences_are_not() {
        for text in ["a", "order.created", "payment_overdue", "2fa.failed"] {
            assert_eq!(dotted("kind", text, 20).as_deref(), Ok(text));
        }
        for text in ["", ".", "a.", "A", "payment overdue", "ä", "a-b", "ada@example.com", &"x".repeat(21)] {
            assert!(dotted("kind", text, 20).is_err(), "{text}");
        }
    }
}
