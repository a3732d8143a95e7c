//! A segment's bytes, wherever block boundaries lie.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka::batch::HEADER_LEN;
use kafka::types::Offset;

use crate::PartitionId;
use crate::manifest::Entry;
use crate::read::ReadError;
use crate::read::blocks::Blocks;
use crate::segment::BLOCK;
use crate::segment::aux::Aux;

/// What the first bytes of a batch say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) base: Offset,
    pub(super) end: Offset,
    pub(super) size: u32,
    pub(super) max_timestamp: i64,
}

/// The segment, block by block; the blocks used last stay at hand.
pub(super) struct Window<'a> {
    blocks: &'a Blocks,
    partition: PartitionId,
    entry: Entry,
    aux: Arc<Aux>,
    at_hand: Option<(u32, Bytes)>,
}

impl<'a> Window<'a> {
    pub(super) fn new(blocks: &'a Blocks, partition: PartitionId, entry: Entry, aux: Arc<Aux>) -> Self {
        Self { blocks, partition, entry, aux, at_hand: None }
    }

    /// The last block that was looked at.
    pub(super) fn last_block(&self) -> u32 {
        self.at_hand.as_ref().map_or(0, |(index, _)| *index)
    }

    /// The head of the batch at `position`, which lies whole in the segment.
    pub(super) async fn head(&mut self, position: u32) -> Result<Head, ReadError> {
        let wrong = || {
            ReadError::Damaged(format!("no batch at byte {position} of the segment at {}", self.entry.base.0))
        };
        let whole = position.checked_add(HEADER_LEN as u32).filter(|end| *end <= self.entry.size);
        let head = self.bytes(position, whole.ok_or_else(wrong)?).await?;
        let field =
            |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, i64::from_be_bytes);
        let small =
            |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_be_bytes);
        let (base, delta) = (field(0), small(23));
        let size = u32::try_from(small(8)).ok().and_then(|n| n.checked_add(12));
        let size = size.filter(|n| *n as usize >= HEADER_LEN && self.entry.size - position >= *n);
        let wrong = || {
            ReadError::Damaged(format!("no batch at byte {position} of the segment at {}", self.entry.base.0))
        };
        let end = base.checked_add(i64::from(delta)).and_then(|last| last.checked_add(1));
        let (Some(size), Some(end), true) = (size, end, delta >= 0) else { return Err(wrong()) };
        Ok(Head { base: Offset(base), end: Offset(end), size, max_timestamp: field(35) })
    }

    /// The bytes of a range: a view of the block where it lies in one, else a copy.
    pub(super) async fn bytes(&mut self, from: u32, to: u32) -> Result<Bytes, ReadError> {
        if from >= to {
            return Ok(Bytes::new());
        }
        let (first, last) = (from / BLOCK, (to - 1) / BLOCK);
        if first == last {
            return self.part(first, from, to).await;
        }
        let mut out = BytesMut::with_capacity((to - from) as usize);
        for index in first..=last {
            let begin = index * BLOCK;
            let part = self.part(index, from.max(begin), to.min(begin.saturating_add(BLOCK))).await?;
            out.extend_from_slice(&part);
        }
        Ok(out.freeze())
    }

    async fn part(&mut self, index: u32, from: u32, to: u32) -> Result<Bytes, ReadError> {
        let block = match &self.at_hand {
            Some((at, block)) if *at == index => block.clone(),
            _ => self.blocks.block(self.partition, self.entry, &self.aux, index).await?,
        };
        self.at_hand = Some((index, block.clone()));
        let begin = index * BLOCK;
        let range = (from - begin) as usize..(to - begin) as usize;
        match range.end <= block.len() {
            true => Ok(block.slice(range)),
            false => Err(ReadError::Damaged(format!("block {index} is too short"))),
        }
    }
}
