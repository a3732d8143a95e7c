//! How fast this gateway copies to the store: a backfill of years must not take the network from clients.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// What is counted at once, bytes: a GiB/s fits the limiter's 32 bits.
const UNIT: u64 = 1024;
/// The most that passes at once: what is fetched in one go, and a batch that is larger than that.
const BURST: u32 = 64 << 10;

/// A bound on bytes a second; none unless the file says so.
#[derive(Debug, Default)]
pub struct Pace(Option<DefaultDirectRateLimiter>);

impl Pace {
    /// At most so many bytes a second.
    pub fn new(per_second: Option<u64>) -> Self {
        let units = |bytes: u64| NonZeroU32::new(u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX));
        let burst = NonZeroU32::new(BURST);
        let quota =
            per_second.and_then(units).zip(burst).map(|(n, burst)| Quota::per_second(n).allow_burst(burst));
        Self(quota.map(RateLimiter::direct))
    }

    /// Waits until so many bytes may go.
    pub(crate) async fn wait(&self, bytes: usize) {
        let Some(limiter) = &self.0 else { return };
        let units = (bytes as u64).div_ceil(UNIT).clamp(1, u64::from(BURST)) as u32;
        let Some(units) = NonZeroU32::new(units) else { return };
        while let Ok(Err(not_yet)) = limiter.check_n(units) {
            tokio::time::sleep(not_yet.wait_time_from(governor::clock::Clock::now(limiter.clock()))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn no_more_passes_in_a_second_than_the_file_allows() {
        let pace = Pace::new(Some(100 << 20));
        let began = Instant::now();
        // The burst passes at once; 10 MiB more take a tenth of a second.
        pace.wait(64 << 20).await;
        pace.wait(10 << 20).await;
        assert!(began.elapsed() >= Duration::from_millis(90), "{:?}", began.elapsed());
        Pace::new(None).wait(usize::MAX).await;
    }
}
