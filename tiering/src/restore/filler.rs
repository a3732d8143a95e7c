//! Empty records by the hundred thousand, to bring a new log up to where the old one began: about three bytes each, dropped at the end.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use kafka::batch::HEADER_LEN;

/// Records in one batch: brokers unpack a batch to look at each record.
pub(super) const FILLER_MAX: i32 = 100_000;

/// What stands before the length field's own count.
const LENGTH_BASE: usize = 12;
const GZIP: i16 = 1;
/// "No timestamp": a search by time never finds it.
const NO_TIMESTAMP: i64 = -1;

/// A batch of `count` records without key, value or time. Its author has to be set.
///
/// # Errors
/// None in memory; the encoder's signature has one.
pub(super) fn batch(count: i32) -> std::io::Result<Vec<u8>> {
    let mut records = GzEncoder::new(Vec::new(), Compression::best());
    for delta in 0..count {
        records.write_all(&record(delta))?;
    }
    let records = records.finish()?;
    let mut out = Vec::with_capacity(HEADER_LEN + records.len());
    out.extend_from_slice(&0i64.to_be_bytes());
    out.extend_from_slice(&((HEADER_LEN - LENGTH_BASE + records.len()) as u32).to_be_bytes());
    out.extend_from_slice(&(-1i32).to_be_bytes()); // leader epoch
    out.push(2); // magic
    out.extend_from_slice(&[0; 4]); // CRC: set with the author
    out.extend_from_slice(&GZIP.to_be_bytes());
    out.extend_from_slice(&(count - 1).to_be_bytes());
    out.extend_from_slice(&NO_TIMESTAMP.to_be_bytes());
    out.extend_from_slice(&NO_TIMESTAMP.to_be_bytes());
    out.extend_from_slice(&[0xff; 14]); // producer, epoch, sequence: none
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&records);
    Ok(out)
}

/// Length, attributes, time delta, offset delta, no key, no value, no headers (`DefaultRecord`).
fn record(delta: i32) -> Vec<u8> {
    let mut body = vec![0, 0];
    put_varint(&mut body, delta);
    body.extend_from_slice(&[1, 1, 0]);
    let mut out = Vec::with_capacity(body.len() + 1);
    put_varint(&mut out, body.len() as i32);
    out.extend_from_slice(&body);
    out
}

/// Zigzag, of a number that is not negative.
fn put_varint(out: &mut Vec<u8>, value: i32) {
    kafka::wire::put_uvarint(out, (value as u32) << 1);
}

#[cfg(test)]
mod tests {
    use kafka::batch::{Author, Batches, set_author};

    use super::*;
    use crate::segment::records::stamps;

    #[test]
    fn a_filler_is_a_sound_batch_of_as_many_records_and_small() {
        for count in [1, 2, 64, FILLER_MAX] {
            let mut bytes = batch(count).unwrap();
            set_author(&mut bytes, Author { producer: 1, epoch: 0, sequence: 5 }).unwrap();
            let one = Batches::new(&bytes).next().unwrap().unwrap();
            assert!(one.crc_ok() && one.size() == bytes.len());
            assert_eq!((one.record_count(), one.last_offset_delta()), (count, count - 1));
            let all = stamps(&one).unwrap();
            assert_eq!(all.len(), count as usize);
            assert!((0..).zip(&all).all(|(n, s)| (s.offset.0, s.timestamp) == (n, NO_TIMESTAMP)));
        }
        assert!(batch(FILLER_MAX).unwrap().len() < 5 * FILLER_MAX as usize);
    }
}
