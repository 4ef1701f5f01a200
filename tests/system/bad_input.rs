//! Everything a caller can get wrong: one exact answer each, nothing stored, and the connection lives on wherever it can. What is not
//! there yet (batches, webhooks, consent, erasure) has no rows yet; credentials have theirs in `access.rs`.

mod bodies;
mod catalogue;
mod headers;
mod identifiers;
mod nats;
mod reads;
mod wire;
