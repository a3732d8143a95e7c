//! How the tier stands, for `/status` and `/metrics`: by topic, because partitions are too many for labels.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use crate::app::Gateway;

/// The tier.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TierStatus {
    /// Whether it is open: before that, offsets that brokers lack are not yet looked for in it.
    pub open: bool,
    /// Topics that are in it.
    pub topics: Vec<TopicStatus>,
    /// Topics that rules name and that can't be tiered.
    pub refused: Vec<Refused>,
    /// Blocks found in memory.
    pub memory_hits: u64,
    /// Blocks that were not.
    pub memory_misses: u64,
    /// Of those, blocks found on disk.
    pub disk_hits: u64,
    /// Of those, blocks that had to be fetched although there is a disk.
    pub disk_misses: u64,
    /// Blocks that could not be kept on disk, or came back damaged.
    pub disk_errors: u64,
    /// Blocks fetched before somebody asked.
    pub read_ahead: u64,
}

/// A topic in the tier.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TopicStatus {
    /// Its name.
    pub topic: String,
    /// Its partitions that this gateway knows of in the tier.
    pub partitions: u64,
    /// Those that this gateway offloads.
    pub owned: u64,
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the partitions that this gateway offloads: offsets that could be in the tier and are not.
    pub lag_offsets: u64,
    /// The same in bytes, estimated.
    pub lag_bytes: u64,
    /// The age of the oldest of them, seconds.
    pub lag_seconds: u64,
    /// How long it would take brokers' own retention to overtake the upload, seconds; none where they keep all, and until the lag was looked at once.
    pub headroom_seconds: Option<i64>,
    /// Ranges that brokers dropped before they were uploaded.
    pub gaps: u64,
    /// Reads that failed because what the store gave is not what was put there.
    pub damaged: u64,
    /// Times that a leader's log took another turn.
    pub divergences: u64,
    /// What goes wrong at present, one partition's.
    pub trouble: Option<String>,
}

/// A topic that can't be tiered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub topic: String,
    /// Why.
    pub reason: String,
}

/// The tier now; `None` if the file has none.
pub fn of(gateway: &Gateway) -> Option<TierStatus> {
    if !gateway.tier.is_configured() {
        return None;
    }
    let Some(ready) = gateway.tier.get() else { return Some(TierStatus::default()) };
    let mut topics = BTreeMap::<String, TopicStatus>::new();
    for m in ready.tier.manifests() {
        let t = topics.entry(m.topic.clone()).or_default();
        t.partitions += 1;
        t.segments += m.segments() as u64;
        t.bytes += m.bytes();
    }
    for entry in &ready.duty.standing {
        let (named, s) = entry.value();
        let t = topics.entry(named.topic.to_string()).or_default();
        t.owned += 1;
        if let Some(lag) = s.lag() {
            t.lag_offsets += u64::try_from(lag.offsets).unwrap_or(0);
            t.lag_bytes += lag.bytes;
            t.lag_seconds = t.lag_seconds.max(lag.seconds);
            t.headroom_seconds = t.headroom_seconds.into_iter().chain(s.headroom()).min();
        }
        t.gaps += s.gaps;
        t.divergences += s.divergences;
        t.trouble = t.trouble.take().or_else(|| s.trouble.clone());
    }
    let stats = ready.tier.reader.stats();
    let refused = ready.refused.iter().map(|e| Refused { topic: e.key().clone(), reason: e.value().clone() });
    Some(TierStatus {
        open: true,
        refused: refused.collect(),
        topics: topics
            .into_iter()
            .map(|(topic, t)| TopicStatus { damaged: ready.tier.reader.damaged(&topic), topic, ..t })
            .collect(),
        memory_hits: stats.hits.load(Relaxed),
        memory_misses: stats.misses.load(Relaxed),
        disk_hits: stats.disk_hits.load(Relaxed),
        disk_misses: stats.disk_misses.load(Relaxed),
        disk_errors: stats.disk_errors.load(Relaxed),
        read_ahead: stats.ahead.load(Relaxed),
    })
}
