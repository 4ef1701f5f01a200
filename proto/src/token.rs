//! The consistency token: how far a read must have seen the log. `<cell>.<position>`, opaque to callers.

/// The log this build knows; more cells make the token's first part tell them apart.
const CELL: &str = "0";

/// Not a token of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a consistency token")]
pub struct InvalidToken;

pub fn write(position: u64) -> String {
    format!("{CELL}.{position}")
}

pub fn read(token: &str) -> Result<u64, InvalidToken> {
    let (cell, position) = token.split_once('.').ok_or(InvalidToken)?;
    let digits = !position.is_empty() && position.bytes().all(|b| b.is_ascii_digit());
    if cell != CELL || !digits {
        return Err(InvalidToken);
    }
    position.parse().map_err(|_| InvalidToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_nothing_else_does() {
        assert_eq!(read(&write(918_273)), Ok(918_273));
        for text in ["", "7", "0.", "1.7", "0.+7", "0.7.1", "0.99999999999999999999"] {
            assert_eq!(read(text), Err(InvalidToken), "{text:?}");
        }
    }
}
