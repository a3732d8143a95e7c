//! A partition's closed history in object storage: cut, upload, commit, trim, read, look up, clean, restore.
//!
//! The bucket holds Kafka's own segment files, byte for byte, and beside them one small file each that says where
//! things are. A partition's [`Manifest`](manifest::Manifest) lists them; it is the only thing that is ever replaced, and only through
//! the fenced register. Decisions are pure ([`segment::cut`], [`offload::plan`], [`read::pick`]); I/O sits beside them.
//! Rules and traps, each with its source: docs/tiering.md.
#![forbid(unsafe_code)]

pub mod bucket;
pub mod clean;
pub mod duty;
pub mod headroom;
pub mod layout;
pub mod lineage;
pub mod manifest;
pub mod offload;
pub mod open;
pub mod read;
pub mod restore;
pub mod segment;
pub mod source;
#[cfg(test)]
mod testing;
pub mod tier;
mod turns;
pub mod verify;

use std::fmt;

use kafka::types::{Partition, TopicId};

/// A partition, by its topic's id: a topic that is deleted and made anew has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// Its topic.
    pub topic: TopicId,
    /// Its index.
    pub partition: Partition,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.topic, self.partition)
    }
}
