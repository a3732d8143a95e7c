//! The fenced register: a value that changes by numbered, immutable versions, of which each has one winner.
//!
//! ```text
//! {prefix}/{seq:020}      a version, by create-if-absent; never replaced
//! {prefix}/gc/{seq:020}   the boundary: versions below the highest of these may have been deleted
//! ```
//!
//! Nothing but create-if-absent is asked of the store, so every maker's will do. The rules:
//!
//! * A commit writes the number after the newest. Whoever creates it has won it ([`Writer`]).
//! * A writer takes over by a version with the next [`WriterEpoch`]. Its predecessor's next commit collides, meets
//!   the higher epoch, and stops.
//! * A lost answer is resolved by reading the number back and comparing the [`PutId`].
//! * Deleting old versions frees their numbers, and a writer that slept through the deletion could create such a number
//!   again and believe that it has won. So the boundary is made durable before anything is deleted, and is looked at after
//!   every create (SlateDB RFC 0026 describes the problem).
//! * A number taken by bytes that are no version is skipped by everybody, and never used again.
//!
//! `tests/model.rs` beside this file runs this very code under every interleaving of two writers, the collector, and
//! lost or late writes.

mod collect;
mod ids;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;

pub use collect::Keep;
pub use ids::{PutId, Seq, WriterEpoch};
pub use record::{BODY_MAX, WRITER_MAX};
pub use writer::{Lost, Writer};

use crate::{Error, Key, Kind, SharedStore};

/// One state of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub seq: Seq,
    /// The epoch of the writer that wrote it.
    pub epoch: WriterEpoch,
    /// The commit that wrote it.
    pub put_id: PutId,
    /// The name of the writer, for people.
    pub writer: String,
    /// The value.
    pub body: Bytes,
}

/// A register in a store. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Register {
    store: SharedStore,
    prefix: Key,
    /// When the newest version was last looked for by a listing.
    listed: Arc<Mutex<Option<Instant>>>,
    /// Leaves the boundary unlooked at, for the test that shows why it is looked at.
    #[cfg(test)]
    blind: bool,
}

impl Register {
    /// The register under `prefix`, which holds nothing else.
    pub fn new(store: SharedStore, prefix: Key) -> Self {
        Self {
            store,
            prefix,
            listed: Arc::default(),
            #[cfg(test)]
            blind: false,
        }
    }

    fn key(&self, rest: &str) -> Result<Key, Error> {
        let too_long =
            || Error::new(Kind::Unusable, format!("register {}", self.prefix), "the key is too long");
        self.prefix.join(rest).ok_or_else(too_long)
    }

    fn version_key(&self, seq: Seq) -> Result<Key, Error> {
        self.key(&seq.to_string())
    }

    fn boundary_key(&self, seq: Seq) -> Result<Key, Error> {
        self.key(&format!("gc/{seq}"))
    }
}
