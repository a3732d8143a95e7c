//! Relay buffers, borrowed for as long as bytes are in hand and never while a connection is idle.
//!
//! Each thread keeps a short stack of buffers, last in first out, so the one taken next is the one still warm in the
//! cache. How many large buffers are out at once is bounded for the whole process: past that bound a connection
//! gets a small one. So 5,000 stalled readers cost [`LARGE_MAX`] large buffers and 5,000 small ones, not 1.3 GB.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A large buffer's size: one read of this size was cheapest for big Fetch answers (docs/benchmarks.md).
pub const LARGE: usize = 256 * 1024;
/// A small buffer's size.
pub const SMALL: usize = 16 * 1024;
/// How many large buffers may be out at once: 64 MiB.
pub const LARGE_MAX: usize = 256;
/// How many idle buffers a thread keeps of each size.
const KEPT: usize = 4;

static LARGE_OUT: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
struct Shelf {
    large: Vec<Vec<u8>>,
    small: Vec<Vec<u8>>,
}

thread_local! {
    static SHELF: RefCell<Shelf> = RefCell::default();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Large,
    Small,
    Own,
}

/// A borrowed buffer; returns to the shelf of the thread that drops it.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    kind: Kind,
}

impl Buffer {
    /// Takes a large buffer, or a small one when too many large ones are out.
    pub fn take() -> Self {
        let large = LARGE_OUT.fetch_add(1, Relaxed) < LARGE_MAX;
        if !large {
            LARGE_OUT.fetch_sub(1, Relaxed);
        }
        let (kind, len) = if large { (Kind::Large, LARGE) } else { (Kind::Small, SMALL) };
        let shelved = SHELF.with_borrow_mut(|s| s.of(kind).pop());
        Self { bytes: shelved.unwrap_or_else(|| vec![0; len]), kind }
    }

    /// A buffer of exactly `len` bytes outside the pool, for a frame that must be held whole.
    pub fn of(len: usize) -> Self {
        Self { bytes: vec![0; len], kind: Kind::Own }
    }
}

impl From<Vec<u8>> for Buffer {
    /// A buffer outside the pool around bytes that are already there.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, kind: Kind::Own }
    }
}

impl Shelf {
    fn of(&mut self, kind: Kind) -> &mut Vec<Vec<u8>> {
        if kind == Kind::Large { &mut self.large } else { &mut self.small }
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.kind == Kind::Large {
            LARGE_OUT.fetch_sub(1, Relaxed);
        }
        if self.kind == Kind::Own {
            return;
        }
        let (bytes, kind) = (std::mem::take(&mut self.bytes), self.kind);
        // At thread exit the shelf may be gone; then the bytes simply go with it.
        let _ = SHELF.try_with(|s| {
            let mut shelf = s.borrow_mut();
            let shelf = shelf.of(kind);
            if shelf.len() < KEPT {
                shelf.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_bound_buffers_are_small_and_the_bound_recovers() {
        let out: Vec<_> = (0..LARGE_MAX + 3).map(|_| Buffer::take()).collect();
        // Tests beside this one hold large ones too.
        assert!(out.iter().filter(|b| b.len() == SMALL).count() >= 3);
        drop(out);
        assert_eq!(Buffer::take().len(), LARGE);
    }
}
