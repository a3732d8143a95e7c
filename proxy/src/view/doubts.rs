//! Whether the broker that tells us of the cluster is itself behind: one that was cut off answers for a while what it knew before.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Another broker is asked no more often than this, whatever clients say.
const EVERY: Duration = Duration::from_secs(1);

/// A doubt, raised by whoever meets a client that knows more, and taken by the one who asks.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    raised: Option<Instant>,
    taken: bool,
}

impl Doubts {
    /// Another broker should be asked. False if there was such a doubt within the last second, and nobody is asked for this one.
    pub fn raise(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.raised.is_some_and(|raised| now.saturating_duration_since(raised) < EVERY) {
            return false;
        }
        *state = State { raised: Some(now), taken: false };
        true
    }

    /// Whether to ask another broker now.
    pub fn take(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.raised.is_some() && !std::mem::replace(&mut state.taken, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_counts_once_and_however_many_there_are_one_a_second() {
        let (doubts, begin) = (Doubts::default(), Instant::now());
        assert!(!doubts.take(), "nobody doubts");
        assert!(doubts.raise(begin));
        assert!(!doubts.raise(begin), "it is known");
        assert!(doubts.take());
        assert!(!doubts.take(), "taken");
        assert!(!doubts.raise(begin + EVERY / 2) && !doubts.take(), "just now");
        assert!(doubts.raise(begin + EVERY) && doubts.take());
    }
}
