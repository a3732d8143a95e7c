//! How a gateway ends: every client connection gets a turn, and ends there between two answers. The turns lie spread
//! over `gateway.drain`, so that clients don't all arrive at the other gateways at once.
//!
//! [`Spread`] decides when, [`Leave`] tells a session, [`Drain`] keeps count.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long others get to hear that this gateway leaves, before its first connection ends: gateways ask each other once a
/// second, and wait a second for one that doesn't answer.
const NOTICE: Duration = Duration::from_secs(3);

/// When what happens, counted from the order to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The first connections end.
    pub notice: Duration,
    /// The last turn of the connections there were.
    pub last: Duration,
    /// Listeners close. Not sooner: a client that had one connection, and knows no other address, comes back here, and is
    /// told where to go. What is left of the time is for answers that are still due.
    pub close: Duration,
    /// What is still open is cut.
    pub deadline: Duration,
}

impl Spread {
    /// Over `drain`, for a gateway beside which this many others live. Where there is none, nobody needs notice, and a
    /// client that is sent away early only waits longer: all turns come at once.
    pub fn of(drain: Duration, others: usize) -> Self {
        if others == 0 {
            let at_once = Duration::ZERO;
            return Self { notice: at_once, last: at_once, close: at_once, deadline: drain };
        }
        Self { notice: NOTICE.min(drain / 5), last: drain / 5 * 4, close: drain / 10 * 9, deadline: drain }
    }

    /// The turn of connection number `n`. A client's connections come one after another, and their turns lie far apart:
    /// the next step is the golden ratio of the time, so any number of neighbours fill it evenly.
    pub fn turn(self, n: u64) -> Duration {
        self.notice + share(self.last - self.notice, n)
    }

    /// The turn of connection number `n`, which came `at` that time, in the drain: late enough to ask where else to go.
    pub fn late_turn(self, at: Duration, n: u64) -> Duration {
        let half = self.close.saturating_sub(at) / 2;
        at + half + share(half, n)
    }
}

/// The share of `time` that goes by before number `n` is due.
fn share(time: Duration, n: u64) -> Duration {
    let fraction = u128::from((n as u32).wrapping_mul(0x9e37_79b9));
    Duration::from_nanos(((time.as_nanos() * fraction) >> 32) as u64)
}

/// The drain of one gateway, from before it begins.
#[derive(Debug, Default)]
pub struct Drain {
    asked: CancellationToken,
    begun: OnceLock<(Instant, Spread)>,
    numbered: AtomicU64,
    ended: AtomicU64,
    cut: AtomicU64,
}

impl Drain {
    /// Begins it, once.
    pub fn begin(&self, spread: Spread) {
        if self.begun.set((Instant::now(), spread)).is_ok() {
            self.asked.cancel();
        }
    }

    /// When it began and how it goes on; `None` before.
    pub fn begun(&self) -> Option<(Instant, Spread)> {
        self.begun.get().copied()
    }

    /// Cancelled once the drain has begun: work that can stop between two steps does.
    pub fn asked(&self) -> &CancellationToken {
        &self.asked
    }

    /// A connection's call to leave.
    pub fn leave(self: &Arc<Self>) -> Leave {
        let (drain, n) = (self.clone(), self.numbered.fetch_add(1, Relaxed));
        let late = self.begun().map(|(began, spread)| began + spread.late_turn(began.elapsed(), n));
        let rings = async move {
            if let Some(turn) = late {
                return sleep_until(turn).await;
            }
            drain.asked.cancelled().await;
            if let Some((began, spread)) = drain.begun() {
                sleep_until(began + spread.turn(n)).await;
            }
        };
        Leave { drain: self.clone(), rings: Some(Box::pin(rings)), armed: false, postponed: false }
    }

    /// A connection has ended: by itself, or cut.
    pub fn note(&self, cut: bool) {
        if cut {
            self.cut.fetch_add(1, Relaxed);
        } else if self.begun.get().is_some() {
            self.ended.fetch_add(1, Relaxed);
        }
    }

    /// Connections that ended since the drain began, and connections that were cut.
    pub fn counts(&self) -> (u64, u64) {
        (self.ended.load(Relaxed), self.cut.load(Relaxed))
    }
}

/// Tells one connection that its turn has come.
pub struct Leave {
    drain: Arc<Drain>,
    rings: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    armed: bool,
    postponed: bool,
}

impl Leave {
    /// Not now, but after `time`. Once; says whether it was.
    pub fn postpone(&mut self, time: Duration) -> bool {
        if self.postponed {
            return false;
        }
        self.postponed = true;
        self.rings = Some(Box::pin(tokio::time::sleep(time)));
        true
    }

    /// Ready from the turn on. Costs one look at an atomic while no drain has begun: to wait for a token is to take a
    /// lock that all connections share, so it is asked once, and again when it has something to say. All calls must
    /// come from one task.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.armed, true) && self.drain.begun.get().is_none() {
            return Poll::Pending;
        }
        if self.rings.as_mut().is_some_and(|rings| rings.as_mut().poll(cx).is_pending()) {
            return Poll::Pending;
        }
        self.rings = None;
        Poll::Ready(())
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave").field("armed", &self.armed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const D: Duration = Duration::from_secs(30);

    #[test]
    fn turns_lie_between_the_notice_and_four_fifths_of_the_time_and_any_neighbours_fill_it_evenly() {
        let spread = Spread::of(D, 2);
        assert_eq!((spread.notice.as_secs(), spread.last.as_secs(), spread.close.as_secs()), (3, 24, 27));
        for (first, many) in [(0, 4), (977, 10), (u64::from(u32::MAX) - 50, 100)] {
            let mut turns: Vec<_> = (first..first + many).map(|n| spread.turn(n)).collect();
            turns.sort_unstable();
            assert!(turns[0] >= spread.notice && *turns.last().expect("some") < spread.last, "{turns:?}");
            // By the three-gap theorem no gap is longer than about 2.6 times the mean.
            let mean = (spread.last - spread.notice) / many as u32;
            let ends = [spread.notice, spread.last];
            let all: Vec<_> = ends[..1].iter().chain(&turns).chain(&ends[1..]).collect();
            assert!(all.windows(2).all(|w| *w[1] - *w[0] <= mean * 3), "{first}: {all:?}");
        }
    }

    #[test]
    fn neighbours_end_far_apart() {
        let spread = Spread::of(D, 1);
        for n in 0..100 {
            assert!(spread.turn(n).abs_diff(spread.turn(n + 1)) > D / 5, "{n}");
        }
    }

    #[test]
    fn who_comes_back_has_time_to_ask_where_to_go_and_ends_before_listeners_have_long_been_closed() {
        let spread = Spread::of(D, 1);
        for (at, n) in [(4, 0), (4, 1), (23, 2), (26, 3), (28, 4)] {
            let at = Duration::from_secs(at);
            let turn = spread.late_turn(at, n);
            assert!(turn >= at + spread.close.saturating_sub(at) / 2, "{at:?}");
            assert!(turn <= spread.close.max(at) && turn < spread.deadline, "{at:?}");
        }
    }

    #[test]
    fn a_short_drain_has_a_short_notice_and_a_gateway_alone_sends_all_away_at_once() {
        assert_eq!(Spread::of(Duration::from_secs(5), 1).notice, Duration::from_secs(1));
        let alone = Spread::of(D, 0);
        assert_eq!((alone.notice, alone.turn(7), alone.deadline), (Duration::ZERO, Duration::ZERO, D));
    }

    #[tokio::test]
    async fn a_connection_is_told_at_its_turn_and_not_before_whenever_it_began_to_wait() {
        let drain = Arc::<Drain>::default();
        let spread = Spread::of(Duration::from_millis(500), 1);
        let (mut early, mut later) = (drain.leave(), drain.leave());
        assert!(poll_fn(|cx| Poll::Ready(early.poll(cx))).await.is_pending());
        let began = Instant::now();
        drain.begin(spread);
        poll_fn(|cx| early.poll(cx)).await;
        assert!(began.elapsed() >= spread.turn(0));
        assert!(poll_fn(|cx| Poll::Ready(early.poll(cx))).await.is_ready(), "and stays told");
        assert!(spread.turn(1) > spread.turn(0));
        poll_fn(|cx| later.poll(cx)).await;
        assert!(began.elapsed() >= spread.turn(1));
    }
}
