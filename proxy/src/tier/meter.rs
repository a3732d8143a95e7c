//! Counts what is asked of the store: requests by operation and outcome, bytes by operation.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dashmap::DashMap;
use store::wrap::{Meter, Op};

/// The counts.
#[derive(Debug, Default)]
pub struct StoreCounts {
    requests: DashMap<(Op, &'static str), AtomicU64>,
    bytes: DashMap<Op, AtomicU64>,
}

impl Meter for StoreCounts {
    fn request(&self, op: Op, outcome: &'static str, bytes: u64, _took: Duration) {
        self.requests.entry((op, outcome)).or_default().fetch_add(1, Relaxed);
        self.bytes.entry(op).or_default().fetch_add(bytes, Relaxed);
    }
}

impl StoreCounts {
    /// Requests by operation and outcome.
    pub fn requests(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.requests.iter().map(|e| (e.key().0.label(), e.key().1, e.value().load(Relaxed))).collect()
    }

    /// Bytes of bodies by operation.
    pub fn bytes(&self) -> Vec<(&'static str, u64)> {
        self.bytes.iter().map(|e| (e.key().label(), e.value().load(Relaxed))).collect()
    }
}
