//! Ends connections that nobody uses: those that never ask anything (`limits.handshake`), and those on which no byte
//! moves while no answer is due (`limits.idle`).
//!
//! One timer per connection, which traffic never touches: it rings four times in `limits.idle`, and each time the
//! session says what it has seen since. So a connection ends between one and one and a quarter times `limits.idle`
//! after its last byte, and a busy one pays nothing for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::session::fault::Fault;

/// How often the timer rings in `limits.idle`.
const RINGS: u32 = 4;

/// What a session has seen since the timer rang last.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// A request's header has come since the connection was opened.
    pub begun: bool,
    /// A byte was read or written, on either side.
    pub moved: bool,
    /// The broker owes an answer, or does not take what it is sent.
    pub broker_owes: bool,
}

/// The timer and what it has counted.
#[derive(Debug)]
pub struct Watch {
    timer: Pin<Box<Sleep>>,
    every: Duration,
    /// Rings in a row between which nothing happened.
    quiet: u32,
    /// Whether it has rung before.
    rang: bool,
}

impl Watch {
    /// For a connection that has just been opened. `handshake` bounds the wait for its first request's header, `idle`
    /// all quiet after that.
    pub fn new(handshake: Duration, idle: Duration) -> Self {
        Self { timer: Box::pin(sleep(handshake)), every: idle / RINGS, quiet: 0, rang: false }
    }

    /// Ready when the timer rings.
    pub fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(cx)
    }

    /// Settles a ring by what was seen, and winds the timer up again. Says whether the connection has been there for a
    /// while: since an earlier ring.
    ///
    /// # Errors
    /// [`Fault::Silent`] or [`Fault::Idle`]: the connection has to end.
    pub fn rang(&mut self, seen: Seen) -> Result<bool, Fault> {
        self.quiet = quiet_after(self.quiet, seen)?;
        self.timer.as_mut().reset(Instant::now() + self.every);
        Ok(std::mem::replace(&mut self.rang, true))
    }
}

fn quiet_after(quiet: u32, seen: Seen) -> Result<u32, Fault> {
    match seen {
        Seen { begun: false, .. } => Err(Fault::Silent),
        Seen { moved, broker_owes, .. } if moved || broker_owes => Ok(0),
        _ if quiet + 1 >= RINGS => Err(Fault::Idle),
        _ => Ok(quiet + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Seen = Seen { begun: true, moved: false, broker_owes: false };

    #[test]
    fn four_quiet_rings_in_a_row_are_idle_and_anything_between_them_starts_anew() {
        let after = |seen: &[Seen]| seen.iter().try_fold(0, |quiet, s| quiet_after(quiet, *s));
        assert_eq!(after(&[NOTHING; 3]).expect("not yet"), 3);
        assert!(matches!(after(&[NOTHING; 4]), Err(Fault::Idle)));
        for busy in [Seen { moved: true, ..NOTHING }, Seen { broker_owes: true, ..NOTHING }] {
            let seen = [NOTHING, NOTHING, NOTHING, busy, NOTHING, NOTHING, NOTHING];
            assert_eq!(after(&seen).expect("not yet"), 3, "{busy:?}");
        }
    }

    #[test]
    fn a_connection_without_a_request_ends_at_the_first_ring_whatever_moved() {
        let silent = Seen { begun: false, moved: true, broker_owes: false };
        assert!(matches!(quiet_after(0, silent), Err(Fault::Silent)));
    }
}
