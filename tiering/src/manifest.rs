//! A partition's manifest: which offsets the tier holds, in which objects, and what was promised about them.
//!
//! It is JSON, so that anybody can read the bucket without us. Its newest entries stand in it; older ones are sealed in spills, so
//! that a commit costs the same however long the history is.

use kafka::types::{LeaderEpoch, Offset, Partition, TopicId};
use serde::{Deserialize, Serialize};

use crate::PartitionId;
use crate::lineage::Lineage;

/// The format that is written.
const FORMAT: u32 = 1;
/// So many entries stand in the manifest before the older half is sealed in a spill.
pub const ENTRIES_MAX: usize = 1024;
/// So many a spill holds.
pub const SPILL: usize = ENTRIES_MAX / 2;

/// A segment in the tier: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its first offset.
    pub base: Offset,
    /// Offsets it covers, counted from `base`. Fewer than it was written with where the leader's log took another turn: the rest is
    /// not ours.
    pub len: u32,
    /// Bytes of its `.log`.
    pub size: u32,
    /// The newest timestamp in it, ms since 1970; -1 without any.
    pub max_timestamp: i64,
    /// Random: makes its directory unique, and its blocks in every cache.
    pub nonce: u64,
}

impl Entry {
    /// The end of the half-open range that it serves.
    pub fn end(&self) -> Offset {
        Offset(self.base.0 + i64::from(self.len))
    }
}

/// A sealed run of older entries, in an object of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spill {
    /// Its first entry's base.
    pub base: Offset,
    /// Its last entry's end.
    pub end: Offset,
    /// The newest timestamp in it.
    pub max_timestamp: i64,
    /// Bytes of its entries' `.log`s.
    pub bytes: u64,
    /// Entries in it.
    pub count: u32,
    /// Makes its name unique.
    pub nonce: u64,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
    /// The first offset that clients may read, if the tier reaches down to it. Raised by retention and by users' DeleteRecords.
    pub start: Offset,
    /// Below this the brokers were told to drop their copy, or are about to be: written before they are told. 0: never.
    pub trimmed: Offset,
    /// Which epoch began where.
    pub lineage: Lineage,
    /// Older entries.
    pub spills: Vec<Spill>,
    /// The newest entries, in order.
    pub entries: Vec<Entry>,
    /// Ranges that no one has: brokers dropped them before they were uploaded.
    pub gaps: Vec<(Offset, Offset)>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of this shape.
    #[error("not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// From a newer Tidegate.
    #[error("manifest format {0} is newer than this version's {FORMAT}: upgrade")]
    Format(u32),
    /// It contradicts itself.
    #[error("manifest contradicts itself: {0}")]
    Unsound(&'static str),
}

impl Manifest {
    /// An empty one: the tier begins at `start`.
    pub fn new(topic: &str, partition: PartitionId, start: Offset) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            start,
            trimmed: Offset(0),
            lineage: Lineage::default(),
            spills: Vec::new(),
            entries: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The end of what the tier holds; equals [`start`](Self::start) while it holds nothing.
    pub fn end(&self) -> Offset {
        let gap = self.gaps.last().map(|(_, end)| *end);
        self.segments_end().into_iter().chain(gap).max().unwrap_or(self.start).max(self.start)
    }

    /// Where a range ends that no one has and that this offset lies in.
    pub fn gap_end(&self, offset: Offset) -> Option<Offset> {
        self.gaps.iter().find(|(from, to)| (*from..*to).contains(&offset)).map(|(_, to)| *to)
    }

    /// The end of the last segment.
    fn segments_end(&self) -> Option<Offset> {
        self.entries.last().map(Entry::end).or(self.spills.last().map(|s| s.end))
    }

    /// Whether a segment of this range may follow: behind the last one, and holding something new. It may begin before where the log began when the gap
    /// before it was noted, or where a user's DeleteRecords cut: in the middle of a batch, which comes whole.
    pub fn may_follow(&self, base: Offset, end: Offset) -> bool {
        self.segments_end().is_none_or(|last| base >= last) && end > self.end() && base < end
    }

    /// Bytes of all `.log`s that it names.
    pub fn bytes(&self) -> u64 {
        let spilled: u64 = self.spills.iter().map(|s| s.bytes).sum();
        spilled + self.entries.iter().map(|e| u64::from(e.size)).sum::<u64>()
    }

    /// How many segments it names.
    pub fn segments(&self) -> usize {
        self.entries.len() + self.spills.iter().map(|s| s.count as usize).sum::<usize>()
    }

    /// Adds a segment that was uploaded, and the epochs that begin in it.
    ///
    /// # Errors
    /// It doesn't follow the last one.
    pub fn append(&mut self, entry: Entry, epochs: &Lineage) -> Result<(), ManifestError> {
        if !self.may_follow(entry.base, entry.end()) {
            return Err(ManifestError::Unsound("the new segment does not follow the last"));
        }
        self.entries.push(entry);
        self.lineage.extend(epochs);
        Ok(())
    }

    /// Notes that brokers dropped `[end, to)` before it was uploaded.
    pub fn note_gap(&mut self, to: Offset) {
        let from = self.end();
        if from < to && from > self.start {
            self.gaps.push((from, to));
        } else if from < to {
            // Nothing was held before: the tier simply begins later.
            self.start = to;
        }
    }

    /// Up to where the leader's log and this one are the same, if the leader says that its `epoch` ends at `end` (KIP-595): no further than that epoch
    /// goes here.
    pub fn common_end(&self, epoch: LeaderEpoch, end: Offset) -> Offset {
        self.lineage.end_of(epoch).map_or(end, |(_, own)| own.min(end))
    }

    /// The leader's log ends an epoch of ours at `end`: what we hold from there on is not the cluster's.
    ///
    /// # Errors
    /// It reaches into a spill, hundreds of segments back: no election does that, so a person has to look.
    pub fn truncate(&mut self, end: Offset) -> Result<(), ManifestError> {
        if self.spills.last().is_some_and(|s| s.end > end) {
            return Err(ManifestError::Unsound("a divergence reaches into sealed history"));
        }
        self.entries.retain(|e| e.base < end);
        if let Some(last) = self.entries.last_mut().filter(|e| e.end() > end) {
            last.len = (end.0 - last.base.0) as u32;
        }
        self.gaps.retain(|(_, to)| *to <= end);
        self.lineage.truncate(end);
        Ok(())
    }

    /// The visible log begins at `start`: entries wholly below are named no more.
    pub fn raise_start(&mut self, start: Offset) {
        self.start = self.start.max(start);
        self.spills.retain(|s| s.end > self.start);
        self.entries.retain(|e| e.end() > self.start);
        self.gaps.retain(|(_, to)| *to > self.start);
    }

    /// The entries to seal in a spill, if there are enough: the oldest [`SPILL`]. [`seal`](Self::seal) takes them out once the spill is
    /// durable.
    pub fn to_spill(&self) -> Option<&[Entry]> {
        (self.entries.len() >= ENTRIES_MAX).then(|| &self.entries[..SPILL])
    }

    /// Takes out the oldest [`SPILL`] entries, which lie in the spill of this nonce now.
    pub fn seal(&mut self, nonce: u64) {
        let sealed: Vec<_> = self.entries.drain(..SPILL.min(self.entries.len())).collect();
        self.spills.extend(Spill::of(&sealed, nonce));
    }

    /// The epoch at an offset of the tier.
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.lineage.epoch_at(offset)
    }

    /// As stored.
    pub fn encode(&self) -> Vec<u8> {
        let raw = Raw {
            format: FORMAT,
            topic: self.topic.clone(),
            topic_id: format!("{:?}", self.partition.topic),
            partition: self.partition.partition.0,
            start: self.start.0,
            trimmed: self.trimmed.0,
            lineage: self.lineage.pairs(),
            gaps: self.gaps.iter().map(|(a, b)| (a.0, b.0)).collect(),
            spills: self.spills.iter().map(RawSpill::from).collect(),
            entries: self.entries.iter().map(RawEntry::from).collect(),
        };
        #[expect(clippy::expect_used, reason = "strings and numbers always are JSON")]
        serde_json::to_vec(&raw).expect("plain data")
    }

    /// From what was stored.
    ///
    /// # Errors
    /// See [`ManifestError`]. Nothing in it is believed before it is checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let raw: Raw = serde_json::from_slice(bytes)?;
        if raw.format > FORMAT {
            return Err(ManifestError::Format(raw.format));
        }
        let topic = parse_id(&raw.topic_id).ok_or(ManifestError::Unsound("topic id"))?;
        let manifest = Self {
            topic: raw.topic,
            partition: PartitionId { topic, partition: Partition(raw.partition) },
            start: Offset(raw.start),
            trimmed: Offset(raw.trimmed),
            lineage: Lineage::from_pairs(raw.lineage).ok_or(ManifestError::Unsound("lineage"))?,
            spills: raw.spills.into_iter().map(Spill::from).collect(),
            entries: raw.entries.into_iter().map(Entry::from).collect(),
            gaps: raw.gaps.into_iter().map(|(a, b)| (Offset(a), Offset(b))).collect(),
        };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let spilled = self.spills.iter().map(|s| (s.base, s.end));
        let held = self.entries.iter().map(|e| (e.base, e.end()));
        let mut last = Offset(0);
        for (base, end) in spilled.chain(held) {
            if base < last || end <= base {
                return Err(ManifestError::Unsound("segments overlap or run backwards"));
            }
            last = end;
        }
        Ok(())
    }
}

impl Spill {
    /// The spill of these entries; `None` for none.
    pub fn of(entries: &[Entry], nonce: u64) -> Option<Self> {
        let (first, last) = (entries.first()?, entries.last()?);
        Some(Self {
            base: first.base,
            end: last.end(),
            max_timestamp: entries.iter().map(|e| e.max_timestamp).max().unwrap_or(-1),
            bytes: entries.iter().map(|e| u64::from(e.size)).sum(),
            count: entries.len() as u32,
            nonce,
        })
    }
}

/// A spill's object.
pub fn encode_spill(entries: &[Entry]) -> Vec<u8> {
    let rows: Vec<_> = entries.iter().map(RawEntry::from).collect();
    #[expect(clippy::expect_used, reason = "numbers always are JSON")]
    serde_json::to_vec(&rows).expect("plain data")
}

/// The entries of a spill's object, which must be what the manifest says.
///
/// # Errors
/// [`ManifestError`].
pub fn decode_spill(bytes: &[u8], spill: &Spill) -> Result<Vec<Entry>, ManifestError> {
    let rows: Vec<RawEntry> = serde_json::from_slice(bytes)?;
    let entries: Vec<_> = rows.into_iter().map(Entry::from).collect();
    match Spill::of(&entries, spill.nonce) == Some(*spill) {
        true => Ok(entries),
        false => Err(ManifestError::Unsound("a spill is not what the manifest says")),
    }
}

/// Reads a topic id from its 32 hex digits.
pub fn parse_id(text: &str) -> Option<TopicId> {
    let sound = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = sound.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(TopicId(id.to_be_bytes()))
}

#[derive(Serialize, Deserialize)]
struct Raw {
    format: u32,
    topic: String,
    topic_id: String,
    partition: i32,
    start: i64,
    trimmed: i64,
    lineage: Vec<(i32, i64)>,
    gaps: Vec<(i64, i64)>,
    spills: Vec<RawSpill>,
    entries: Vec<RawEntry>,
}

/// base, offsets, size, newest timestamp, nonce.
#[derive(Serialize, Deserialize)]
struct RawEntry(i64, u32, u32, i64, u64);

/// base, end, newest timestamp, bytes, count, nonce.
#[derive(Serialize, Deserialize)]
struct RawSpill(i64, i64, i64, u64, u32, u64);

impl From<&Entry> for RawEntry {
    fn from(e: &Entry) -> Self {
        Self(e.base.0, e.len, e.size, e.max_timestamp, e.nonce)
    }
}

impl From<RawEntry> for Entry {
    fn from(r: RawEntry) -> Self {
        Self { base: Offset(r.0), len: r.1, size: r.2, max_timestamp: r.3, nonce: r.4 }
    }
}

impl From<&Spill> for RawSpill {
    fn from(s: &Spill) -> Self {
        Self(s.base.0, s.end.0, s.max_timestamp, s.bytes, s.count, s.nonce)
    }
}

impl From<RawSpill> for Spill {
    fn from(r: RawSpill) -> Self {
        Self { base: Offset(r.0), end: Offset(r.1), max_timestamp: r.2, bytes: r.3, count: r.4, nonce: r.5 }
    }
}

#[cfg(test)]
mod tests;
