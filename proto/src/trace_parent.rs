//! W3C Trace Context: a step of a trace, as the header `traceparent` names it.

use std::fmt;
use std::str::FromStr;

/// `00-<trace id>-<span id>-<flags>`
const LENGTH: usize = 55;
const NO_VERSION: u8 = 0xff;
const SAMPLED: u8 = 1;
/// Sampled, and that the trace id is random; the others mean nothing yet, and go no further.
const KNOWN_FLAGS: u8 = 3;

/// What is done next continues the trace from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// Not a `traceparent`: whoever gets one leaves it aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// `None` when one of the ids is zero, which names nothing.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<Self> {
        let named = trace_id != [0; 16] && span_id != [0; 8];
        named.then_some(Self { trace_id, span_id, flags: flags & KNOWN_FLAGS })
    }

    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether its sender records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The trace's name in a log line or a problem.
    pub fn trace_id_hex(&self) -> String {
        hex(&self.trace_id)
    }

    pub fn span_id_hex(&self) -> String {
        hex(&self.span_id)
    }
}

/// Strict, since a part of it stays in the log for ever. Later versions say more after the same beginning, which is not read.
impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let bytes: &[u8; LENGTH] = text.as_bytes().try_into().map_err(|_| InvalidTraceParent)?;
        let dashes = [bytes[2], bytes[35], bytes[52]];
        let [version] = read(&bytes[..2])?;
        if dashes != *b"---" || version == NO_VERSION {
            return Err(InvalidTraceParent);
        }
        let [flags] = read(&bytes[53..])?;
        Self::new(read(&bytes[3..35])?, read(&bytes[36..52])?, flags).ok_or(InvalidTraceParent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace_id), hex(&self.span_id), self.flags)
    }
}

fn read<const N: usize>(digits: &[u8]) -> Result<[u8; N], InvalidTraceParent> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn digit(digit: u8) -> Result<u8, InvalidTraceParent> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidTraceParent),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0fa902b7-01";

    #[test]
    fn a_traceparent_reads_back() {
        let parent: TraceParent = EXAMPLE.parse().expect("valid");
        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(parent.is_sampled());
        let unsampled: TraceParent = EXAMPLE.replace("-01", "-00").parse().expect("valid");
        assert!(!unsampled.is_sampled());
    }

    #[test]
    fn of_flags_and_versions_nobody_knows_yet_nothing_is_passed_on() {
        let parent: TraceParent = EXAMPLE.replace("00-4", "cc-4").replace("-01", "-fd").parse().expect("valid");
        assert_eq!(parent.to_string(), EXAMPLE);
    }

    #[test]
    fn what_is_no_traceparent_is_told_apart() {
        for text in [
            "",
            "00",
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replace("00-4", "ff-4"),
            &EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &EXAMPLE.replace("00f067aa0fa902b7", &"0".repeat(16)),
            &EXAMPLE.replace("-01", "-0g"),
            &EXAMPLE.replace("-01", "_01"),
            &EXAMPLE.replace("00-4", "0x-4"),
            &format!("{EXAMPLE}-more"),
            &format!(" {EXAMPLE}")[..LENGTH],
            &format!("{}\u{e9}", &EXAMPLE[..LENGTH - 2]),
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTraceParent), "{text:?}");
        }
    }
}
