//! The view against another encoder, against cut and damaged ranges, and against arbitrary bytes.

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

#[test]
fn a_batch_with_a_new_author_has_its_records_and_a_sound_crc() {
    let mut bytes = encoded(40, 3, b"payload", false);
    bytes[ATTRIBUTES + 1] |= 0x10;
    let records = bytes[HEADER_LEN..].to_vec();
    set_author(&mut bytes, Author { producer: 9, epoch: 2, sequence: 7 }).unwrap();
    let batch = Batches::new(&bytes).next().unwrap().unwrap();
    assert!(batch.crc_ok() && !batch.is_transactional());
    assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (9, 2, 7));
    assert_eq!(
        (batch.base_offset(), batch.leader_epoch(), batch.record_count()),
        (Offset(0), LeaderEpoch(-1), 3)
    );
    assert_eq!(&bytes[HEADER_LEN..], records);
    assert!(set_author(&mut bytes[..60], Author { producer: 0, epoch: 0, sequence: 0 }).is_err());
}
