//! What stands between callers and a backend. Per class of work, from the caller inwards:
//!
//! ```text
//! Retry ─> Limit ─> Hedge ─> Meter ─> backend
//!   │        │        └ one for all: a slow range GET is asked for twice
//!   │        └ a class each: requests at once (AIMD), bytes at once, requests a second
//!   └ a class each: jitter, and a budget that an outage uses up
//! ```
//!
//! So every attempt queues, counts and is counted; a second range GET takes no place in the queue, but is counted.

mod aimd;
mod hedge;
mod limit;
mod meter;
mod retry;
mod tokens;

#[cfg(test)]
mod script;

use std::num::NonZeroU32;
use std::sync::Arc;

pub use hedge::Hedge;
pub use limit::Limit;
pub use meter::{Meter, Metered, Op};
pub use retry::{Patience, Retry};

use crate::SharedStore;

/// What a request is for. Each class has its own room, so that none starves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads for clients.
    Cold,
    /// Copying to the store, and reading back what was copied.
    Upload,
    /// Small records: registers, listings, deletions.
    Control,
}

/// The room of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Requests at once, at most; fewer after the store asked for fewer.
    pub requests: u32,
    /// Bytes of bodies at once, at most. A single longer body gets all of it.
    pub bytes: u64,
    /// Requests a second, at most. `None`: as many as go.
    pub per_second: Option<NonZeroU32>,
}

impl Class {
    /// The room that a class has unless told otherwise. At 85 MB/s a request, 64 reads fill any network card.
    pub fn room(self) -> Room {
        let (requests, mib) = match self {
            Self::Cold => (64, 512),
            Self::Upload => (16, 256),
            Self::Control => (32, 64),
        };
        Room { requests, bytes: mib * 1024 * 1024, per_second: None }
    }
}

/// A backend, metered and hedged, from which classes get their handles.
#[derive(Clone, Debug)]
pub struct Wrapped {
    inner: SharedStore,
}

impl Wrapped {
    /// Wraps a backend. Every request that reaches it is told to `meter`.
    pub fn new(backend: SharedStore, meter: Arc<dyn Meter>) -> Self {
        Self { inner: Arc::new(Hedge::new(Arc::new(Metered::new(backend, meter)))) }
    }

    /// A handle with room of its own. Call it once per class: two handles of a class have twice its room.
    pub fn handle(&self, room: Room, patience: Patience) -> SharedStore {
        Arc::new(Retry::new(Arc::new(Limit::new(self.inner.clone(), room)), patience))
    }
}
