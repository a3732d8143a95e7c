//! Reads from the tier what a broker would have answered.
//!
//! Offsets lead through the manifest to a segment, through its `.aux` file to a position, and through blocks to batches. Everything that comes
//! from the store has been checked against a CRC before it is used.

mod ahead;
mod blocks;
mod disk;
mod lookup;
pub mod time;
mod window;

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use kafka::batch::BatchError;
use kafka::types::Offset;
use store::SharedStore;
use tokio_util::task::TaskTracker;

use crate::layout::Layout;
use crate::manifest::{Entry, Manifest};
use crate::read::ahead::Ahead;
use crate::read::disk::Disk;
use crate::read::window::Window;
use crate::segment::aux::Aux;

pub use blocks::{Blocks, CacheStats};

/// Why the tier can't serve now. Clients are told to try again; what is wrong is for the operator to see.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The store.
    #[error("{0}")]
    Store(store::Error),
    /// What the store gave is not what was put there.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Records of a range, and what a client must know to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Whole batches, the first of which holds the offset asked for, or is the first after it.
    pub records: Bytes,
    /// The end of the last batch.
    pub end: Offset,
    /// Aborted transactions among them: producer, first offset.
    pub aborted: Vec<(i64, i64)>,
}

/// The reader. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    blocks: Blocks,
    ahead: Arc<Ahead>,
    /// Reads that met damage, by topic.
    damaged: Arc<DashMap<String, u64>>,
}

impl Reader {
    /// A reader with a cache of `memory` bytes, whose fetching is among `tasks`.
    pub fn new(store: SharedStore, layout: Layout, memory: u64, tasks: TaskTracker) -> Self {
        Self::over(Blocks::new(store, layout, memory, None, tasks))
    }

    /// The same with a cache of so many bytes in this directory below it, which outlives restarts.
    ///
    /// # Errors
    /// The directory can't be used.
    pub fn with_disk(
        store: SharedStore,
        layout: Layout,
        memory: u64,
        (dir, bytes): (&Path, u64),
        tasks: TaskTracker,
    ) -> io::Result<Self> {
        let disk = Disk::open(dir, bytes)?;
        Ok(Self::over(Blocks::new(store, layout, memory, Some(disk), tasks)))
    }

    fn over(blocks: Blocks) -> Self {
        Self { blocks, ahead: Arc::default(), damaged: Arc::default() }
    }

    /// What the cache did.
    pub fn stats(&self) -> &CacheStats {
        self.blocks.stats()
    }

    /// Reads of this topic that failed because what the store gave is not what was put there.
    pub fn damaged(&self, topic: &str) -> u64 {
        self.damaged.get(topic).map_or(0, |n| *n)
    }

    fn noted<T>(&self, m: &Manifest, read: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(ReadError::Damaged(_)) = &read {
            *self.damaged.entry(m.topic.clone()).or_default() += 1;
        }
        read
    }

    /// Reads whole batches from `from` on, `max_bytes` at most but at least one batch if `at_least_one`. `None` if the tier holds nothing at or
    /// after `from`. Never spans two segments.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(
        &self,
        m: &Manifest,
        from: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<Slice>, ReadError> {
        let read = self.read_batches(m, from, max_bytes, at_least_one).await;
        self.noted(m, read)
    }

    async fn read_batches(
        &self,
        m: &Manifest,
        from: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<Slice>, ReadError> {
        let mut from = from;
        loop {
            let Some((entry, next)) = self.blocks.entry_at(m, from).await? else { return Ok(None) };
            let aux = self.blocks.aux(m.partition, entry).await?;
            let mut window = Window::new(&self.blocks, m.partition, entry, aux.clone());
            if let Some(slice) = slice(&mut window, &aux, entry, from, max_bytes, at_least_one).await? {
                for (entry, block) in
                    self.ahead.next(m.partition, from, &slice, entry, window.last_block(), next)
                {
                    self.blocks.prefetch(m.partition, entry, block);
                }
                return Ok(Some(slice));
            }
            // Offsets at a segment's end that no batch holds: the next segment has what follows.
            if next.is_none() {
                return Ok(None);
            }
            from = entry.end();
        }
    }

    /// Begins [`warm`](Self::warm). Whatever goes wrong, the read itself finds out.
    pub fn begin_warm(&self, m: Arc<Manifest>, from: Offset) {
        let reader = self.clone();
        self.blocks.tasks().spawn(async move { drop(reader.warm(&m, from).await) });
    }

    /// Has fetched what a read from `from` on will want first. It counts as nobody's read: what is read ahead goes by reads alone.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn warm(&self, m: &Manifest, from: Offset) -> Result<(), ReadError> {
        let Some((entry, _)) = self.blocks.entry_at(m, from).await? else { return Ok(()) };
        let aux = self.blocks.aux(m.partition, entry).await?;
        let mut window = Window::new(&self.blocks, m.partition, entry, aux.clone());
        slice(&mut window, &aux, entry, from, 1, true).await.map(|_| ())
    }
}

/// Finds the first batch that ends after `from`, and takes it and what follows as far as allowed.
async fn slice(
    window: &mut Window<'_>,
    aux: &Aux,
    entry: Entry,
    from: Offset,
    max_bytes: usize,
    at_least_one: bool,
) -> Result<Option<Slice>, ReadError> {
    let mut position = aux.position_of(from);
    let (mut start, mut end) = (None, from);
    while position < entry.size {
        let head = window.head(position).await?;
        if head.base >= entry.end() {
            break;
        }
        if head.end <= from {
            position += head.size;
            continue;
        }
        let begun = *start.get_or_insert(position);
        let taken = (position - begun + head.size) as usize;
        if taken > max_bytes && !(at_least_one && position == begun) {
            break;
        }
        (position, end) = (position + head.size, head.end);
    }
    let Some(begun) = start else { return Ok(None) };
    let records = window.bytes(begun, position).await?;
    let concerned = aux.aborted.iter().filter(|a| a.concerns(from, end));
    Ok(Some(Slice { records, end, aborted: concerned.map(|a| (a.producer, a.first.0)).collect() }))
}

impl From<BatchError> for ReadError {
    fn from(e: BatchError) -> Self {
        Self::Damaged(e.to_string())
    }
}

#[cfg(test)]
mod tests;
