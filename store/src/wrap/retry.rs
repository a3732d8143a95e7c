//! Trying again: what may be repeated, after a random wait, within a budget.
//!
//! The wait is random between nothing and a bound that doubles ("full jitter", AWS Builders' Library), so that those who
//! failed together don't come back together. The budget (as in gRPC's retry throttling) keeps an outage from being met with
//! a multiple of the load.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::sleep;

use super::tokens::Tokens;
use crate::{Error, Key, Kind, Meta, Mode, SharedStore, Store, Upload};

/// Retries that a quiet time has saved up.
const SAVED: u64 = 100;
/// Thousandths of a retry that a success earns: one in ten.
const EARNED: u64 = 100;

/// How often, and how long is waited between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts in all, the first included; 0 counts as 1.
    pub attempts: u32,
    /// The bound of the first wait; it doubles.
    pub first: Duration,
    /// The bound of the longest wait.
    pub longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 6, first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

/// Whether a call whose outcome nobody knows may be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// Twice is as good as once.
    Always,
    /// A create: the second would meet the first. Its caller looks first.
    IfNothingHappened,
}

#[derive(Debug)]
struct Policy {
    patience: Patience,
    budget: Tokens,
}

impl Policy {
    /// Does a call until it succeeds or should not be repeated.
    async fn again<T, F>(&self, repeat: Repeat, mut call: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(value) => {
                    self.budget.earn();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let may = error.is_transient() || error.kind == Kind::Uncertain && repeat == Repeat::Always;
            if !may || attempt >= self.patience.attempts || !self.budget.take() {
                return Err(error);
            }
            sleep(wait(self.patience, attempt, random()?)).await;
            attempt += 1;
        }
    }
}

/// The wait after attempt number `attempt`: the share `random` of its bound.
fn wait(patience: Patience, attempt: u32, random: u32) -> Duration {
    let doubled = patience.first.saturating_mul(1 << (attempt - 1).min(20));
    doubled.min(patience.longest).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn random() -> Result<u32, Error> {
    let mut bytes = [0; 4];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::new(Kind::Transient, "retry", "the system gave no randomness"))?;
    Ok(u32::from_be_bytes(bytes))
}

/// A store that tries again.
#[derive(Clone, Debug)]
pub struct Retry {
    inner: SharedStore,
    policy: Arc<Policy>,
}

impl Retry {
    /// Tries again what `inner` fails at.
    pub fn new(inner: SharedStore, patience: Patience) -> Self {
        Self { inner, policy: Arc::new(Policy { patience, budget: Tokens::full(SAVED, EARNED) }) }
    }
}

#[async_trait]
impl Store for Retry {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        let repeat = if mode == Mode::Create { Repeat::IfNothingHappened } else { Repeat::Always };
        self.policy.again(repeat, || self.inner.put(key, body.clone(), mode)).await
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        let inner = self.policy.again(Repeat::Always, || self.inner.upload(key)).await?;
        Ok(Box::new(Parts { inner, policy: self.policy.clone() }))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        self.policy.again(Repeat::Always, || self.inner.get(key)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        self.policy.again(Repeat::Always, || self.inner.get_range(key, range.clone())).await
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        self.policy.again(Repeat::Always, || self.inner.head(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        self.policy.again(Repeat::Always, || self.inner.list(prefix, after, limit)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        self.policy.again(Repeat::Always, || self.inner.delete(keys)).await
    }

    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error> {
        self.policy.again(Repeat::Always, || self.inner.abort_uploads(prefix, age)).await
    }
}

#[derive(Debug)]
struct Parts {
    inner: Box<dyn Upload>,
    policy: Arc<Policy>,
}

#[async_trait]
impl Upload for Parts {
    /// The body is shared with the attempts, not copied for them.
    async fn part(&mut self, body: Bytes) -> Result<(), Error> {
        // One lock for all attempts: a closure can't lend what it has borrowed for writing.
        let inner = tokio::sync::Mutex::new(&mut self.inner);
        let call = || async { inner.lock().await.part(body.clone()).await };
        self.policy.again(Repeat::Always, call).await
    }

    /// Once: it ends the upload, however it ends.
    async fn complete(self: Box<Self>) -> Result<(), Error> {
        self.inner.complete().await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::script::{Act, Script, key};

    const QUICK: Patience =
        Patience { attempts: 4, first: Duration::from_micros(10), longest: Duration::from_micros(20) };

    fn retrying(acts: impl IntoIterator<Item = Act>) -> (Script, Retry) {
        let script = Script::new(acts);
        let retry = Retry::new(Arc::new(script.clone()), QUICK);
        (script, retry)
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        for (kind, calls) in [
            (Kind::Transient, 2),
            (Kind::Throttled, 2),
            (Kind::Conflict, 2),
            (Kind::Corrupt, 2),
            (Kind::Uncertain, 2),
            (Kind::NotFound, 1),
            (Kind::Denied, 1),
            (Kind::Unusable, 1),
            (Kind::Range, 1),
        ] {
            let (script, store) = retrying([Act::Fail(kind), Act::Answer]);
            assert_eq!(store.get(&key()).await.is_ok(), calls == 2, "{kind:?}");
            assert_eq!(script.calls(), calls, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_create_of_unknown_outcome_is_left_to_the_caller_and_an_overwrite_is_not() {
        for (mode, calls) in [(Mode::Create, 1), (Mode::Overwrite, 2)] {
            let (script, store) = retrying([Act::Fail(Kind::Uncertain), Act::Answer]);
            assert_eq!(store.put(&key(), Bytes::new(), mode).await.is_ok(), calls == 2);
            assert_eq!(script.calls(), calls, "{mode:?}");
        }
    }

    #[tokio::test]
    async fn attempts_are_bounded() {
        let (script, store) = retrying([Act::Fail(Kind::Transient); 9]);
        assert_eq!(store.get(&key()).await.unwrap_err().kind, Kind::Transient);
        assert_eq!(script.calls(), 4);
    }

    #[tokio::test]
    async fn an_outage_uses_the_budget_up_and_is_then_met_with_single_calls() {
        let (script, store) = retrying([Act::Fail(Kind::Throttled); 1000]);
        for _ in 0..500 {
            store.get(&key()).await.unwrap_err();
        }
        assert_eq!(script.calls() as u64, 500 + SAVED);
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_random_within() {
        let patience =
            Patience { attempts: 9, first: Duration::from_millis(100), longest: Duration::from_secs(1) };
        let longest = [1, 2, 3, 4, 5, 99].map(|attempt| wait(patience, attempt, u32::MAX).as_millis());
        assert_eq!(longest, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(wait(patience, 5, 0), Duration::ZERO);
        assert_eq!(wait(patience, 5, u32::MAX / 2).as_millis(), 500);
    }
}
