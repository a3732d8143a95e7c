//! Reads back what was uploaded: before brokers drop their copy, and whenever somebody asks.

use bytes::Bytes;
use kafka::batch::Batches;
use store::SharedStore;

use crate::PartitionId;
use crate::layout::Layout;
use crate::manifest::Entry;
use crate::segment::BLOCK;
use crate::segment::aux::{Aux, AuxError};

/// What is wrong with a segment.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// Its `.aux` file.
    #[error("{0}")]
    Aux(#[from] AuxError),
    /// It is another's, or of another length.
    #[error("its .aux file and the manifest contradict each other")]
    Mismatch,
    /// A block.
    #[error("block {0} is damaged: its CRC is wrong")]
    Block(u32),
    /// A batch.
    #[error("the batch at offset {0} is damaged")]
    Batch(i64),
}

/// Reads a segment's `.aux` file and holds it against the manifest.
///
/// # Errors
/// See [`VerifyError`].
pub async fn aux(
    store: &SharedStore,
    layout: &Layout,
    p: PartitionId,
    entry: &Entry,
) -> Result<Aux, VerifyError> {
    let aux = Aux::decode(&store.get(&layout.aux(p, entry)).await?)?;
    let same = aux.base == entry.base && aux.size == entry.size && aux.end >= entry.end();
    if same { Ok(aux) } else { Err(VerifyError::Mismatch) }
}

/// Reads one block of a segment and checks its CRC.
///
/// # Errors
/// See [`VerifyError`].
pub async fn block(
    store: &SharedStore,
    layout: &Layout,
    p: PartitionId,
    entry: &Entry,
    aux: &Aux,
    index: u32,
) -> Result<Bytes, VerifyError> {
    let from = u64::from(index) * u64::from(BLOCK);
    let to = (from + u64::from(BLOCK)).min(u64::from(entry.size));
    let bytes = store.get_range(&layout.log(p, entry), from..to).await?;
    let sound = aux.blocks.get(index as usize) == Some(&crc32c::crc32c(&bytes));
    if sound { Ok(bytes) } else { Err(VerifyError::Block(index)) }
}

/// Reads back the head, the tail and one block between.
///
/// # Errors
/// See [`VerifyError`].
pub async fn read_back(
    store: &SharedStore,
    layout: &Layout,
    p: PartitionId,
    entry: &Entry,
) -> Result<(), VerifyError> {
    let aux = aux(store, layout, p, entry).await?;
    let last = aux.blocks.len().saturating_sub(1) as u32;
    let mut picked = vec![0, rand::random_range(0..=last), last];
    picked.dedup();
    for index in picked {
        block(store, layout, p, entry, &aux, index).await?;
    }
    Ok(())
}

/// Reads a whole segment: every block's CRC, every batch's CRC and order. Returns how many bytes were read.
///
/// # Errors
/// See [`VerifyError`].
pub async fn whole(
    store: &SharedStore,
    layout: &Layout,
    p: PartitionId,
    entry: &Entry,
) -> Result<u64, VerifyError> {
    let aux = aux(store, layout, p, entry).await?;
    let (mut rest, mut next) = (Vec::new(), entry.base);
    for index in 0..aux.blocks.len() as u32 {
        rest.extend_from_slice(&block(store, layout, p, entry, &aux, index).await?);
        let mut batches = Batches::new(&rest);
        for batch in batches.by_ref() {
            let batch = batch.map_err(|_| VerifyError::Batch(next.0))?;
            if batch.base_offset() < next || !batch.crc_ok() {
                return Err(VerifyError::Batch(batch.base_offset().0));
            }
            next = batch.end_offset();
        }
        let done = batches.position();
        rest.drain(..done);
    }
    if rest.is_empty() && next == aux.end {
        Ok(u64::from(entry.size))
    } else {
        Err(VerifyError::Batch(next.0))
    }
}
