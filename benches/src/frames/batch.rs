//! Record batches (magic 2): filler for the fake broker, and one record that a real broker takes.

use kafka::wire::put_uvarint;

/// Bytes of a batch before its first record.
pub(super) const BATCH_HEAD: usize = 61;

/// A batch of `size` bytes with a true header and one record's worth of filler. Nobody checks its CRC: the fake
/// broker doesn't look, and a gateway must not.
pub(super) fn filler(size: usize) -> Vec<u8> {
    batch(vec![b'x'; size.saturating_sub(BATCH_HEAD)])
}

/// A batch with one record without key or headers, right to the CRC.
pub(super) fn one_record(value: usize) -> Vec<u8> {
    batch(record(value))
}

/// A batch with one small record that stands for the offsets from `base` up to `base + span`, written at `time` (ms since 1970).
pub fn spanning(base: i64, span: i32, time: i64) -> Vec<u8> {
    let mut out = batch(record(1));
    out[..8].copy_from_slice(&base.to_be_bytes());
    out[23..27].copy_from_slice(&(span - 1).to_be_bytes());
    out[27..35].copy_from_slice(&time.to_be_bytes());
    out[35..43].copy_from_slice(&time.to_be_bytes());
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out
}

fn record(value: usize) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1]; // attributes, timestamp delta, offset delta, null key (zigzag -1)
    put_uvarint(&mut body, (value as u32) << 1);
    body.extend(std::iter::repeat_n(b'v', value));
    body.push(0); // headers
    let mut record = Vec::new();
    put_uvarint(&mut record, (body.len() as u32) << 1);
    record.extend_from_slice(&body);
    record
}

fn batch(records: Vec<u8>) -> Vec<u8> {
    let mut tail = Vec::with_capacity(records.len() + 40);
    tail.extend_from_slice(&[0; 2 + 4]); // attributes, last offset delta
    tail.extend_from_slice(&[0; 8 + 8]); // base and max timestamp
    tail.extend_from_slice(&(-1i64).to_be_bytes()); // producer id
    tail.extend_from_slice(&(-1i16).to_be_bytes()); // producer epoch
    tail.extend_from_slice(&(-1i32).to_be_bytes()); // base sequence
    tail.extend_from_slice(&1i32.to_be_bytes());
    tail.extend_from_slice(&records);
    let mut out = vec![0; 8]; // base offset
    out.extend_from_slice(&((tail.len() + 9) as i32).to_be_bytes());
    out.extend_from_slice(&0i32.to_be_bytes()); // leader epoch
    out.push(2);
    out.extend_from_slice(&crc32c::crc32c(&tail).to_be_bytes());
    out.extend_from_slice(&tail);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_for_a_real_broker_carries_its_true_length_and_crc() {
        let b = one_record(1024);
        assert_eq!(i32::from_be_bytes([b[8], b[9], b[10], b[11]]) as usize, b.len() - 12);
        assert_eq!(crc32c::crc32c(&b[21..]).to_be_bytes(), b[17..21]);
    }
}
