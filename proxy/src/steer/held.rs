//! Answers that are held in memory, and the room they may take together: `limits.in_flight_bytes`.

use std::sync::Arc;

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
    /// The longest single answer, bytes (`limits.frame`).
    pub frame_max: usize,
}

/// An answer's payload and the room it takes until dropped.
#[derive(Debug)]
pub struct Held {
    payload: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for `bytes` in all, for answers of at most `frame_max` each.
    pub fn new(bytes: u64, frame_max: usize) -> Self {
        let total = u32::try_from(bytes / UNIT as u64).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self { units: Arc::new(Semaphore::new(total as usize)), total, frame_max }
    }

    /// Waits for room for `len` bytes. Asked for only once an answer has begun to arrive: a long poll holds none. Small
    /// answers need none: a probe must never queue behind bulk.
    pub async fn take(&self, len: usize) -> Option<OwnedSemaphorePermit> {
        if len <= SMALL {
            return None;
        }
        let units = u32::try_from(len.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.total);
        self.units.clone().acquire_many_owned(units).await.ok()
    }
}

impl Held {
    /// A payload in its room.
    pub fn new(payload: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { payload, _room: room }
    }
}

impl std::ops::Deref for Held {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.payload
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
        let _most = room.take(99 * UNIT).await;
        assert_eq!(room.units.available_permits(), 1);
    }
}
