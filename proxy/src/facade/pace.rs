//! How fast connections are let in: so many a second, and so many at once between being accepted and being connected to
//! their broker. Who comes too soon waits: first one connection per port here, the others in the kernel's queue.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::rejects::Rejects;

/// The two bounds.
#[derive(Debug)]
pub struct Pace {
    rate: Option<DefaultDirectRateLimiter>,
    handshakes: Arc<Semaphore>,
}

impl Pace {
    /// Bounds: `limits.accept_rate` and `limits.handshakes`.
    pub fn new(rate: Option<NonZeroU32>, handshakes: u32) -> Self {
        let rate = rate.map(|n| RateLimiter::direct(Quota::per_second(n)));
        let handshakes = (handshakes as usize).min(Semaphore::MAX_PERMITS);
        Self { rate, handshakes: Arc::new(Semaphore::new(handshakes)) }
    }

    /// Waits for a connection's turn. What it returns is to be dropped when the connection has reached its broker, or is
    /// given up.
    pub async fn turn(&self, rejects: &Rejects) -> Option<OwnedSemaphorePermit> {
        self.rate(rejects).await;
        if let Ok(slot) = self.handshakes.clone().try_acquire_owned() {
            return Some(slot);
        }
        rejects.waits("handshakes", "limits.handshakes");
        self.handshakes.clone().acquire_owned().await.ok()
    }

    async fn rate(&self, rejects: &Rejects) {
        let Some(rate) = &self.rate else { return };
        let mut waits = false;
        while let Err(until) = rate.check() {
            if !std::mem::replace(&mut waits, true) {
                rejects.waits("accept_rate", "limits.accept_rate");
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
        let counts = rejects.counts();
        assert!(matches!(counts[..], [("accept_rate", n)] if (1..=10).contains(&n)), "{counts:?}");
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
        assert_eq!(rejects.counts(), [("handshakes", 1)]);
    }
}
