//! The file beside a segment's records: where batches lie, which transactions were aborted, which epochs begin, and a CRC per block.
//!
//! Big-endian. Magic, length of the head, head (JSON), rows of the index, aborted transactions in the layout of Kafka's
//! `.txnindex` (34 bytes each, `AbortedTxn`), block CRCs, CRC-32C of all before it. The index holds both what Kafka keeps in
//! `.index` and in `.timeindex`: offset, position, and the newest timestamp before it.

use kafka::types::Offset;
use serde::{Deserialize, Serialize};

use crate::lineage::Lineage;
use crate::segment::BLOCK;
use crate::segment::aborts::Aborted;

const MAGIC: &[u8; 8] = b"TIDEAUX1";
const ROW: usize = 16;
const ABORTED: usize = 34;

/// One row of the index: a batch that begins here. Rows stand at least [`cut::INDEX_EVERY`](crate::segment::cut::INDEX_EVERY) bytes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The batch's base offset, counted from the segment's.
    pub offset: u32,
    /// Where the batch begins, bytes.
    pub position: u32,
    /// The newest timestamp before it in the segment, ms since 1970; -1 for none.
    pub newest_before: i64,
}

/// The file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aux {
    /// The segment's first offset.
    pub base: Offset,
    /// The end of its range.
    pub end: Offset,
    /// Bytes of its records.
    pub size: u32,
    /// The newest timestamp in it; -1 for none.
    pub max_timestamp: i64,
    /// The epochs that begin in it, and the one that it begins in.
    pub epochs: Lineage,
    /// The index.
    pub rows: Vec<Row>,
    /// Aborted transactions that concern its range.
    pub aborted: Vec<Aborted>,
    /// CRC-32C of each block of [`BLOCK`] bytes.
    pub blocks: Vec<u32>,
}

/// Why bytes are no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a segment's .aux file: {0}")]
pub struct AuxError(&'static str);

#[derive(Serialize, Deserialize)]
struct Head {
    base: i64,
    end: i64,
    size: u32,
    max_timestamp: i64,
    epochs: Vec<(i32, i64)>,
    rows: u32,
    aborted: u32,
    block: u32,
}

impl Aux {
    /// As stored.
    pub fn encode(&self) -> Vec<u8> {
        let head = Head {
            base: self.base.0,
            end: self.end.0,
            size: self.size,
            max_timestamp: self.max_timestamp,
            epochs: self.epochs.pairs(),
            rows: self.rows.len() as u32,
            aborted: self.aborted.len() as u32,
            block: BLOCK,
        };
        #[expect(clippy::expect_used, reason = "numbers always are JSON")]
        let head = serde_json::to_vec(&head).expect("plain data");
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&(head.len() as u32).to_be_bytes());
        out.extend_from_slice(&head);
        for row in &self.rows {
            out.extend_from_slice(&row.offset.to_be_bytes());
            out.extend_from_slice(&row.position.to_be_bytes());
            out.extend_from_slice(&row.newest_before.to_be_bytes());
        }
        self.aborted.iter().for_each(|a| put_aborted(&mut out, a));
        self.blocks.iter().for_each(|crc| out.extend_from_slice(&crc.to_be_bytes()));
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// From what was stored.
    ///
    /// # Errors
    /// Not such a file, cut off, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuxError> {
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(AuxError("too short"))?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
            return Err(AuxError("its checksum is wrong"));
        }
        let rest = body.strip_prefix(MAGIC).ok_or(AuxError("its magic is wrong"))?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(AuxError("too short"))?;
        let len = u32::from_be_bytes(*len) as usize;
        let (head, rest) = rest.split_at_checked(len).ok_or(AuxError("too short"))?;
        let head: Head =
            serde_json::from_slice(head).map_err(|_| AuxError("its head is no JSON of this shape"))?;
        Self::tables(&head, rest)
    }

    fn tables(head: &Head, rest: &[u8]) -> Result<Self, AuxError> {
        if head.block != BLOCK || head.end <= head.base || head.size == 0 {
            return Err(AuxError("its head makes no sense"));
        }
        let blocks = head.size.div_ceil(BLOCK) as usize;
        let (rows, aborted) = (head.rows as usize, head.aborted as usize);
        let wanted = rows.checked_mul(ROW).zip(aborted.checked_mul(ABORTED));
        if wanted.and_then(|(a, b)| a.checked_add(b)?.checked_add(blocks * 4)) != Some(rest.len()) {
            return Err(AuxError("its tables have another length than its head says"));
        }
        let (row_bytes, rest) = rest.split_at(rows * ROW);
        let (aborted_bytes, block_bytes) = rest.split_at(aborted * ABORTED);
        let rows: Vec<_> = row_bytes.chunks_exact(ROW).map(row).collect();
        let sorted = rows.windows(2).all(|w| w[0].offset < w[1].offset && w[0].position < w[1].position);
        if !sorted
            || rows.first().is_none_or(|r| r.position != 0)
            || rows.iter().any(|r| r.position >= head.size)
        {
            return Err(AuxError("its index makes no sense"));
        }
        Ok(Self {
            base: Offset(head.base),
            end: Offset(head.end),
            size: head.size,
            max_timestamp: head.max_timestamp,
            epochs: Lineage::from_pairs(head.epochs.clone()).ok_or(AuxError("its epochs make no sense"))?,
            rows,
            aborted: aborted_bytes.chunks_exact(ABORTED).map(aborted_of).collect(),
            blocks: block_bytes
                .chunks_exact(4)
                .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        })
    }

    /// From where to look for the batch that holds `offset`, or the first one after it: a position at or before it.
    pub fn position_of(&self, offset: Offset) -> u32 {
        let after = self.rows.partition_point(|r| self.base.0 + i64::from(r.offset) <= offset.0);
        self.rows.get(after.saturating_sub(1)).map_or(0, |r| r.position)
    }

    /// From where to look for the first record at or after a timestamp; `None` if all are older.
    pub fn position_of_time(&self, timestamp: i64) -> Option<u32> {
        if self.max_timestamp < timestamp {
            return None;
        }
        // The last row before which everything is older.
        let after = self.rows.partition_point(|r| r.newest_before < timestamp);
        Some(self.rows.get(after.saturating_sub(1)).map_or(0, |r| r.position))
    }
}

fn row(b: &[u8]) -> Row {
    Row {
        offset: u32::from_be_bytes(array(b, 0)),
        position: u32::from_be_bytes(array(b, 4)),
        newest_before: i64::from_be_bytes(array(b, 8)),
    }
}

fn put_aborted(out: &mut Vec<u8>, a: &Aborted) {
    out.extend_from_slice(&0i16.to_be_bytes());
    // The last field, the last stable offset once this was over, is used by a broker's log only; what follows the marker is as good.
    for field in [a.producer, a.first.0, a.last.0, a.last.0 + 1] {
        out.extend_from_slice(&field.to_be_bytes());
    }
}

fn aborted_of(b: &[u8]) -> Aborted {
    Aborted {
        producer: i64::from_be_bytes(array(b, 2)),
        first: Offset(i64::from_be_bytes(array(b, 10))),
        last: Offset(i64::from_be_bytes(array(b, 18))),
    }
}

/// `bytes` has at least `at + N` bytes: it is a chunk of a table.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aux() -> Aux {
        let row = |offset, position, newest_before| Row { offset, position, newest_before };
        Aux {
            base: Offset(100),
            end: Offset(200),
            size: BLOCK + 1,
            max_timestamp: 50,
            epochs: Lineage::from_pairs(vec![(1, 90), (2, 150)]).unwrap(),
            rows: vec![row(0, 0, -1), row(30, 1000, 20), row(60, 2000, 50)],
            aborted: vec![Aborted { producer: 4, first: Offset(90), last: Offset(120) }],
            blocks: vec![1, 2],
        }
    }

    #[test]
    fn what_is_stored_reads_back_equal() {
        assert_eq!(Aux::decode(&aux().encode()), Ok(aux()));
    }

    #[test]
    fn a_flipped_bit_or_a_cut_anywhere_is_seen() {
        let bytes = aux().encode();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(Aux::decode(&bad).is_err(), "byte {at}");
            assert!(Aux::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn offsets_and_times_are_looked_for_from_the_row_at_or_before_them() {
        let a = aux();
        let at = |o| a.position_of(Offset(o));
        assert_eq!((at(100), at(129), at(130), at(199)), (0, 0, 1000, 2000));
        let when = |t| a.position_of_time(t);
        assert_eq!(
            (when(0), when(20), when(21), when(50), when(51)),
            (Some(0), Some(0), Some(1000), Some(1000), None)
        );
    }
}
