//! How far a read model has folded the log; callers hold it as a consistency token.

use std::fmt;
use std::str::FromStr;

use proto::token;

/// Log position a read model has folded; Postgres keeps it signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(pub(crate) i64);

impl Position {
    /// The last one that is not there yet.
    pub(crate) fn before(self) -> Self {
        Self(self.0 - 1)
    }
}

/// Not a consistency token of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAToken;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&token::write(self.0.unsigned_abs()))
    }
}

impl FromStr for Position {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let position = token::read(text).map_err(|_| NotAToken)?;
        i64::try_from(position).map(Self).map_err(|_| NotAToken)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAToken, Position};

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        assert_eq!("0.918273".parse(), Ok(Position(918_273)));
        assert_eq!(Position(918_273).to_string(), "0.918273");
    }

    #[test]
    fn a_position_no_row_can_have_is_none() {
        assert_eq!("0.9223372036854775808".parse::<Position>(), Err(NotAToken));
    }
}
