//! A partition's history produced into a running cluster, at the offsets that it had.

use std::sync::Arc;

use kafka::batch::{Author, Batches, set_author};
use kafka::client::produce::Producer;
use kafka::types::Offset;
use store::SharedStore;

use super::filler::{self, FILLER_MAX};
use super::pieces::{Fate, Hole, Sorter, Unfit};
use super::target::{Target, TargetError, hold_start};
use super::walk::Walk;
use crate::layout::Layout;
use crate::manifest::Manifest;
use crate::offload::Pace;
use crate::verify::VerifyError;

/// Sequence numbers go round here (`DefaultRecordBatch.incrementSequence`).
const SEQUENCES: i64 = 1 << 31;

/// Why a partition was not brought back.
#[derive(Debug, thiserror::Error)]
pub enum RefillError {
    /// The bucket.
    #[error("{0}")]
    Read(#[from] VerifyError),
    /// A producer can't write what is there.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// The cluster.
    #[error("{0}")]
    Target(#[from] TargetError),
    /// The cluster put it elsewhere.
    #[error("the batch of offset {wanted} was given offset {given}: does anybody else write to the topic?")]
    Elsewhere {
        /// Where it belongs.
        wanted: i64,
        /// Where it went.
        given: i64,
    },
    /// The encoder.
    #[error("{0}")]
    Filler(#[from] std::io::Error),
}

/// What a partition is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that are written again.
    pub records: i64,
    /// Their batches.
    pub batches: i64,
    /// Their bytes.
    pub bytes: u64,
    /// The largest batch, bytes.
    pub largest: usize,
    /// Batches of aborted transactions, left out.
    pub aborted: i64,
    /// Offsets within the log that hold no record, filled with markers.
    pub filled: i64,
    /// Offsets before its start, filled and dropped again.
    pub before: i64,
}

/// Where a partition's history lies.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// In which store.
    pub store: &'a SharedStore,
    /// Under which names.
    pub layout: &'a Layout,
    /// The newest manifest.
    pub manifest: &'a Manifest,
}

impl History<'_> {
    /// Reads all of it, checks it, and counts. Nothing is written: this says whether [`refill`](Self::refill) can.
    ///
    /// # Errors
    /// See [`RefillError`].
    pub async fn survey(&self, progress: impl Fn(u64)) -> Result<Counts, RefillError> {
        self.go(&mut None, &Pace::default(), progress).await
    }

    /// Reads all of it and writes it to `target`, which is empty.
    ///
    /// # Errors
    /// See [`RefillError`]. What was written so far stays.
    pub async fn refill(
        &self,
        target: &mut dyn Target,
        producer: Producer,
        pace: &Arc<Pace>,
        progress: impl Fn(u64),
    ) -> Result<Counts, RefillError> {
        let writer = Writer {
            target,
            producer,
            next: Offset(0),
            sequence: 0,
            start: self.manifest.start,
            filler: None,
        };
        let mut writer = Some(writer);
        let counts = self.go(&mut writer, pace, progress).await?;
        if let Some(writer) = writer {
            writer.finish(self.manifest.end()).await?;
        }
        Ok(counts)
    }

    async fn go(
        &self,
        writer: &mut Option<Writer<'_>>,
        pace: &Pace,
        progress: impl Fn(u64),
    ) -> Result<Counts, RefillError> {
        let (start, end) = (self.manifest.start, self.manifest.end());
        let (mut sorter, mut counts) = (Sorter::new(start), Counts::default());
        let mut walk = Walk::new(self.store, self.layout, self.manifest).await?;
        while let Some(chunk) = walk.next().await? {
            if writer.is_some() {
                pace.wait(chunk.batches.len()).await;
            }
            for batch in Batches::new(&chunk.batches) {
                let batch = batch.map_err(|_| VerifyError::Batch(chunk.aux.base.0))?;
                match sorter.take(&batch, &chunk.aux.aborted)? {
                    Fate::Below | Fate::Marker => {}
                    Fate::Aborted => counts.aborted += 1,
                    Fate::Written(hole) => {
                        counts.hole(hole, start);
                        counts.batch(batch.size(), batch.record_count());
                        if let Some(writer) = writer {
                            writer.hole(hole).await?;
                            writer.batch(batch.bytes().to_vec(), batch.record_count()).await?;
                        }
                    }
                }
            }
            progress(chunk.batches.len() as u64);
        }
        let last = sorter.finish(end)?;
        counts.hole(last, start);
        if let Some(writer) = writer {
            writer.hole(last).await?;
        }
        Ok(counts)
    }
}

impl Counts {
    fn batch(&mut self, size: usize, records: i32) {
        self.batches += 1;
        self.records += i64::from(records);
        self.bytes += size as u64;
        self.largest = self.largest.max(size);
    }

    fn hole(&mut self, hole: Option<Hole>, start: Offset) {
        let (before, filled) = hole.map_or((0, 0), |hole| hole.split(start));
        self.before += before;
        self.filled += filled;
    }
}

/// Writes pieces one after the other, each where it belongs or nowhere.
struct Writer<'a> {
    target: &'a mut dyn Target,
    producer: Producer,
    next: Offset,
    sequence: i32,
    start: Offset,
    /// The longest filler, made once.
    filler: Option<Vec<u8>>,
}

impl Writer<'_> {
    async fn batch(&mut self, mut bytes: Vec<u8>, records: i32) -> Result<(), RefillError> {
        let Producer { id: producer, epoch } = self.producer;
        let author = Author { producer, epoch, sequence: self.sequence };
        set_author(&mut bytes, author).map_err(|_| VerifyError::Batch(self.next.0))?;
        let given = self.target.append(&bytes).await?;
        if given != self.next {
            return Err(RefillError::Elsewhere { wanted: self.next.0, given: given.0 });
        }
        self.next.0 += i64::from(records);
        self.sequence = ((i64::from(self.sequence) + i64::from(records)) % SEQUENCES) as i32;
        Ok(())
    }

    async fn hole(&mut self, hole: Option<Hole>) -> Result<(), RefillError> {
        let Some(hole) = hole else { return Ok(()) };
        let (mut before, within) = hole.split(self.start);
        while before > 0 {
            let count = before.min(i64::from(FILLER_MAX)) as i32;
            let bytes = self.filler(count)?;
            self.batch(bytes, count).await?;
            before -= i64::from(count);
        }
        if within > 0 {
            self.target.skip(self.next, within).await?;
            self.next.0 += within;
        }
        Ok(())
    }

    fn filler(&mut self, count: i32) -> std::io::Result<Vec<u8>> {
        if count < FILLER_MAX {
            return filler::batch(count);
        }
        if self.filler.is_none() {
            self.filler = Some(filler::batch(count)?);
        }
        Ok(self.filler.clone().unwrap_or_default())
    }

    async fn finish(self, end: Offset) -> Result<(), RefillError> {
        let found = self.target.end().await?;
        if found != end {
            return Err(TargetError::End { wanted: end.0, found: found.0 }.into());
        }
        Ok(hold_start(self.target, self.start).await?)
    }
}

#[cfg(test)]
mod tests;
