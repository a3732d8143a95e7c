//! A history that one thread fills while others wait for it to grow.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::admin::{Outcome, Step};
use super::history::History;
use super::line::{Event, Line};

#[derive(Debug, Default)]
struct State {
    history: History,
    last_record: Option<Instant>,
    longest_pause: Duration,
    ended: Option<String>,
}

/// The shared history of a running client.
#[derive(Debug, Default)]
pub(super) struct Feed {
    state: Mutex<State>,
    grown: Condvar,
}

impl Feed {
    /// Takes one line of a driver in.
    pub(super) fn line(&self, line: Line) {
        self.change(|state| match line {
            Line::Run { p, from, to, bytes } => {
                state.pulse();
                state.history.run(p, from, to, bytes);
            }
            Line::Single { p, o, k, bytes } => {
                state.pulse();
                state.history.record(p, o, k, bytes);
            }
            Line::Event(Event::Assigned { partitions }) => state.history.assign(partitions),
            Line::Event(Event::Reset { message }) => state.history.reset(message),
            Line::Event(Event::Error { message }) => state.history.error(message),
            Line::Event(Event::Sent { n }) => {
                state.pulse();
                state.history.sent(n);
            }
            Line::Event(Event::Aborted { n }) => state.history.abort(n),
            Line::Event(Event::Retried { message }) => state.history.retry(message),
            Line::Event(Event::Admin { op, ok, message }) => {
                let outcome = if ok { Outcome::Done } else { Outcome::Failed(message) };
                state.history.step(Step { op, outcome });
            }
            Line::Event(Event::Unsupported { what }) => {
                state.history.step(Step { op: what, outcome: Outcome::Unsupported });
            }
            Line::Event(Event::Ready | Event::Revoked {} | Event::End {}) => {}
        });
    }

    /// Notes that nothing more comes, and why.
    pub(super) fn end(&self, why: String) {
        self.change(|state| {
            state.ended.get_or_insert(why);
        });
    }

    /// The history so far.
    pub(super) fn history(&self) -> History {
        self.lock().history.clone()
    }

    /// The longest time between two deliveries so far.
    pub(super) fn longest_pause(&self) -> Duration {
        let state = self.lock();
        state.longest_pause.max(state.last_record.map_or(Duration::ZERO, |at| at.elapsed()))
    }

    /// Forgets the pauses so far.
    pub(super) fn forget_pauses(&self) {
        let mut state = self.lock();
        state.longest_pause = Duration::ZERO;
        state.last_record = Some(Instant::now());
    }

    /// Waits until the history is as `wanted`; an error when `limit` is over or the client ended before.
    pub(super) fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&History) -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while !wanted(&state.history) {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(why) = &state.ended {
                bail!("the client ended before {what}: {why}; it saw {}", state.history);
            }
            if left.is_zero() {
                bail!("waited {limit:?} for {what}; the client saw {}", state.history);
            }
            (state, _) = self.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until the client ended.
    pub(super) fn wait_end(&self, limit: Duration) -> Result<()> {
        let state = self.lock();
        let (state, _) = self
            .grown
            .wait_timeout_while(state, limit, |state| state.ended.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        match state.ended {
            Some(_) => Ok(()),
            None => bail!("the client did not end in {limit:?}; it saw {}", state.history),
        }
    }

    fn change(&self, with: impl FnOnce(&mut State)) {
        with(&mut self.lock());
        self.grown.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pulse(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last_record.replace(now) {
            self.longest_pause = self.longest_pause.max(now - last);
        }
    }
}
