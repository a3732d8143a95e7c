//! A read-only view of record batches (magic 2), and the two fields that may be changed in place.
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
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::records::{
        Compression as Codec, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType as Clock,
    };
    use proptest::prelude::*;

    use super::*;

    /// A batch made by kafka-protocol's encoder, which knows nothing of ours.
    fn encoded(base: i64, count: usize, payload: &[u8], transactional: bool) -> Vec<u8> {
        let records: Vec<Record> = (0..count as i64)
            .map(|i| Record {
                transactional,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: 7,
                producer_id: 4_711,
                producer_epoch: 3,
                timestamp_type: Clock::Creation,
                timestamp: 1_000 + i,
                sequence: 100 + i as i32,
                offset: base + i,
                key: None,
                value: Some(Bytes::copy_from_slice(payload)),
                headers: Default::default(),
            })
            .collect();
        let mut out = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Codec::None };
        RecordBatchEncoder::encode(&mut out, &records, &options).unwrap();
        out.to_vec()
    }

    #[test]
    fn a_batch_by_another_encoder_reads_back() {
        let bytes = encoded(1 << 40, 3, b"payload", true);
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        assert_eq!((batch.base_offset().0, batch.last_offset().0), (1 << 40, (1 << 40) + 2));
        assert_eq!((batch.end_offset().0, batch.record_count()), ((1 << 40) + 3, 3));
        assert_eq!((batch.size(), batch.span(), batch.bytes()), (bytes.len(), 0..bytes.len(), &bytes[..]));
        assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (4_711, 3, 100));
        assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (1_000, 1_002));
        assert_eq!((batch.leader_epoch(), batch.compression()), (LeaderEpoch(7), Compression::None));
        assert_eq!(batch.timestamp_type(), TimestampType::Create);
        assert!(batch.is_transactional() && !batch.is_control() && batch.crc_ok());
    }

    #[test]
    fn each_attribute_bit_has_its_own_meaning() {
        let with = |attributes: i16| {
            let mut bytes = encoded(0, 1, b"", false);
            bytes[ATTRIBUTES..LAST_OFFSET_DELTA].copy_from_slice(&attributes.to_be_bytes());
            let b = Batches::new(&bytes).next().unwrap().unwrap();
            (b.compression(), b.timestamp_type(), b.is_transactional(), b.is_control())
        };
        use Compression as C;
        use TimestampType as T;
        assert_eq!(with(0), (C::None, T::Create, false, false));
        assert_eq!(with(1), (C::Gzip, T::Create, false, false));
        assert_eq!(with(2 | 8), (C::Snappy, T::LogAppend, false, false));
        assert_eq!(with(3 | 16), (C::Lz4, T::Create, true, false));
        assert_eq!(with(4 | 32), (C::Zstd, T::Create, false, true));
        assert_eq!(with(7), (C::Unknown(7), T::Create, false, false));
    }

    #[test]
    fn base_offset_and_leader_epoch_change_without_the_crc() {
        let mut bytes = [encoded(10, 2, b"a", false), encoded(12, 5, b"b", false)].concat();
        let spans: Vec<_> = Batches::new(&bytes).map(|b| b.unwrap().span()).collect();
        for (i, span) in spans.into_iter().enumerate() {
            set_base_offset(&mut bytes[span.clone()], Offset(1_000 * (i as i64 + 1))).unwrap();
            set_leader_epoch(&mut bytes[span], LeaderEpoch(40)).unwrap();
        }
        let seen: Vec<_> = Batches::new(&bytes)
            .map(|b| b.unwrap())
            .map(|b| (b.base_offset().0, b.end_offset().0, b.leader_epoch().0, b.crc_ok()))
            .collect();
        assert_eq!(seen, [(1_000, 1_002, 40, true), (2_000, 2_005, 40, true)]);
    }

    #[test]
    fn a_changed_record_is_seen_by_the_crc() {
        let mut bytes = encoded(0, 1, b"payload", false);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(!Batches::new(&bytes).next().unwrap().unwrap().crc_ok());
    }

    #[test]
    fn old_message_sets_and_impossible_headers_are_typed_errors() {
        let broken = |at: usize, with: &[u8]| {
            let mut bytes = [encoded(0, 1, b"a", false), encoded(1, 1, b"b", false)].concat();
            let second = bytes.len() / 2;
            bytes[second + at..second + at + with.len()].copy_from_slice(with);
            let mut batches = Batches::new(&bytes);
            assert!(batches.next().unwrap().is_ok());
            let error = batches.next().unwrap().unwrap_err();
            assert!(batches.next().is_none(), "nothing follows an error");
            assert_eq!(batches.position(), second);
            (error, second)
        };
        let (error, at) = broken(MAGIC, &[1]);
        assert_eq!(error, BatchError::Magic { at, magic: 1 });
        let (error, at) = broken(LENGTH, &48i32.to_be_bytes());
        assert_eq!(error, BatchError::Length { at, length: 48 });
        let (error, at) = broken(LENGTH, &(-1i32).to_be_bytes());
        assert_eq!(error, BatchError::Length { at, length: -1 });
        let (error, at) = broken(LAST_OFFSET_DELTA, &(-1i32).to_be_bytes());
        assert_eq!(error, BatchError::Offsets { at, base: 1, delta: -1 });
        let (error, at) = broken(0, &i64::MAX.to_be_bytes());
        assert_eq!(error, BatchError::Offsets { at, base: i64::MAX, delta: 0 });
    }

    #[test]
    fn a_batch_of_another_kind_is_not_written_to() {
        let mut short = [2; HEADER_LEN - 1];
        assert_eq!(set_base_offset(&mut short, Offset(1)), Err(BatchError::Short(HEADER_LEN - 1)));
        let mut old = [1; HEADER_LEN];
        assert_eq!(set_leader_epoch(&mut old, LeaderEpoch(9)), Err(BatchError::Magic { at: 0, magic: 1 }));
        assert_eq!((short, old), ([2; HEADER_LEN - 1], [1; HEADER_LEN]));
    }

    proptest! {
        #[test]
        fn a_range_cut_anywhere_gives_exactly_its_whole_batches(
            counts in prop::collection::vec(1usize..5, 1..6),
            payload in prop::collection::vec(any::<u8>(), 0..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let batches: Vec<_> = counts.iter().map(|n| encoded(0, *n, &payload, false)).collect();
            let mut ends = vec![0];
            ends.extend(batches.iter().scan(0, |end, b| { *end += b.len(); Some(*end) }));
            let bytes = batches.concat();
            let cut = cut.index(bytes.len() + 1);
            let mut seen = Batches::new(&bytes[..cut]);
            let count = seen.by_ref().map(|b| b.unwrap()).filter(|b| b.crc_ok()).count();
            let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
            prop_assert_eq!((count, seen.position()), (whole, ends[whole]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..400),
            magic in any::<bool>(),
            length in prop::option::of(-2i32..400),
        ) {
            // Steer some of the cases past the first checks.
            if magic && bytes.len() > MAGIC {
                bytes[MAGIC] = 2;
                let length = length.map(i32::to_be_bytes).unwrap_or(field(&bytes, LENGTH));
                bytes[LENGTH..LENGTH + 4].copy_from_slice(&length);
            }
            let mut batches = Batches::new(&bytes);
            for batch in batches.by_ref().flatten() {
                prop_assert!(batch.base_offset() <= batch.last_offset());
                prop_assert!(batch.last_offset() < batch.end_offset());
                let _ = (batch.crc_ok(), batch.compression(), batch.record_count(), batch.producer_id());
            }
            prop_assert!(batches.position() <= bytes.len());
            let _ = set_base_offset(&mut bytes, Offset(1));
            let _ = set_leader_epoch(&mut bytes, LeaderEpoch(1));
        }
    }
}
