//! A place in the log as callers hold it: the consistency token `<cell>.<position>`.

use std::fmt;
use std::str::FromStr;

/// The only cell there is today.
const CELL: &str = "0";

/// Log position a read model has folded; callers see it as `0.<position>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(pub(crate) i64);

/// Not a consistency token of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAToken;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CELL}.{}", self.0)
    }
}

impl FromStr for Position {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let digits = text.strip_prefix(CELL).and_then(|rest| rest.strip_prefix('.')).ok_or(NotAToken)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAToken);
        }
        digits.parse().map(Self).map_err(|_| NotAToken)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAToken, Position};

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        assert_eq!(Position(918_273).to_string(), "0.918273");
        assert_eq!("0.918273".parse(), Ok(Position(918_273)));
    }

    #[test]
    fn anything_else_is_not_a_token() {
        for text in ["", "0", "0.", "1.5", "5", "0.-1", "0.+1", "0.1.2", " 0.1", "0.9223372036854775808"] {
            assert_eq!(text.parse::<Position>(), Err(NotAToken), "{text:?}");
        }
    }
}
