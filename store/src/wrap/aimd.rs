//! How many requests at once: one more after as many successes, fewer by a third when the store asks for fewer (AIMD, as
//! TCP does, Chiu and Jain 1989).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One storm of refusals counts once.
const QUIET: Duration = Duration::from_millis(500);

/// What is decided.
#[derive(Debug)]
struct State {
    /// Requests at once, now.
    limit: u32,
    /// Successes since the limit last grew.
    successes: u32,
    /// Permits that are out and are not to come back.
    debt: u32,
    cut: Option<Instant>,
}

/// A limit that follows the store.
#[derive(Debug)]
pub(super) struct Aimd {
    permits: Arc<Semaphore>,
    most: u32,
    state: Mutex<State>,
}

/// What became of a request, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Success,
    Throttled,
    Other,
}

impl Aimd {
    /// Begins with the most there may be.
    pub(super) fn new(most: u32) -> Self {
        let most = most.max(1);
        let state = State { limit: most, successes: 0, debt: 0, cut: None };
        Self { permits: Arc::new(Semaphore::new(most as usize)), most, state: Mutex::new(state) }
    }

    /// Waits for a place, first come first served.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        // The semaphore is never closed.
        Place { of: self.clone(), permit: self.permits.clone().acquire_owned().await.ok() }
    }

    /// Learns from a request that ended at `now`.
    pub(super) fn learn(&self, seen: Seen, now: Instant) {
        let mut state = self.state();
        match seen {
            Seen::Success if state.limit < self.most => self.succeeded(&mut state),
            Seen::Throttled if state.cut.is_none_or(|cut| now.duration_since(cut) >= QUIET) => {
                state.cut = Some(now);
                self.cut(&mut state);
            }
            _ => {}
        }
    }

    fn succeeded(&self, state: &mut State) {
        state.successes += 1;
        if state.successes < state.limit {
            return;
        }
        (state.successes, state.limit) = (0, state.limit + 1);
        match state.debt.checked_sub(1) {
            Some(debt) => state.debt = debt,
            None => self.permits.add_permits(1),
        }
    }

    fn cut(&self, state: &mut State) {
        let less = (state.limit * 2 / 3).max(1);
        let fewer = state.limit - less;
        (state.limit, state.successes) = (less, 0);
        // Places that are free go at once, the others when they are left.
        let gone = self.permits.forget_permits(fewer as usize) as u32;
        state.debt += fewer - gone;
    }

    fn left(&self, permit: Option<OwnedSemaphorePermit>) {
        let mut state = self.state();
        if state.debt > 0 {
            state.debt -= 1;
            if let Some(permit) = permit {
                permit.forget();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the requests at once.
#[derive(Debug)]
pub(super) struct Place {
    of: Arc<Aimd>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.left(self.permit.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_storm_of_refusals_cuts_once_and_successes_bring_it_back_one_by_one() {
        let (aimd, start) = (Arc::new(Aimd::new(9)), Instant::now());
        for ms in 0..20 {
            aimd.learn(Seen::Throttled, start + Duration::from_millis(ms));
        }
        assert_eq!(aimd.permits.available_permits(), 6);
        aimd.learn(Seen::Throttled, start + QUIET);
        assert_eq!(aimd.permits.available_permits(), 4);
        (0..4).for_each(|_| aimd.learn(Seen::Success, start));
        assert_eq!(aimd.permits.available_permits(), 5);
        (0..1000).for_each(|_| aimd.learn(Seen::Success, start));
        assert_eq!(aimd.permits.available_permits(), 9, "never more than the most");
    }

    #[tokio::test]
    async fn places_taken_when_the_limit_is_cut_do_not_come_back() {
        let (aimd, start) = (Arc::new(Aimd::new(3)), Instant::now());
        let (a, b, c) = (aimd.enter().await, aimd.enter().await, aimd.enter().await);
        aimd.learn(Seen::Throttled, start);
        drop(a);
        assert_eq!(aimd.permits.available_permits(), 0);
        drop((b, c));
        assert_eq!(aimd.permits.available_permits(), 2);
    }

    #[test]
    fn one_request_at_once_is_always_allowed() {
        let (aimd, start) = (Aimd::new(2), Instant::now());
        (0..10).for_each(|i| aimd.learn(Seen::Throttled, start + QUIET * i));
        assert_eq!(aimd.permits.available_permits(), 1);
    }
}
