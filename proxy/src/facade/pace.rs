//! How fast connections are let in: so many a second, and so many at once between being accepted and being connected to
//! their broker. Who comes too soon waits: first one connection per port here, the others in the kernel's queue.

use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwap;
use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::reason::Reason;
use crate::rejects::Rejects;

/// The two bounds, which a reload may replace.
#[derive(Debug)]
pub struct Pace(ArcSwap<Bounds>);

#[derive(Debug)]
struct Bounds {
    rate: Option<DefaultDirectRateLimiter>,
    handshakes: Arc<Semaphore>,
}

impl Pace {
    /// Bounds: `limits.accept_rate` and `limits.handshakes`.
    pub fn new(rate: Option<NonZeroU32>, handshakes: u32) -> Self {
        Self(ArcSwap::from_pointee(Bounds::new(rate, handshakes)))
    }

    /// Sets other bounds for connections to come.
    pub fn bound(&self, rate: Option<NonZeroU32>, handshakes: u32) {
        self.0.store(Arc::new(Bounds::new(rate, handshakes)));
    }

    /// Waits for a connection's turn. What it returns is to be dropped when the connection has reached its broker, or is
    /// given up.
    pub async fn turn(&self, rejects: &Rejects) -> Option<OwnedSemaphorePermit> {
        let bounds = self.0.load_full();
        bounds.rate(rejects).await;
        if let Ok(slot) = bounds.handshakes.clone().try_acquire_owned() {
            return Some(slot);
        }
        rejects.waits(Reason::Handshakes, "limits.handshakes");
        bounds.handshakes.clone().acquire_owned().await.ok()
    }
}

impl Bounds {
    fn new(rate: Option<NonZeroU32>, handshakes: u32) -> Self {
        let rate = rate.map(|n| RateLimiter::direct(Quota::per_second(n)));
        let handshakes = (handshakes as usize).min(Semaphore::MAX_PERMITS);
        Self { rate, handshakes: Arc::new(Semaphore::new(handshakes)) }
    }

    async fn rate(&self, rejects: &Rejects) {
        let Some(rate) = &self.rate else { return };
        let mut waits = false;
        while let Err(until) = rate.check() {
            if !std::mem::replace(&mut waits, true) {
                rejects.waits(Reason::AcceptRate, "limits.accept_rate");
            }
            tokio::time::sleep(until.wait_time_from(rate.clock().now())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn connections_above_the_rate_wait_for_their_second_and_are_counted() {
        let (pace, rejects) = (Pace::new(NonZeroU32::new(20), 100), Rejects::default());
        let started = Instant::now();
        for _ in 0..30 {
            assert!(pace.turn(&rejects).await.is_some());
        }
        // Twenty at once, ten more at twenty a second.
        assert!(started.elapsed() >= Duration::from_millis(450), "{:?}", started.elapsed());
        let counts = rejects.seen();
        assert!(matches!(counts[..], [(Reason::AcceptRate, n)] if (1..=10).contains(&n)), "{counts:?}");
    }

    #[tokio::test]
    async fn a_handshake_beyond_the_bound_waits_until_another_is_done() {
        let (pace, rejects) = (Pace::new(None, 1), Rejects::default());
        let first = pace.turn(&rejects).await;
        let second = pace.turn(&rejects);
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut second).await;
        assert!(early.is_err(), "there was room for one");
        drop(first);
        assert!(second.await.is_some());
        pace.bound(None, 2);
        let both = (pace.turn(&rejects).await, pace.turn(&rejects).await);
        assert!(both.0.is_some() && both.1.is_some(), "a reload gave more room");
        assert_eq!(rejects.seen(), [(Reason::Handshakes, 1)]);
    }
}
