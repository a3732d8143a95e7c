//! Answers that are held in memory, and the room they may take together: `limits.in_flight_bytes`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use kafka::header::LENGTH_PREFIX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::rejects::Rejects;

/// The unit in which room is counted, bytes.
const UNIT: usize = 1024;

/// Answers up to this long take no room.
const SMALL: usize = 64 * 1024;

/// How long an answer waits for room.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// There was no room for an answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for an answer: `limits.in_flight_bytes` is reached")]
pub struct NoRoom;

/// The room for held answers of the whole gateway.
#[derive(Debug)]
pub struct Room {
    size: ArcSwap<Size>,
    rejects: Arc<Rejects>,
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
    /// Room for `bytes` in all, for answers of at most `frame_max` each. Waits are counted in `rejects`.
    pub fn new(bytes: u64, frame_max: usize, rejects: Arc<Rejects>) -> Self {
        Self { size: ArcSwap::from_pointee(Size::of(bytes, frame_max)), rejects }
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

    /// Whether more than half of it is in use: then nobody takes more than has to be.
    pub fn is_tight(&self) -> bool {
        let (used, total) = self.used();
        used > total / 2
    }

    /// What one request of a client's is going to take, for all answers that it needs together.
    pub fn claim(self: &Arc<Self>) -> Claim {
        Claim { room: self.clone(), taken: Arc::default() }
    }

    async fn take(&self, len: usize, patience: Duration) -> Result<OwnedSemaphorePermit, NoRoom> {
        let size = self.size.load_full();
        let units = u32::try_from(len.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, size.total);
        if let Ok(room) = size.units.clone().try_acquire_many_owned(units) {
            return Ok(room);
        }
        self.rejects.answer_waits();
        let waited = tokio::time::timeout(patience, size.units.clone().acquire_many_owned(units)).await;
        waited.map_err(|_| NoRoom)?.map_err(|_| NoRoom)
    }
}

/// What one request takes of the room. Only its first answer waits, and for [`ROOM_WAIT`] at most: if requests waited for
/// more while they held some, they could all wait for each other.
#[derive(Clone, Debug)]
pub struct Claim {
    room: Arc<Room>,
    taken: Arc<AtomicBool>,
}

impl Claim {
    /// Room for an answer of `len` bytes. Asked for only once it has begun to arrive: a long poll holds none. Small ones need
    /// none: a probe must never queue behind bulk.
    ///
    /// # Errors
    /// There is none.
    pub async fn take(&self, len: usize) -> Result<Option<OwnedSemaphorePermit>, NoRoom> {
        if len <= SMALL {
            return Ok(None);
        }
        let patience = if self.taken.swap(true, Relaxed) { Duration::ZERO } else { ROOM_WAIT };
        self.room.take(len, patience).await.map(Some)
    }

    /// The longest single answer, bytes (`limits.frame`).
    pub fn frame_max(&self) -> usize {
        self.room.frame_max()
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
    use crate::reason::Reason;

    fn room(units: usize) -> (Arc<Room>, Arc<Rejects>) {
        let rejects = Arc::<Rejects>::default();
        (Arc::new(Room::new((units * UNIT) as u64, 1 << 20, rejects.clone())), rejects)
    }

    #[tokio::test]
    async fn room_is_bounded_and_an_answer_larger_than_all_of_it_gets_all_of_it() {
        let (room, rejects) = room(100);
        let all = room.claim().take(1 << 20).await;
        assert_eq!(room.used(), (100 * UNIT as u64, 100 * UNIT as u64));
        assert!(room.claim().take(SMALL).await.is_ok_and(|r| r.is_none()), "a small one doesn't wait");
        drop(all);
        assert!(!room.is_tight());
        let most = room.claim().take(99 * UNIT).await;
        assert_eq!((room.used().0, rejects.seen()), (99 * UNIT as u64, vec![]));
        assert!(room.is_tight());
        let claim = room.claim();
        let next = claim.take(99 * UNIT);
        tokio::pin!(next);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx)));
        assert!(polled.await.is_pending(), "there is no room");
        assert_eq!(rejects.seen(), [(Reason::InFlightBytes, 1)], "and that is counted");
        drop(most);
        assert!(next.await.is_ok_and(|r| r.is_some()), "until there is");
    }

    #[tokio::test]
    async fn nobody_waits_for_room_for_ever_and_nobody_waits_who_holds_some() {
        let (room, _) = room(200);
        let (one, other) = (room.claim(), room.claim());
        let held = (one.take(100 * UNIT).await, other.take(100 * UNIT).await);
        let began = std::time::Instant::now();
        assert_eq!(one.take(100 * UNIT).await.err(), Some(NoRoom));
        assert_eq!(other.take(100 * UNIT).await.err(), Some(NoRoom));
        assert!(began.elapsed() < ROOM_WAIT, "they would wait for each other");
        let some_time = Duration::from_millis(20);
        assert_eq!(room.take(100 * UNIT, some_time).await.err(), Some(NoRoom));
        drop(held);
        assert!(one.take(100 * UNIT).await.is_ok());
    }

    #[tokio::test]
    async fn room_that_shrinks_counts_for_what_comes_and_what_is_held_keeps_its_own() {
        let (room, _) = room(100);
        let held = room.claim().take(80 * UNIT).await;
        room.resize(70 * UNIT as u64, 2 << 20);
        assert_eq!((room.used(), room.frame_max()), ((0, 70 * UNIT as u64), 2 << 20));
        let other = room.claim().take(69 * UNIT).await;
        drop(held);
        assert_eq!(room.used().0, 69 * UNIT as u64, "what is given back is not the new room's");
        drop(other);
        assert_eq!(room.used().0, 0);
    }
}
