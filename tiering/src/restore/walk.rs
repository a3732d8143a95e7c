//! Reads a partition's stored batches from the first to the last, a block at a time, checking every CRC on the way.

use std::sync::Arc;
use std::vec::IntoIter;

use kafka::batch::Batches;
use kafka::types::Offset;
use store::SharedStore;

use super::entries;
use crate::layout::Layout;
use crate::manifest::{Entry, Manifest};
use crate::segment::aux::Aux;
use crate::verify::{self, VerifyError};

/// What was read in one go: whole batches of one segment.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The batches.
    pub(super) batches: Vec<u8>,
    /// Their segment's description.
    pub(super) aux: Arc<Aux>,
}

/// The way through a partition.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    store: &'a SharedStore,
    layout: &'a Layout,
    manifest: &'a Manifest,
    entries: IntoIter<Entry>,
    at: Option<At>,
}

/// A segment half read.
#[derive(Debug)]
struct At {
    entry: Entry,
    aux: Arc<Aux>,
    block: u32,
    /// The front of a batch whose end lies in the next block.
    rest: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Begins at the first segment that holds anything visible.
    ///
    /// # Errors
    /// The store, or a damaged spill.
    pub(super) async fn new(
        store: &'a SharedStore,
        layout: &'a Layout,
        manifest: &'a Manifest,
    ) -> Result<Self, VerifyError> {
        let entries = entries(store, layout, manifest).await?.into_iter();
        Ok(Self { store, layout, manifest, entries, at: None })
    }

    /// The next whole batches; `None` behind the last.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, VerifyError> {
        let p = self.manifest.partition;
        loop {
            let at = match &mut self.at {
                Some(at) if (at.block as usize) < at.aux.blocks.len() => at,
                _ => {
                    let Some(entry) = self.entries.next() else { return Ok(None) };
                    let aux = Arc::new(verify::aux(self.store, self.layout, p, &entry).await?);
                    self.at.insert(At { entry, aux, block: 0, rest: Vec::new() })
                }
            };
            let block = verify::block(self.store, self.layout, p, &at.entry, &at.aux, at.block).await?;
            at.block += 1;
            at.rest.extend_from_slice(&block);
            let whole = whole(&at.rest, at.entry.end())?;
            let rest = at.rest.split_off(whole);
            let batches = std::mem::replace(&mut at.rest, rest);
            if !batches.is_empty() {
                return Ok(Some(Chunk { batches, aux: at.aux.clone() }));
            }
        }
    }
}

/// How many bytes the sound, whole batches at the front take. What lies behind `end` is not the partition's.
fn whole(bytes: &[u8], end: Offset) -> Result<usize, VerifyError> {
    let mut whole = 0;
    for batch in Batches::new(bytes) {
        let batch = batch.map_err(|_| VerifyError::Batch(end.0))?;
        if !batch.crc_ok() {
            return Err(VerifyError::Batch(batch.base_offset().0));
        }
        if batch.base_offset() >= end {
            break;
        }
        whole = batch.span().end;
    }
    Ok(whole)
}
