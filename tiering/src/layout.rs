//! Where things lie in the bucket.
//!
//! ```text
//! {cluster}/topics/{topic id}                                   the topic's marker: name, life
//! {cluster}/paused/{topic id}                                   its offloading is paused
//! {h3}/{cluster}/{topic id}/{partition}/man/{version}           the partition's manifest, numbered
//! {h3}/{cluster}/{topic id}/{partition}/spill/{base}-{nonce}    older entries of it
//! {h3}/{cluster}/{topic id}/{partition}/seg/{base}-{nonce}/{base}.log, .aux
//! ```
//! `h3`, three hex digits of the topic's id, spreads topics over S3's own partitions; so a topic is one prefix (for IAM policies). A segment's
//! directory is unique, its file is named as Kafka names it: `kafka-dump-log` takes the base offset from there.

use kafka::types::{Offset, TopicId};
use store::Key;

use crate::PartitionId;
use crate::manifest::Entry;

/// A cluster's part of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    cluster: Box<str>,
}

/// The cluster's id is no part of a key: it holds a `/` or the like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cluster id {0:?} cannot be part of an object's key")]
pub struct BadCluster(String);

impl Layout {
    /// The part of the cluster with this id. Ids of Kafka are 22 characters of URL-safe base64.
    ///
    /// # Errors
    /// [`BadCluster`].
    pub fn new(cluster: &str) -> Result<Self, BadCluster> {
        let sound = !cluster.contains('/') && cluster.len() <= 64 && Key::new(cluster).is_some();
        if sound { Ok(Self { cluster: cluster.into() }) } else { Err(BadCluster(cluster.to_owned())) }
    }

    /// The cluster's id.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The prefix of all topics' markers.
    pub fn topics(&self) -> String {
        format!("{}/topics/", self.cluster)
    }

    /// A topic's marker.
    pub fn topic(&self, p: PartitionId) -> Key {
        key(format!("{}/topics/{:?}", self.cluster, p.topic))
    }

    /// The prefix of the marks of topics whose offloading is paused.
    pub fn paused_topics(&self) -> String {
        format!("{}/paused/", self.cluster)
    }

    /// The mark of a topic whose offloading is paused.
    pub fn paused(&self, topic: TopicId) -> Key {
        key(format!("{}/paused/{topic:?}", self.cluster))
    }

    /// The prefix of all that a topic has.
    pub fn topic_prefix(&self, p: PartitionId) -> String {
        let id = format!("{:?}", p.topic);
        format!("{}/{}/{id}/", &id[..3], self.cluster)
    }

    /// The prefix of all that a partition has, without the last `/`.
    pub fn partition(&self, p: PartitionId) -> Key {
        key(format!("{}{}", self.topic_prefix(p), p.partition))
    }

    /// The prefix of a partition's manifests, without the last `/`.
    pub fn manifests(&self, p: PartitionId) -> Key {
        key(format!("{}/man", self.partition(p)))
    }

    /// The prefix of a partition's segments.
    pub fn segments(&self, p: PartitionId) -> String {
        format!("{}/seg/", self.partition(p))
    }

    /// A run of older entries.
    pub fn spill(&self, p: PartitionId, base: Offset, nonce: u64) -> Key {
        key(format!("{}/spill/{:020}-{nonce:016x}", self.partition(p), base.0))
    }

    /// A segment's records.
    pub fn log(&self, p: PartitionId, e: &Entry) -> Key {
        self.file(p, e, "log")
    }

    /// What lies beside them.
    pub fn aux(&self, p: PartitionId, e: &Entry) -> Key {
        self.file(p, e, "aux")
    }

    fn file(&self, p: PartitionId, e: &Entry, suffix: &str) -> Key {
        let (dir, base, nonce) = (self.segments(p), e.base.0, e.nonce);
        key(format!("{dir}{base:020}-{nonce:016x}/{base:020}.{suffix}"))
    }
}

/// Made of digits, hex, `/` and a checked cluster id: always a key.
fn key(text: String) -> Key {
    #[expect(clippy::expect_used, reason = "every part is checked or generated here")]
    Key::new(&text).expect("a key made of checked parts")
}

/// How a topic's life in the tier stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Written and read.
    #[default]
    Live,
    /// The cluster deleted it, and so does somebody here: a run that was cut short goes on with the next.
    Purging,
}

/// What a topic's marker says: JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Marker {
    /// The topic's name.
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub life: Life,
}

/// A marker's object.
pub fn marker_body(marker: &Marker) -> bytes::Bytes {
    #[expect(clippy::expect_used, reason = "a string always is JSON")]
    serde_json::to_vec(marker).expect("plain data").into()
}

/// The topic whose marker has this key; `None` if it is no marker's.
pub fn marker_id(key: &Key) -> Option<TopicId> {
    crate::manifest::parse_id(key.as_str().rsplit('/').next()?)
}

/// Reads a marker's object; `None` if it is none.
pub fn read_marker(body: &[u8]) -> Option<Marker> {
    serde_json::from_slice(body).ok()
}
