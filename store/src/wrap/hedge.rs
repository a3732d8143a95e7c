//! Asking twice for a range that is slow to come, and taking what comes first.
//!
//! AWS's advice is to retry the slowest hundredth of requests of one size; the second one usually meets another server. At
//! most one in twenty is asked for twice, so that a store that is slow as a whole isn't made slower.

use std::collections::HashMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::sleep;

use super::tokens::Tokens;
use crate::{Error, Key, Meta, Mode, SharedStore, Store, Upload};

/// Samples of one size that are remembered.
const SAMPLES: usize = 256;
/// Samples before anything is asked for twice.
const ENOUGH: usize = 100;
/// How many seconds may be saved up.
const SAVED: u64 = 10;
/// Thousandths of a second request that each request earns: one in twenty.
const EARNED: u64 = 50;

/// How long requests of one size took, the newest [`SAMPLES`].
#[derive(Debug, Default)]
struct Times {
    ring: Vec<Duration>,
    next: usize,
    /// The 99th percentile, recomputed every [`SAMPLES`] / 8 samples.
    p99: Option<Duration>,
}

impl Times {
    fn note(&mut self, took: Duration) {
        if self.ring.len() < SAMPLES {
            self.ring.push(took);
        } else {
            self.ring[self.next % SAMPLES] = took;
        }
        self.next = self.next.wrapping_add(1);
        if self.ring.len() >= ENOUGH && (self.p99.is_none() || self.next.is_multiple_of(SAMPLES / 8)) {
            let mut sorted = self.ring.clone();
            let at = sorted.len() * 99 / 100;
            self.p99 = Some(*sorted.select_nth_unstable(at).1);
        }
    }
}

/// A store that asks twice for slow ranges.
#[derive(Clone, Debug)]
pub struct Hedge {
    inner: SharedStore,
    /// By the logarithm of the size: a longer range takes longer without being slow.
    times: Arc<Mutex<HashMap<u32, Times>>>,
    budget: Arc<Tokens>,
}

impl Hedge {
    /// Hedges the range GETs of `inner`.
    pub fn new(inner: SharedStore) -> Self {
        Self { inner, times: Arc::default(), budget: Arc::new(Tokens::none(SAVED, EARNED)) }
    }

    /// After how long a request of this size is slow.
    fn patience(&self, size: u32) -> Option<Duration> {
        self.with(|times| times.get(&size).and_then(|times| times.p99))
    }

    fn note(&self, size: u32, took: Duration) {
        self.with(|times| times.entry(size).or_default().note(took));
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<u32, Times>) -> T) -> T {
        f(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn twice(&self, key: &Key, range: Range<u64>, patience: Duration) -> Result<Bytes, Error> {
        let mut first = self.inner.get_range(key, range.clone());
        tokio::select! {
            biased;
            done = &mut first => return done,
            () = sleep(patience) => {}
        }
        if !self.budget.take() {
            return first.await;
        }
        let second = self.inner.get_range(key, range);
        either(first, second).await
    }
}

/// The first success, or the last failure.
async fn either(
    first: impl Future<Output = Result<Bytes, Error>>,
    second: impl Future<Output = Result<Bytes, Error>>,
) -> Result<Bytes, Error> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    tokio::select! {
        done = &mut first => if done.is_ok() { done } else { second.await },
        done = &mut second => if done.is_ok() { done } else { first.await },
    }
}

#[async_trait]
impl Store for Hedge {
    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        self.budget.earn();
        let size = range.end.saturating_sub(range.start).max(1).ilog2();
        let began = Instant::now();
        let done = match self.patience(size) {
            Some(patience) => self.twice(key, range, patience).await,
            None => self.inner.get_range(key, range).await,
        };
        if done.is_ok() {
            self.note(size, began.elapsed());
        }
        done
    }

    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        self.inner.put(key, body, mode).await
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        self.inner.upload(key).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        self.inner.get(key).await
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        self.inner.delete(keys).await
    }

    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error> {
        self.inner.abort_uploads(prefix, age).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::wrap::script::{Act, Script, key};

    /// A store that has learned from quick answers, then acts as said.
    async fn learned(acts: &[Act]) -> (Script, Hedge) {
        let script = Script::new([Act::Answer; ENOUGH].iter().chain(acts).copied());
        let hedge = Hedge::new(Arc::new(script.clone()));
        for _ in 0..ENOUGH {
            hedge.get_range(&key(), 0..1000).await.unwrap();
        }
        (script, hedge)
    }

    #[tokio::test]
    async fn a_request_that_hangs_is_asked_for_again_and_the_answer_taken() {
        let (script, hedge) = learned(&[Act::Hang, Act::Answer]).await;
        assert_eq!(hedge.get_range(&key(), 0..1000).await.unwrap().len(), 1000);
        assert_eq!(script.calls(), ENOUGH + 2);
    }

    #[tokio::test]
    async fn of_two_one_failure_is_not_the_outcome() {
        let fail = || std::future::ready(Err(Error::new(Kind::Transient, "x", "y")));
        let good = || std::future::ready(Ok(Bytes::from_static(b"x")));
        assert!(either(fail(), good()).await.is_ok() && either(good(), fail()).await.is_ok());
        assert!(either(fail(), fail()).await.is_err());
    }

    #[tokio::test]
    async fn no_more_than_one_in_twenty_is_asked_for_twice() {
        let (script, hedge) = learned(&[Act::Hang; 100]).await;
        let key = key();
        // A hundred quick ones have earned five: each is answered by neither of two that hang.
        for extra in 1..=5 {
            let slow = tokio::time::timeout(Duration::from_millis(20), hedge.get_range(&key, 0..1000));
            slow.await.unwrap_err();
            assert_eq!(script.calls(), ENOUGH + 2 * extra);
        }
        let slow = tokio::time::timeout(Duration::from_millis(20), hedge.get_range(&key, 0..1000));
        slow.await.unwrap_err();
        assert_eq!(script.calls(), ENOUGH + 11, "the sixth is asked for once");
    }

    #[tokio::test]
    async fn sizes_do_not_learn_from_each_other() {
        let (_, hedge) = learned(&[]).await;
        assert!(hedge.patience(1000u32.ilog2()).is_some());
        assert!(hedge.patience(4_000_000u32.ilog2()).is_none());
    }

    #[test]
    fn slow_is_what_ninety_nine_in_a_hundred_are_faster_than() {
        let mut times = Times::default();
        (1..=200).for_each(|ms| times.note(Duration::from_millis(ms)));
        assert!((190..=200).contains(&times.p99.unwrap().as_millis()), "{:?}", times.p99);
        (0..2 * SAMPLES).for_each(|_| times.note(Duration::from_millis(5)));
        assert_eq!(times.p99.unwrap().as_millis(), 5, "what is long ago is forgotten");
    }
}
