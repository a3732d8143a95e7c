//! The timestamps of a batch's records: the only thing for which records are ever unpacked.

use std::io::{Cursor, Read};

use kafka::batch::{BatchView, Compression, HEADER_LEN, TimestampType};
use kafka::types::Offset;

/// A batch unpacks to at most so many bytes; brokers bound what producers send to a few MiB, but not what it unpacks to.
const UNPACKED_MAX: u64 = 256 << 20;

/// A record's place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, ms since 1970.
    pub timestamp: i64,
}

/// Why a batch could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// Its codec is newer than we are.
    #[error("compressed by the unknown codec {0}")]
    Codec(u8),
    /// Its codec's own complaint.
    #[error("{0}")]
    Unpack(#[from] std::io::Error),
    /// Its records don't follow their schema.
    #[error("malformed records")]
    Malformed,
}

/// The stamps of a batch's records, in their order.
///
/// # Errors
/// See [`RecordsError`].
pub fn stamps(batch: &BatchView<'_>) -> Result<Vec<Stamp>, RecordsError> {
    let base = batch.base_offset().0;
    // The broker's clock at the append is one time for all of them.
    let appended = (batch.timestamp_type() == TimestampType::LogAppend).then(|| batch.max_timestamp());
    let unpacked = unpack(batch)?;
    let mut rest = unpacked.as_slice();
    let mut out = Vec::new();
    while !rest.is_empty() && out.len() < batch.record_count().max(0) as usize {
        let length = usize::try_from(varint(&mut rest)?).map_err(|_| RecordsError::Malformed)?;
        let (mut record, after) = rest.split_at_checked(length).ok_or(RecordsError::Malformed)?;
        rest = after;
        record = record.get(1..).ok_or(RecordsError::Malformed)?;
        let (time, offset) = (varint(&mut record)?, varint(&mut record)?);
        out.push(Stamp {
            offset: Offset(base.checked_add(offset).ok_or(RecordsError::Malformed)?),
            timestamp: match appended {
                Some(at) => at,
                None => batch.base_timestamp().checked_add(time).ok_or(RecordsError::Malformed)?,
            },
        });
    }
    Ok(out)
}

fn unpack(batch: &BatchView<'_>) -> Result<Vec<u8>, RecordsError> {
    let packed = &batch.bytes()[HEADER_LEN..];
    match batch.compression() {
        Compression::None => Ok(packed.to_vec()),
        Compression::Gzip => read_all(flate2::read::MultiGzDecoder::new(packed)),
        Compression::Lz4 => read_all(lz4_flex::frame::FrameDecoder::new(packed)),
        Compression::Zstd => {
            let unreadable = |e| std::io::Error::other(format!("zstd: {e}"));
            read_all(ruzstd::decoding::StreamingDecoder::new(Cursor::new(packed)).map_err(unreadable)?)
        }
        Compression::Snappy => snappy(packed),
        Compression::Unknown(codec) => Err(RecordsError::Codec(codec)),
    }
}

fn read_all(reader: impl Read) -> Result<Vec<u8>, RecordsError> {
    let mut out = Vec::new();
    let n = reader.take(UNPACKED_MAX + 1).read_to_end(&mut out)?;
    if n as u64 > UNPACKED_MAX { Err(RecordsError::Malformed) } else { Ok(out) }
}

/// The framing of xerial's library, which Java uses: a head of 16 bytes, then blocks behind their lengths. Others write one bare block.
fn snappy(packed: &[u8]) -> Result<Vec<u8>, RecordsError> {
    const MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
    let Some(mut rest) = packed.strip_prefix(MAGIC).and_then(|rest| rest.get(8..)) else {
        return snappy_block(packed, 0);
    };
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(RecordsError::Malformed)?;
        let (block, after) =
            after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(RecordsError::Malformed)?;
        out.extend(snappy_block(block, out.len())?);
        rest = after;
    }
    Ok(out)
}

fn snappy_block(block: &[u8], before: usize) -> Result<Vec<u8>, RecordsError> {
    let length = snap::raw::decompress_len(block).map_err(std::io::Error::other)?;
    if (before + length) as u64 > UNPACKED_MAX {
        return Err(RecordsError::Malformed);
    }
    Ok(snap::raw::Decoder::new().decompress_vec(block).map_err(std::io::Error::other)?)
}

/// A zigzag varint of up to 10 bytes (`ByteUtils.readVarlong`).
fn varint(bytes: &mut &[u8]) -> Result<i64, RecordsError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(RecordsError::Malformed)?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(RecordsError::Malformed)
}

#[cfg(test)]
mod tests {
    use kafka::batch::Batches;

    use super::*;
    use crate::testing::batch;

    #[test]
    fn records_have_the_offsets_and_times_that_their_batch_counts_them_from() {
        let bytes = batch(100, 3, 5_000);
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        let all: Vec<_> = stamps(&batch).unwrap().iter().map(|s| (s.offset.0, s.timestamp)).collect();
        assert_eq!(all, vec![(100, 5_000), (101, 5_000), (102, 5_000)]);
    }

    #[test]
    fn varints_of_any_bytes_are_a_number_or_an_error() {
        assert_eq!(varint(&mut [0x01].as_slice()).unwrap(), -1);
        assert_eq!(varint(&mut [0x80, 0x01].as_slice()).unwrap(), 64);
        assert!(varint(&mut [0xff; 11].as_slice()).is_err() && varint(&mut [0x80].as_slice()).is_err());
    }
}
