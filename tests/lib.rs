//! What the system tests (`system/`) and the benchmark stand on: real servers, started privately, and the three services.

#![expect(clippy::missing_panics_doc, reason = "a harness that cannot go on fails the test with a sentence")]

pub mod harness;
