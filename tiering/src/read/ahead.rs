//! Reading ahead: whoever reads on where somebody stopped is given more and more before asking.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kafka::types::Offset;

use crate::PartitionId;
use crate::manifest::Entry;
use crate::read::Slice;
use crate::segment::BLOCK;

/// Blocks ahead at most: 32 MiB.
const DEPTH_MAX: u32 = 8;
/// Readers of a partition that are followed.
const READERS_MAX: usize = 16;
/// Partitions that are followed.
const PARTITIONS_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Where it will go on if it reads on.
    next: Offset,
    /// Blocks it was given ahead.
    depth: u32,
}

/// Where readers are.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<HashMap<PartitionId, Vec<Reading>>>);

impl Ahead {
    /// Notes a read at `from` that ended in block `block` of `entry`; says which blocks to fetch ahead.
    pub(super) fn next(
        &self,
        p: PartitionId,
        from: Offset,
        slice: &Slice,
        entry: Entry,
        block: u32,
        after: Option<Entry>,
    ) -> Vec<(Entry, u32)> {
        let depth = self.note(p, from, slice.end);
        let blocks = entry.size.div_ceil(BLOCK);
        let here = (block + 1..blocks).map(|index| (entry, index));
        let there = after.into_iter().flat_map(|e| (0..e.size.div_ceil(BLOCK)).map(move |index| (e, index)));
        here.chain(there).take(depth as usize).collect()
    }

    fn note(&self, p: PartitionId, from: Offset, next: Offset) -> u32 {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if partitions.len() >= PARTITIONS_MAX && !partitions.contains_key(&p) {
            partitions.clear();
        }
        let readers = partitions.entry(p).or_default();
        if let Some(reading) = readers.iter_mut().find(|r| r.next == from) {
            *reading = Reading { next, depth: (reading.depth * 2).clamp(1, DEPTH_MAX) };
            return reading.depth;
        }
        // Another has just made the same read: they go on together.
        if let Some(reading) = readers.iter().find(|r| r.next == next) {
            return reading.depth;
        }
        if readers.len() >= READERS_MAX {
            readers.remove(0);
        }
        readers.push(Reading { next, depth: 0 });
        0
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka::types::{Partition, TopicId};

    use super::*;

    fn entry(base: i64, blocks: u32) -> Entry {
        Entry { base: Offset(base), len: 100, size: blocks * BLOCK, max_timestamp: 0, nonce: base as u64 }
    }

    fn read(ahead: &Ahead, from: i64, to: i64, block: u32) -> Vec<(u64, u32)> {
        let p = PartitionId { topic: TopicId([1; 16]), partition: Partition(0) };
        let slice = Slice { records: Bytes::new(), end: Offset(to), aborted: vec![] };
        let next = ahead.next(p, Offset(from), &slice, entry(0, 4), block, Some(entry(100, 10)));
        next.into_iter().map(|(e, index)| (e.nonce, index)).collect()
    }

    #[test]
    fn whoever_reads_on_is_given_more_and_more_across_segments_and_a_jump_starts_anew() {
        let ahead = Ahead::default();
        assert_eq!(read(&ahead, 0, 10, 0), []);
        assert_eq!(read(&ahead, 10, 20, 0), [(0, 1)]);
        assert_eq!(read(&ahead, 20, 30, 1), [(0, 2), (0, 3)]);
        assert_eq!(read(&ahead, 30, 40, 2), [(0, 3), (100, 0), (100, 1), (100, 2)]);
        assert_eq!(read(&ahead, 70, 80, 2), []);
        assert_eq!(read(&ahead, 40, 50, 3).len(), 8, "the other reader goes on");
        assert_eq!(read(&ahead, 50, 60, 3).len(), 8, "and there is a bound");
    }

    #[test]
    fn many_who_read_the_same_are_followed_as_one() {
        let ahead = Ahead::default();
        for step in 0..20 {
            for _reader in 0..READERS_MAX * 2 {
                read(&ahead, step * 10, step * 10 + 10, 0);
            }
        }
        assert_eq!(read(&ahead, 200, 210, 0).len(), 8);
        assert_eq!(ahead.0.lock().unwrap().values().map(Vec::len).sum::<usize>(), 1);
    }
}
