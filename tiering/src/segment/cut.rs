//! Makes a segment of the batches that pass: where it ends, and what its `.aux` file says. Pure; the bytes go elsewhere.

use kafka::batch::BatchView;
use kafka::types::{LeaderEpoch, Offset};

use crate::lineage::Lineage;
use crate::segment::BLOCK;
use crate::segment::aborts::Aborts;
use crate::segment::aux::{Aux, Row};

/// Bytes between two rows of the index.
pub const INDEX_EVERY: u32 = 64 << 10;

/// Offsets of a segment count from its base in 31 bits, as in Kafka's own index.
const OFFSETS_MAX: i64 = i32::MAX as i64;

/// Why a batch can't be tiered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// Its CRC is not that of its bytes.
    #[error("the batch at offset {0} is damaged: its CRC is wrong")]
    Damaged(i64),
    /// It begins before the last one ended.
    #[error("the batch at offset {got} begins before {wanted}, where the last one ended")]
    Order {
        /// Where it begins.
        got: i64,
        /// Where it may begin at the earliest.
        wanted: i64,
    },
}

/// A segment in the making.
#[derive(Debug)]
pub struct Cut {
    base: Offset,
    end: Offset,
    size: u32,
    max_timestamp: i64,
    epochs: Lineage,
    rows: Vec<Row>,
    aborts: Aborts,
    blocks: Vec<u32>,
    /// CRC of the block that isn't full yet, and its bytes so far.
    block: (u32, u32),
    size_max: u32,
}

impl Cut {
    /// A segment that takes batches from `from` on, until it has `size_max` bytes. One batch always fits.
    pub fn new(from: Offset, size_max: u32) -> Self {
        Self {
            base: from,
            end: from,
            size: 0,
            max_timestamp: -1,
            epochs: Lineage::default(),
            rows: Vec::new(),
            aborts: Aborts::default(),
            blocks: Vec::new(),
            block: (0, 0),
            size_max,
        }
    }

    /// What the broker said of aborted transactions in the batches that follow.
    pub fn announced(&mut self, aborted: &[(i64, i64)]) {
        self.aborts.announced(aborted);
    }

    /// Whether the next batch belongs to the next segment.
    pub fn is_full_for(&self, batch: &BatchView<'_>) -> bool {
        let too_long = u64::from(self.size) + batch.size() as u64 > u64::from(self.size_max);
        let too_far = batch.end_offset().0 - self.base.0 > OFFSETS_MAX;
        self.size > 0 && (too_long || too_far)
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// See [`CutError`]; nothing is taken then.
    pub fn take(&mut self, batch: &BatchView<'_>) -> Result<(), CutError> {
        // The first may begin before what was asked for: it comes whole.
        if batch.base_offset() < self.end && self.size > 0 {
            return Err(CutError::Order { got: batch.base_offset().0, wanted: self.end.0 });
        }
        if !batch.crc_ok() {
            return Err(CutError::Damaged(batch.base_offset().0));
        }
        if self.size == 0 {
            self.base = batch.base_offset();
        }
        self.index(batch);
        self.epochs.note(batch.leader_epoch(), batch.base_offset());
        self.aborts.passed(batch);
        self.checksum(batch.bytes());
        self.size += batch.size() as u32;
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp());
        self.end = batch.end_offset();
        Ok(())
    }

    fn index(&mut self, batch: &BatchView<'_>) {
        if self.rows.last().is_none_or(|r| self.size - r.position >= INDEX_EVERY) {
            let offset = (batch.base_offset().0 - self.base.0) as u32;
            self.rows.push(Row { offset, position: self.size, newest_before: self.max_timestamp });
        }
    }

    fn checksum(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (BLOCK - self.block.1) as usize;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.block = (crc32c::crc32c_append(self.block.0, now), self.block.1 + now.len() as u32);
            if self.block.1 == BLOCK {
                self.blocks.push(self.block.0);
                self.block = (0, 0);
            }
            bytes = rest;
        }
    }

    /// Where what was taken begins.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// The epoch of the last batch taken; -1 for none.
    pub fn last_epoch(&self) -> LeaderEpoch {
        self.epochs.newest().map_or(LeaderEpoch(-1), |(epoch, _)| epoch)
    }

    /// The end of what was taken.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Bytes taken.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// What goes into the `.aux` file; `None` if nothing was taken.
    pub fn finish(mut self) -> Option<Aux> {
        if self.size == 0 {
            return None;
        }
        if self.block.1 > 0 {
            self.blocks.push(self.block.0);
        }
        Some(Aux {
            base: self.base,
            end: self.end,
            size: self.size,
            max_timestamp: self.max_timestamp,
            epochs: self.epochs,
            rows: self.rows,
            aborted: self.aborts.finish(self.base, self.end),
            blocks: self.blocks,
        })
    }
}

#[cfg(test)]
mod tests {
    use kafka::batch::Batches;

    use super::*;
    use crate::testing::{batch, with_crc};

    fn cut(bytes: &[u8], size_max: u32) -> (Cut, Result<(), CutError>) {
        let mut cut = Cut::new(Offset(0), size_max);
        for b in Batches::new(bytes) {
            let b = b.unwrap();
            if cut.is_full_for(&b) {
                break;
            }
            if let Err(e) = cut.take(&b) {
                return (cut, Err(e));
            }
        }
        (cut, Ok(()))
    }

    #[test]
    fn a_segment_ends_at_the_end_of_a_batch_and_one_batch_always_fits() {
        let bytes = [batch(0, 5, 1), batch(5, 5, 2), batch(10, 5, 3)].concat();
        let one = bytes.len() as u32 / 3;
        assert_eq!(cut(&bytes, one * 2 + 1).0.end(), Offset(10));
        assert_eq!(cut(&bytes, 1).0.end(), Offset(5));
        assert_eq!(cut(&bytes, u32::MAX).0.end(), Offset(15));
    }

    #[test]
    fn a_damaged_batch_and_one_out_of_order_are_refused() {
        let mut damaged = batch(0, 5, 1);
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert_eq!(cut(&damaged, 1000).1, Err(CutError::Damaged(0)));
        let back = [batch(5, 5, 1), batch(7, 5, 1)].concat();
        assert_eq!(cut(&back, 1000).1, Err(CutError::Order { got: 7, wanted: 10 }));
    }

    #[test]
    fn the_newest_timestamp_is_the_largest_not_the_last_and_holes_are_legal() {
        let bytes = [batch(0, 5, 100), batch(50, 5, 7)].concat();
        let aux = cut(&bytes, u32::MAX).0.finish().unwrap();
        assert_eq!((aux.max_timestamp, aux.base, aux.end), (100, Offset(0), Offset(55)));
    }

    #[test]
    fn block_crcs_are_those_of_the_bytes_wherever_batches_lie() {
        let big = with_crc({
            let mut b = batch(0, 1, 1);
            let pad = BLOCK as usize + 12_345;
            b.extend(std::iter::repeat_n(7, pad));
            let len = (b.len() - 12) as i32;
            b[8..12].copy_from_slice(&len.to_be_bytes());
            b
        });
        let bytes = [batch(0, 1, 1), {
            let mut b = big;
            kafka::batch::set_base_offset(&mut b, Offset(1)).unwrap();
            b
        }]
        .concat();
        let aux = cut(&bytes, u32::MAX).0.finish().unwrap();
        let wanted: Vec<_> = bytes.chunks(BLOCK as usize).map(crc32c::crc32c).collect();
        assert_eq!(aux.blocks, wanted);
        assert_eq!(Aux::decode(&aux.encode()), Ok(aux));
    }
}
