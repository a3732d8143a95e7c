//! Answers that are held in memory, and the room they may take together: `limits.in_flight_bytes`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kafka::header::LENGTH_PREFIX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which room is counted, bytes.
const UNIT: usize = 1024;

/// Answers up to this long take no room.
const SMALL: usize = 64 * 1024;

/// The room for held answers of the whole gateway.
#[derive(Debug)]
pub struct Room {
    units: Arc<Semaphore>,
    total: u32,
    waits: AtomicU64,
    /// The longest single answer, bytes (`limits.frame`).
    pub frame_max: usize,
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
        let total = u32::try_from(bytes / UNIT as u64).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self { units: Arc::new(Semaphore::new(total as usize)), total, waits: AtomicU64::new(0), frame_max }
    }

    /// Waits for room for `len` bytes. Asked for only once an answer has begun to arrive: a long poll holds none. Small
    /// answers need none: a probe must never queue behind bulk.
    pub async fn take(&self, len: usize) -> Option<OwnedSemaphorePermit> {
        if len <= SMALL {
            return None;
        }
        let units = u32::try_from(len.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.total);
        match self.units.clone().try_acquire_many_owned(units) {
            Ok(room) => Some(room),
            Err(_) => {
                self.waits.fetch_add(1, Relaxed);
                self.units.clone().acquire_many_owned(units).await.ok()
            }
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
        assert_eq!(room.units.available_permits(), 0);
        assert!(room.take(SMALL).await.is_none(), "a small one doesn't wait");
        drop(all);
        let most = room.take(99 * UNIT).await;
        assert_eq!((room.units.available_permits(), room.waits()), (1, 0));
        let next = room.take(99 * UNIT);
        tokio::pin!(next);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx)));
        assert!(polled.await.is_pending(), "there is no room");
        assert_eq!(room.waits(), 1, "and that is counted");
        drop(most);
        assert!(next.await.is_some(), "until there is");
    }
}
