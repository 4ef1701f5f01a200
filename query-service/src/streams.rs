//! How many live streams there are: each takes a connection for as long as it lasts.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use runtime::problem::Problem;

/// Of one caller: enough for the tabs of a browser, or for a program that watches some guests.
const MOST_OF_A_CALLER: usize = 32;

/// The streams of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Streams {
    most: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_caller: HashMap<u64, usize>,
}

/// One stream, until it is dropped.
pub(crate) struct Stream {
    caller: u64,
    open: Arc<Mutex<Open>>,
}

impl Streams {
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self { most: most.get(), open: Arc::default() }
    }

    /// One more, of the caller with this key.
    pub(crate) fn open(&self, caller: u64) -> Result<Stream, Problem> {
        let mut open = lock(&self.open);
        if open.all >= self.most {
            return Err(Problem::unavailable("overloaded", "too many live streams are open"));
        }
        let of_caller = open.by_caller.entry(caller).or_default();
        if *of_caller >= MOST_OF_A_CALLER {
            let detail = format!("you have {MOST_OF_A_CALLER} live streams open: end one first");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail));
        }
        *of_caller += 1;
        open.all += 1;
        Ok(Stream { caller, open: Arc::clone(&self.open) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.all -= 1;
        if let Some(of_caller) = open.by_caller.get_mut(&self.caller) {
            *of_caller -= 1;
            if *of_caller == 0 {
                open.by_caller.remove(&self.caller);
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_and_a_process_so_many_and_an_end_makes_room() {
        let streams = Streams::new(NonZeroUsize::new(40).expect("not 0"));
        let mut of_one: Vec<_> = (0..MOST_OF_A_CALLER).map(|_| streams.open(1).expect("room")).collect();
        assert_eq!(streams.open(1).map(drop).unwrap_err().code(), "too_many_streams");
        let of_others: Vec<_> = (2..10).map(|caller| streams.open(caller).expect("room")).collect();
        assert_eq!(streams.open(10).map(drop).unwrap_err().code(), "overloaded");
        of_one.pop();
        assert!(streams.open(1).is_ok());
        drop((of_one, of_others));
        let open = lock(&streams.open);
        assert_eq!((open.all, open.by_caller.len()), (0, 0));
    }
}
