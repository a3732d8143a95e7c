//! A read-only view of record batches (magic 2), and the fields that may be changed in place.
//!
//! Only the 61 bytes of each batch's header are looked at, never a record, compressed or not. The CRC covers
//! what follows byte 21, so base offset and leader epoch can change without it.
//! Source: `org.apache.kafka.common.record.DefaultRecordBatch`, KIP-98.

use std::ops::Range;

use crate::types::{LeaderEpoch, Offset};

/// The bytes of a batch's header, up to the first record.
pub const HEADER_LEN: usize = 61;

/// The bytes in front of what the length field counts: base offset and the length itself.
const LENGTH_BASE: usize = 12;

const LENGTH: usize = 8;
const LEADER_EPOCH: usize = 12;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const BASE_TIMESTAMP: usize = 27;
const MAX_TIMESTAMP: usize = 35;
const PRODUCER_ID: usize = 43;
const PRODUCER_EPOCH: usize = 51;
const BASE_SEQUENCE: usize = 53;
const RECORD_COUNT: usize = 57;

/// Why bytes are not record batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Message sets of magic 0 and 1 (before Kafka 0.11), or a magic that does not exist yet.
    #[error("batch at byte {at} has magic {magic}; only 2 is supported")]
    Magic {
        /// Where the batch starts, in bytes.
        at: usize,
        /// Its magic.
        magic: i8,
    },
    /// A length shorter than the header, or negative.
    #[error("batch at byte {at} has the impossible length {length}")]
    Length {
        /// Where the batch starts, in bytes.
        at: usize,
        /// Its length field.
        length: i32,
    },
    /// Offsets that run backwards or past the end of their type.
    #[error("batch at byte {at} has impossible offsets: base {base}, last offset delta {delta}")]
    Offsets {
        /// Where the batch starts, in bytes.
        at: usize,
        /// Its base offset.
        base: i64,
        /// Its last offset delta.
        delta: i32,
    },
    /// Not the front of a batch.
    #[error("{0} bytes are too few for a batch header")]
    Short(usize),
}

/// How a batch's records are compressed (bits 0 to 2 of the attributes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// snappy, in xerial framing.
    Snappy,
    /// lz4 frames.
    Lz4,
    /// zstd.
    Zstd,
    /// A codec that Kafka has not defined yet.
    Unknown(u8),
}

/// Whose clock a batch's timestamps come from (bit 3 of the attributes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    Create,
    /// The broker's, at append.
    LogAppend,
}

/// The batches in a RECORDS field, front to back. Ends at a batch that is cut off, which is legal at the end of
/// a fetched range; ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    records: &'a [u8],
    at: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Starts at the front of `records`.
    pub fn new(records: &'a [u8]) -> Self {
        Self { records, at: 0, failed: false }
    }

    /// How many bytes the batches seen so far take; at the end, where the whole batches stop.
    pub fn position(&self) -> usize {
        self.at
    }

    fn step(&mut self) -> Result<Option<BatchView<'a>>, BatchError> {
        let rest = &self.records[self.at..];
        let Some(length) = whole_length(rest, self.at)? else { return Ok(None) };
        let view = BatchView { at: self.at, bytes: &rest[..length] };
        let (base, delta) = (view.base_offset().0, view.last_offset_delta());
        let end = base.checked_add(i64::from(delta)).and_then(|last| last.checked_add(1));
        if delta < 0 || end.is_none() {
            return Err(BatchError::Offsets { at: self.at, base, delta });
        }
        self.at += length;
        Ok(Some(view))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        step.transpose()
    }
}

/// The size of the batch at the front of `rest`, or `None` if it is cut off.
fn whole_length(rest: &[u8], at: usize) -> Result<Option<usize>, BatchError> {
    if rest.len() <= MAGIC {
        return Ok(None);
    }
    let magic = rest[MAGIC] as i8;
    if magic != 2 {
        return Err(BatchError::Magic { at, magic });
    }
    let length = i32::from_be_bytes(field(rest, LENGTH));
    match usize::try_from(length) {
        Ok(n) if n >= HEADER_LEN - LENGTH_BASE => {
            Ok(Some(n + LENGTH_BASE).filter(|whole| *whole <= rest.len()))
        }
        _ => Err(BatchError::Length { at, length }),
    }
}

/// `bytes` has at least `at + N` bytes: callers have checked that.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// One whole batch, its header checked.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    at: usize,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the batch lies in the slice that was iterated over.
    pub fn span(&self) -> Range<usize> {
        self.at..self.at + self.bytes.len()
    }

    /// The batch's size in bytes, header included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The first offset.
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(field(self.bytes, 0)))
    }

    /// The last offset; compaction keeps it even when it removes the last record.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset().0 + i64::from(self.last_offset_delta()))
    }

    /// The offset after the last: the end of the batch's half-open range.
    pub fn end_offset(&self) -> Offset {
        Offset(self.last_offset().0 + 1)
    }

    /// Last offset minus base offset.
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, LAST_OFFSET_DELTA))
    }

    /// The epoch of the leader that appended the batch; -1 in a producer's request.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(i32::from_be_bytes(field(self.bytes, LEADER_EPOCH)))
    }

    /// The CRC-32C as stored.
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(field(self.bytes, CRC))
    }

    /// Whether the stored CRC is that of the bytes. Costs about 60 us per MiB.
    pub fn crc_ok(&self) -> bool {
        crc32c::crc32c(&self.bytes[ATTRIBUTES..]) == self.crc()
    }

    /// The attributes as stored.
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(field(self.bytes, ATTRIBUTES))
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Compression {
        match self.attributes() & 0b111 {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            other => Compression::Unknown(other as u8),
        }
    }

    /// Whose clock the timestamps come from.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.flag(3) { TimestampType::LogAppend } else { TimestampType::Create }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.flag(4)
    }

    /// Whether the batch is a marker (commit, abort) and not data.
    pub fn is_control(&self) -> bool {
        self.flag(5)
    }

    /// Whether the base timestamp is a delete horizon (KIP-534): the log was compacted.
    pub fn has_delete_horizon(&self) -> bool {
        self.flag(6)
    }

    fn flag(&self, bit: u8) -> bool {
        self.attributes() >> bit & 1 == 1
    }

    /// The first record's timestamp in ms since 1970; -1 if there is none. A delete horizon takes its place in
    /// some compacted batches (KIP-534).
    pub fn base_timestamp(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, BASE_TIMESTAMP))
    }

    /// The newest timestamp in ms since 1970; -1 if there is none.
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, MAX_TIMESTAMP))
    }

    /// The idempotent producer's id; -1 if there is none.
    pub fn producer_id(&self) -> i64 {
        i64::from_be_bytes(field(self.bytes, PRODUCER_ID))
    }

    /// The producer's epoch; -1 if there is none.
    pub fn producer_epoch(&self) -> i16 {
        i16::from_be_bytes(field(self.bytes, PRODUCER_EPOCH))
    }

    /// The first record's sequence number; -1 if there is none.
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, BASE_SEQUENCE))
    }

    /// How many records the header declares. Not checked against the records: never allocate by it.
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(field(self.bytes, RECORD_COUNT))
    }
}

/// Sets the base offset of the batch at the front of `batch`; its other offsets move along. Leaves the CRC valid.
///
/// # Errors
/// [`BatchError::Short`] or [`BatchError::Magic`]; nothing is changed then.
pub fn set_base_offset(batch: &mut [u8], offset: Offset) -> Result<(), BatchError> {
    writable(batch)?[..LENGTH].copy_from_slice(&offset.0.to_be_bytes());
    Ok(())
}

/// Sets the leader epoch of the batch at the front of `batch`. Leaves the CRC valid.
///
/// # Errors
/// [`BatchError::Short`] or [`BatchError::Magic`]; nothing is changed then.
pub fn set_leader_epoch(batch: &mut [u8], epoch: LeaderEpoch) -> Result<(), BatchError> {
    writable(batch)?[LEADER_EPOCH..MAGIC].copy_from_slice(&epoch.0.to_be_bytes());
    Ok(())
}

/// Who writes a batch, and how many records it wrote to the partition before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// The producer's id.
    pub producer: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The first record's sequence number.
    pub sequence: i32,
}

/// Makes the batch at the front of `batch` one that a producer may send: base offset 0, no leader epoch, no transaction, and `author` instead of whoever
/// wrote it. Its records stay as they are; the CRC is computed anew.
///
/// # Errors
/// [`BatchError::Short`] or [`BatchError::Magic`]; nothing is changed then.
pub fn set_author(batch: &mut [u8], author: Author) -> Result<(), BatchError> {
    const TRANSACTIONAL: u8 = 0x10;
    let batch = writable(batch)?;
    batch[..LENGTH].copy_from_slice(&0i64.to_be_bytes());
    batch[LEADER_EPOCH..MAGIC].copy_from_slice(&(-1i32).to_be_bytes());
    batch[ATTRIBUTES + 1] &= !TRANSACTIONAL;
    batch[PRODUCER_ID..PRODUCER_EPOCH].copy_from_slice(&author.producer.to_be_bytes());
    batch[PRODUCER_EPOCH..BASE_SEQUENCE].copy_from_slice(&author.epoch.to_be_bytes());
    batch[BASE_SEQUENCE..RECORD_COUNT].copy_from_slice(&author.sequence.to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
    batch[CRC..ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

fn writable(batch: &mut [u8]) -> Result<&mut [u8], BatchError> {
    if batch.len() < HEADER_LEN {
        return Err(BatchError::Short(batch.len()));
    }
    match batch[MAGIC] as i8 {
        2 => Ok(batch),
        magic => Err(BatchError::Magic { at: 0, magic }),
    }
}

#[cfg(test)]
mod tests;
