//! Batches for tests.

use bytes::BufMut;

/// Sets the CRC of a batch to that of its bytes.
pub(crate) fn with_crc(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn header(
    base: i64,
    last_delta: i32,
    attributes: i16,
    timestamps: (i64, i64),
    producer: i64,
    body: &[u8],
    count: i32,
) -> Vec<u8> {
    let mut b = Vec::new();
    b.put_i64(base);
    b.put_i32((49 + body.len()) as i32);
    b.put_i32(0);
    b.put_i8(2);
    b.put_u32(0);
    b.put_i16(attributes);
    b.put_i32(last_delta);
    b.put_i64(timestamps.0);
    b.put_i64(timestamps.1);
    b.put_i64(producer);
    b.put_i16(0);
    b.put_i32(0);
    b.put_i32(count);
    b.extend_from_slice(body);
    with_crc(b)
}

/// A zigzag varint of a small non-negative number.
fn small(n: usize) -> u8 {
    u8::try_from(n * 2).unwrap()
}

/// A batch of `count` records of one byte each, all at one timestamp.
pub(crate) fn batch(base: i64, count: i32, timestamp: i64) -> Vec<u8> {
    let mut body = Vec::new();
    for n in 0..count {
        // length, attributes, timestamp delta, offset delta, key null, value, headers
        body.extend_from_slice(&[small(7), 0, 0, small(n as usize), 1, small(1), b'v', 0]);
    }
    header(base, count - 1, 0, (timestamp, timestamp), -1, &body, count)
}

/// A batch of a transaction.
pub(crate) fn in_transaction(base: i64, count: i32, producer: i64) -> Vec<u8> {
    let mut b = batch(base, count, 1);
    b[43..51].copy_from_slice(&producer.to_be_bytes());
    b[21..23].copy_from_slice(&0x10i16.to_be_bytes());
    with_crc(b)
}

fn marker(producer: i64, offset: i64, kind: u8) -> Vec<u8> {
    let body = [small(15), 0, 0, 0, small(4), 0, 0, 0, kind, small(6), 0, 0, 0, 0, 0, 0, 0];
    header(offset, 0, 0x30, (1, 1), producer, &body, 1)
}

/// An abort marker.
pub(crate) fn abort_marker(producer: i64, offset: i64) -> Vec<u8> {
    marker(producer, offset, 0)
}

/// A commit marker.
pub(crate) fn commit_marker(producer: i64, offset: i64) -> Vec<u8> {
    marker(producer, offset, 1)
}
