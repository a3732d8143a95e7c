//! Answers that are held in memory, and the room they may take together: `limits.in_flight_bytes`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use kafka::header::LENGTH_PREFIX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

/// Lines a second that say that there is no room; every wait is counted.
const LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("ten");

/// The unit in which room is counted, bytes.
const UNIT: usize = 1024;

/// Answers up to this long take no room.
const SMALL: usize = 64 * 1024;

/// The room for held answers of the whole gateway.
#[derive(Debug)]
pub struct Room {
    size: ArcSwap<Size>,
    waits: AtomicU64,
    lines: DefaultDirectRateLimiter,
}

/// How much room there is.
#[derive(Debug)]
struct Size {
    units: Arc<Semaphore>,
    total: u32,
    frame_max: usize,
}

impl Size {
    fn of(bytes: u64, frame_max: usize) -> Self {
        let total = u32::try_from(bytes / UNIT as u64).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self { units: Arc::new(Semaphore::new(total as usize)), total, frame_max }
    }
}

/// An answer's payload and the room it takes until dropped.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    /// What stands before the payload.
    skip: usize,
    _room: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for `bytes` in all, for answers of at most `frame_max` each.
    pub fn new(bytes: u64, frame_max: usize) -> Self {
        let lines = RateLimiter::direct(Quota::per_second(LINES_PER_SECOND));
        Self { size: ArcSwap::from_pointee(Size::of(bytes, frame_max)), waits: AtomicU64::new(0), lines }
    }

    /// As much room as this from now on. What is held is given back to the room it was taken from, so that for a moment
    /// both may be in use.
    pub fn resize(&self, bytes: u64, frame_max: usize) {
        self.size.store(Arc::new(Size::of(bytes, frame_max)));
    }

    /// The longest single answer, bytes (`limits.frame`).
    pub fn frame_max(&self) -> usize {
        self.size.load().frame_max
    }

    /// Bytes in use, and bytes in all.
    pub fn used(&self) -> (u64, u64) {
        let size = self.size.load();
        let free = size.units.available_permits() as u64;
        let total = u64::from(size.total);
        (total.saturating_sub(free) * UNIT as u64, total * UNIT as u64)
    }

    /// Waits for room for `len` bytes. Asked for only once an answer has begun to arrive: a long poll holds none. Small
    /// answers need none: a probe must never queue behind bulk.
    pub async fn take(&self, len: usize) -> Option<OwnedSemaphorePermit> {
        if len <= SMALL {
            return None;
        }
        let size = self.size.load_full();
        let units = u32::try_from(len.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, size.total);
        match size.units.clone().try_acquire_many_owned(units) {
            Ok(room) => Some(room),
            Err(_) => {
                self.count_wait();
                size.units.clone().acquire_many_owned(units).await.ok()
            }
        }
    }

    fn count_wait(&self) {
        self.waits.fetch_add(1, Relaxed);
        if self.lines.check().is_ok() {
            warn!("answers held for clients wait for room: `limits.in_flight_bytes` is reached");
        }
    }

    /// How often an answer had to wait for room.
    pub fn waits(&self) -> u64 {
        self.waits.load(Relaxed)
    }
}

impl Held {
    /// A payload in its room.
    pub fn new(payload: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { bytes: payload, skip: 0, _room: room }
    }

    /// The payload of a frame, length prefix included, in its room.
    pub fn frame(frame: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { bytes: frame, skip: LENGTH_PREFIX, _room: room }
    }
}

impl std::ops::Deref for Held {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.skip..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_bounded_and_an_answer_larger_than_all_of_it_gets_all_of_it() {
        let room = Room::new(100 * UNIT as u64, 1 << 20);
        let all = room.take(1 << 20).await;
        assert_eq!(room.used(), (100 * UNIT as u64, 100 * UNIT as u64));
        assert!(room.take(SMALL).await.is_none(), "a small one doesn't wait");
        drop(all);
        let most = room.take(99 * UNIT).await;
        assert_eq!((room.used().0, room.waits()), (99 * UNIT as u64, 0));
        let next = room.take(99 * UNIT);
        tokio::pin!(next);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx)));
        assert!(polled.await.is_pending(), "there is no room");
        assert_eq!(room.waits(), 1, "and that is counted");
        drop(most);
        assert!(next.await.is_some(), "until there is");
    }

    #[tokio::test]
    async fn room_that_shrinks_counts_for_what_comes_and_what_is_held_keeps_its_own() {
        let room = Room::new(100 * UNIT as u64, 1 << 20);
        let held = room.take(80 * UNIT).await;
        room.resize(70 * UNIT as u64, 2 << 20);
        assert_eq!((room.used(), room.frame_max()), ((0, 70 * UNIT as u64), 2 << 20));
        let other = room.take(69 * UNIT).await;
        drop(held);
        assert_eq!(room.used().0, 69 * UNIT as u64, "what is given back is not the new room's");
        drop(other);
        assert_eq!(room.used().0, 0);
    }
}
