//! `tiering`, as typed.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::ByteSize;
use crate::leaf::Leaf;

/// Which topics move to the store, and when.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["topics"]))]
pub(crate) struct Tiering {
    /// Rules by topic name; the first that matches wins. Kafka's own topics (`__*`) never match.
    #[schemars(length(min = 1))]
    pub(crate) topics: Vec<TopicRule>,
    /// When a segment is cut.
    pub(crate) segment: Segment,
    /// Bytes a second that this gateway copies to the store at most, `1MiB` or more. Default: as fast as it goes.
    pub(crate) upload_rate: Option<Leaf<ByteSize>>,
    /// What is kept near for reads.
    pub(crate) cache: Cache,
}

/// What happens to the topics whose names match.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["match"]))]
pub(crate) struct TopicRule {
    /// Topic name; `*` stands for any run of characters, `?` for one.
    #[serde(rename = "match")]
    #[schemars(required)]
    pub(crate) pattern: Option<Leaf<String>>,
    /// What stays on the brokers; `time`, `bytes` or both. Needed with `trim: true`; without it brokers keep what they keep.
    pub(crate) hot: Keep,
    /// The whole history, tier included; not less than `hot`. Default: for ever.
    pub(crate) retain: Keep,
    /// `true`: brokers drop what the tier holds; `false`: copy only, brokers keep their own retention. Default: false.
    pub(crate) trim: Option<Leaf<bool>>,
}

/// How much is kept; whichever bound is reached first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keep {
    /// Age.
    pub(crate) time: Option<Leaf<Duration>>,
    /// Bytes per partition.
    pub(crate) bytes: Option<Leaf<ByteSize>>,
}

/// When a segment is cut; whichever bound is reached first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Segment {
    /// Size, 1MiB to 2GiB - 1 (Kafka's own bound for a segment). Default: 256MiB.
    pub(crate) bytes: Option<Leaf<ByteSize>>,
    /// Age of its first record, 1s to 30d. Default: 10m.
    pub(crate) age: Option<Leaf<Duration>>,
}

/// What is kept near for reads.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cache {
    /// Bytes in memory. Default: 512MiB.
    pub(crate) memory: Option<Leaf<ByteSize>>,
    /// And on disk. Default: none.
    pub(crate) disk: Option<DiskCache>,
}

/// A cache directory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["path", "bytes"]))]
pub(crate) struct DiskCache {
    /// The directory; made if missing.
    #[schemars(required)]
    pub(crate) path: Option<Leaf<PathBuf>>,
    /// Bytes it may hold.
    #[schemars(required)]
    pub(crate) bytes: Option<Leaf<ByteSize>>,
}
