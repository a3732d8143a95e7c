//! The log, read whole from a broker.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use kafka::batch::{BatchView, Batches, HEADER_LEN};
use kafka::types::TopicId;

use super::ask::{Asker, Part, Question};

/// How much one read of the truth asks for, bytes.
const READ_BYTES: i32 = 8 << 20;

/// One batch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first offset.
    pub base: i64,
    /// The offset after the last.
    pub end: i64,
    /// Where its bytes begin in [`Log::bytes`].
    pub at: usize,
    /// How many there are.
    pub size: usize,
    /// The epoch of the leader that wrote it.
    pub epoch: i32,
    /// Whose; -1 for nobody's.
    pub producer: i64,
    /// A marker, not data.
    pub control: bool,
    /// Data of a transaction that was aborted.
    pub aborted: bool,
}

/// A partition's log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Its bytes from the first batch on.
    pub bytes: Vec<u8>,
    /// Its batches.
    pub batches: Vec<Batch>,
    /// The high watermark, which is the log's end here: nobody writes.
    pub high_watermark: i64,
    /// The last stable offset.
    pub last_stable: i64,
    /// The leader's epoch.
    pub epoch: i32,
}

impl Log {
    /// Reads a partition whole from its leader.
    pub fn read(leader: &mut Asker, topic: TopicId, partition: i32, epoch: i32) -> Result<Self> {
        Self::read_from(leader, topic, partition, 0, epoch)
    }

    /// The same of a log that begins at `offset`.
    pub fn read_from(
        leader: &mut Asker,
        topic: TopicId,
        partition: i32,
        mut offset: i64,
        epoch: i32,
    ) -> Result<Self> {
        let (mut bytes, mut ends) = (Vec::new(), (0, 0));
        loop {
            let part = Part { partition, offset, epoch: -1, max_bytes: READ_BYTES };
            let question = Question {
                version: 13,
                isolation: 0,
                max_bytes: READ_BYTES,
                parts: vec![part],
                topic: String::new(),
                id: topic,
            };
            let fetched = leader.fetch(&question)?.remove(0);
            ensure!(fetched.error == 0, "the broker answers {} at {offset}", fetched.error);
            ends = (fetched.high_watermark, fetched.last_stable).max(ends);
            let mut batches = Batches::new(&fetched.records);
            for batch in &mut batches {
                offset = batch?.end_offset().0;
            }
            let whole = batches.position();
            if whole == 0 {
                break;
            }
            bytes.extend_from_slice(&fetched.records[..whole]);
        }
        ensure!(offset == ends.0, "the log was read up to {offset}, its end is {}", ends.0);
        let batches = survey(&bytes)?;
        Ok(Self { bytes, batches, high_watermark: ends.0, last_stable: ends.1, epoch })
    }

    /// The place of the batch that holds `offset`, or of the first after it.
    pub fn place(&self, offset: i64) -> usize {
        self.batches.partition_point(|b| b.end <= offset)
    }

    /// Every epoch in the log and where it begins.
    pub fn epochs(&self) -> Vec<(i32, i64)> {
        let mut out: Vec<(i32, i64)> = Vec::new();
        for b in &self.batches {
            if out.last().is_none_or(|(epoch, _)| *epoch < b.epoch) {
                out.push((b.epoch, b.base));
            }
        }
        out
    }

    /// How many bytes the largest batch has.
    pub fn largest(&self) -> usize {
        self.batches.iter().map(|b| b.size).max().unwrap_or(0)
    }
}

/// The batches of a log. Backwards, so that each batch of a transaction has met the marker that ends it.
fn survey(bytes: &[u8]) -> Result<Vec<Batch>> {
    let views: Vec<BatchView<'_>> = Batches::new(bytes).collect::<std::result::Result<_, _>>()?;
    let (mut out, mut aborts) = (Vec::new(), HashMap::new());
    for view in views.iter().rev() {
        ensure!(view.crc_ok(), "the broker's own batch at {} is damaged", view.base_offset().0);
        let producer = view.producer_id();
        if view.is_control() {
            aborts.insert(producer, is_abort(view).context("a marker without a key")?);
        }
        let data = view.is_transactional() && !view.is_control();
        out.push(Batch {
            base: view.base_offset().0,
            end: view.end_offset().0,
            at: view.span().start,
            size: view.size(),
            epoch: view.leader_epoch().0,
            producer,
            control: view.is_control(),
            aborted: data && aborts.get(&producer).copied().unwrap_or(false),
        });
    }
    out.reverse();
    Ok(out)
}

/// Whether a marker aborts. Its one record: length, attributes, timestamp and offset deltas, the key's length, then version and type,
/// where type 0 aborts (`ControlRecordType`).
pub(super) fn is_abort(marker: &BatchView<'_>) -> Option<bool> {
    let record = marker.bytes().get(HEADER_LEN..)?;
    let rest = behind_varint(record)?.get(1..)?;
    let key = behind_varint(behind_varint(behind_varint(rest)?)?)?;
    Some(key.get(2..4)? == [0, 0])
}

fn behind_varint(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().position(|b| b & 0x80 == 0)?;
    bytes.get(last + 1..)
}
