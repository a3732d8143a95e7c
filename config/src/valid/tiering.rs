//! `tiering`: which topics move to the store, and when.

use std::path::PathBuf;
use std::time::Duration;

use crate::ByteSize;

/// Which topics move to the store, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiering {
    /// Rules by topic name; the first that matches wins.
    pub topics: Vec<TopicRule>,
    /// When a segment is cut.
    pub segment: Segment,
    /// What is kept near for reads.
    pub cache: Cache,
}

/// What happens to the topics whose names match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRule {
    /// Topic name; `*` stands for any run of characters, `?` for one.
    pub pattern: String,
    /// What stays on the brokers.
    pub hot: Keep,
    /// The whole history, tier included; both `None`: for ever.
    pub retain: Keep,
    /// Whether brokers drop what the tier holds. `false`: copy only, brokers keep their own retention.
    pub trim: bool,
}

/// How much is kept; whichever bound is reached first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Age of the newest record kept no longer.
    pub time: Option<Duration>,
    /// Bytes per partition.
    pub bytes: Option<ByteSize>,
}

/// When a segment is cut; whichever bound is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Size.
    pub bytes: ByteSize,
    /// Age of its first record.
    pub age: Duration,
}

/// What is kept near for reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Bytes in memory.
    pub memory: ByteSize,
    /// And on disk.
    pub disk: Option<DiskCache>,
}

/// A cache directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskCache {
    /// The directory; made if missing.
    pub path: PathBuf,
    /// Bytes it may hold.
    pub bytes: ByteSize,
}
