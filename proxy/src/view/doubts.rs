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
    raised: bool,
    taken: Option<Instant>,
}

impl Doubts {
    /// Another broker should be asked.
    pub fn raise(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).raised = true;
    }

    /// Whether to ask another broker now.
    pub fn take(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = state.taken.is_some_and(|taken| now.saturating_duration_since(taken) < EVERY);
        if !state.raised || lately {
            return false;
        }
        *state = State { raised: false, taken: Some(now) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_counts_once_and_however_many_there_are_one_a_second() {
        let (doubts, begin) = (Doubts::default(), Instant::now());
        assert!(!doubts.take(begin), "nobody doubts");
        doubts.raise();
        assert!(doubts.take(begin));
        assert!(!doubts.take(begin), "taken");
        doubts.raise();
        assert!(!doubts.take(begin + EVERY / 2));
        assert!(doubts.take(begin + EVERY), "it was not forgotten");
    }
}
