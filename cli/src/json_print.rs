//! JSON for people: indented, keys and values told apart by colour where the terminal has any.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::value::RawValue;

const KEY: Style = AnsiColor::Cyan.on_default();
const TEXT: Style = AnsiColor::Green.on_default();

/// The document, indented and coloured; as it is when it is no JSON. Numbers keep their digits.
pub fn pretty(json: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<&RawValue>(json) else {
        return String::from_utf8_lossy(json).into_owned();
    };
    let mut out = String::new();
    let mut printer = Printer { rest: document.get(), indent: 0 };
    while printer.token(&mut out) {}
    out
}

struct Printer<'a> {
    rest: &'a str,
    indent: usize,
}

impl Printer<'_> {
    /// Prints the next token; false when there is none.
    fn token(&mut self, out: &mut String) -> bool {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return false };
        match first {
            '"' => self.string(out),
            '{' | '[' => self.open(out, first),
            '}' | ']' => {
                self.indent -= 1;
                self.line(out);
                self.take(out, 1);
            }
            ',' => {
                self.take(out, 1);
                self.line(out);
            }
            ':' => {
                self.take(out, 1);
                out.push(' ');
            }
            _ => {
                let end = self.rest.find([',', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(self.rest.len());
                self.take(out, end);
            }
        }
        true
    }

    fn open(&mut self, out: &mut String, bracket: char) {
        let closing = if bracket == '{' { '}' } else { ']' };
        if let Some(rest) = self.rest[1..].trim_start().strip_prefix(closing) {
            out.extend([bracket, closing]);
            self.rest = rest;
            return;
        }
        self.take(out, 1);
        self.indent += 1;
        self.line(out);
    }

    fn string(&mut self, out: &mut String) {
        let mut escaped = false;
        let closes = |(_, c): &(usize, char)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        };
        let end = self.rest.char_indices().skip(1).find(closes).map_or(self.rest.len(), |(index, _)| index + 1);
        let (text, rest) = self.rest.split_at(end);
        let style = if rest.trim_start().starts_with(':') { KEY } else { TEXT };
        // Writing to a String cannot fail.
        let _ = write!(out, "{style}{text}{style:#}");
        self.rest = rest;
    }

    fn take(&mut self, out: &mut String, bytes: usize) {
        let (token, rest) = self.rest.split_at(bytes);
        out.push_str(token);
        self.rest = rest;
    }

    fn line(&self, out: &mut String) {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", self.indent));
    }
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn a_document_is_indented_and_keeps_its_digits() {
        let printed = anstream::adapter::strip_str(&pretty(br#"{"a":77.00,"b":["x\"y",{}],"c":[]}"#)).to_string();
        assert_eq!(printed, "{\n  \"a\": 77.00,\n  \"b\": [\n    \"x\\\"y\",\n    {}\n  ],\n  \"c\": []\n}");
    }

    #[test]
    fn what_is_no_json_is_printed_as_it_is() {
        assert_eq!(pretty(b"no json"), "no json");
    }
}
