//! The room of one class: requests at once, bytes at once, requests a second.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use governor::clock::{Clock, QuantaClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::Room;
use super::aimd::{Aimd, Place, Seen};
use crate::{Error, Key, Kind, Meta, Mode, SharedStore, Store, Upload};

/// The unit in which bytes are counted.
const UNIT: u64 = 1024;

/// What a class has.
#[derive(Debug)]
struct Gate {
    requests: Arc<Aimd>,
    bytes: Arc<Semaphore>,
    /// All of the bytes, in units.
    all: u32,
    rate: Option<DefaultDirectRateLimiter>,
    clock: QuantaClock,
}

impl Gate {
    fn new(room: Room) -> Self {
        let all = u32::try_from(room.bytes / UNIT).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self {
            requests: Arc::new(Aimd::new(room.requests)),
            bytes: Arc::new(Semaphore::new(all as usize)),
            all,
            rate: room.per_second.map(|n| RateLimiter::direct(Quota::per_second(n))),
            clock: QuantaClock::default(),
        }
    }

    /// Waits for room for a request that moves `bytes`. Bytes first: a large one must not hold a place while it waits.
    async fn enter(&self, bytes: u64) -> (Option<OwnedSemaphorePermit>, Place) {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.all);
        // The semaphore is never closed.
        let bytes = self.bytes.clone().acquire_many_owned(units).await.ok();
        let place = self.requests.enter().await;
        self.pace().await;
        (bytes, place)
    }

    async fn pace(&self) {
        let Some(rate) = &self.rate else { return };
        while let Err(not_yet) = rate.check() {
            sleep(not_yet.wait_time_from(self.clock.now())).await;
        }
    }

    /// Does a call within the room.
    async fn within<T>(&self, bytes: u64, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _room = self.enter(bytes).await;
        let done = call.await;
        let seen = match &done {
            Ok(_) => Seen::Success,
            Err(e) if e.kind == Kind::Throttled => Seen::Throttled,
            Err(_) => Seen::Other,
        };
        self.requests.learn(seen, Instant::now());
        done
    }
}

/// A store within the room of a class.
#[derive(Clone, Debug)]
pub struct Limit {
    inner: SharedStore,
    gate: Arc<Gate>,
}

impl Limit {
    /// Gives `inner` this room. Clones share it.
    pub fn new(inner: SharedStore, room: Room) -> Self {
        Self { inner, gate: Arc::new(Gate::new(room)) }
    }
}

#[async_trait]
impl Store for Limit {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        self.gate.within(body.len() as u64, self.inner.put(key, body, mode)).await
    }

    async fn upload(&self, key: &Key) -> Result<Box<dyn Upload>, Error> {
        let inner = self.gate.within(0, self.inner.upload(key)).await?;
        Ok(Box::new(Parts { inner, gate: self.gate.clone() }))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        self.gate.within(0, self.inner.get(key)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let bytes = range.end.saturating_sub(range.start);
        self.gate.within(bytes, self.inner.get_range(key, range)).await
    }

    async fn head(&self, key: &Key) -> Result<Meta, Error> {
        self.gate.within(0, self.inner.head(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        self.gate.within(0, self.inner.list(prefix, after, limit)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        self.gate.within(0, self.inner.delete(keys)).await
    }

    async fn abort_uploads(&self, prefix: &str, age: Duration) -> Result<usize, Error> {
        self.gate.within(0, self.inner.abort_uploads(prefix, age)).await
    }
}

#[derive(Debug)]
struct Parts {
    inner: Box<dyn Upload>,
    gate: Arc<Gate>,
}

#[async_trait]
impl Upload for Parts {
    async fn part(&mut self, body: Bytes) -> Result<(), Error> {
        self.gate.within(body.len() as u64, self.inner.part(body)).await
    }

    async fn complete(self: Box<Self>) -> Result<(), Error> {
        self.gate.within(0, self.inner.complete()).await
    }

    async fn abort(self: Box<Self>) -> Result<(), Error> {
        self.gate.within(0, self.inner.abort()).await
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::wrap::script::{Act, Script, key, poll};

    fn limited(acts: impl IntoIterator<Item = Act>, room: Room) -> (Script, Limit) {
        let script = Script::new(acts);
        let limit = Limit::new(Arc::new(script.clone()), room);
        (script, limit)
    }

    #[tokio::test]
    async fn no_more_requests_at_once_than_there_is_room_for() {
        let room = Room { requests: 2, bytes: 1 << 20, per_second: None };
        let (script, store) = limited([Act::Hang, Act::Hang, Act::Answer], room);
        let key = key();
        let (mut a, mut b, mut c) = (store.get(&key), store.get(&key), store.get(&key));
        assert!(poll(&mut a).is_pending() && poll(&mut b).is_pending() && poll(&mut c).is_pending());
        assert_eq!(script.calls(), 2);
        drop(a);
        assert!(poll(&mut c).is_ready());
        assert_eq!(script.calls(), 3);
    }

    #[tokio::test]
    async fn no_more_bytes_at_once_and_one_larger_than_all_gets_all() {
        let room = Room { requests: 9, bytes: 10 * UNIT, per_second: None };
        let (script, store) = limited([Act::Hang, Act::Answer, Act::Answer], room);
        let key = key();
        let (mut a, mut b) = (store.get_range(&key, 0..9 * UNIT), store.get_range(&key, 0..2 * UNIT));
        assert!(poll(&mut a).is_pending() && poll(&mut b).is_pending());
        assert_eq!(script.calls(), 1);
        drop(a);
        assert!(poll(&mut b).is_ready());
        assert!(poll(&mut store.get_range(&key, 0..100 * UNIT)).is_ready());
    }

    #[tokio::test]
    async fn refusals_leave_room_for_fewer() {
        let room = Room { requests: 3, bytes: 1 << 20, per_second: None };
        let (script, store) = limited([Act::Fail(Kind::Throttled), Act::Hang, Act::Hang, Act::Hang], room);
        let key = key();
        store.get(&key).await.unwrap_err();
        let mut all = [store.get(&key), store.get(&key), store.get(&key)];
        assert!(all.iter_mut().all(|call| poll(call).is_pending()));
        assert_eq!(script.calls(), 1 + 2);
    }

    #[tokio::test]
    async fn no_more_requests_a_second() {
        let room = Room { requests: 9, bytes: 1 << 20, per_second: NonZeroU32::new(2) };
        let (script, store) = limited([Act::Answer; 3], room);
        let key = key();
        assert!(poll(&mut store.get(&key)).is_ready() && poll(&mut store.get(&key)).is_ready());
        let mut third = store.get(&key);
        assert!(poll(&mut third).is_pending());
        assert_eq!(script.calls(), 2);
        third.await.unwrap();
    }
}
