//! The reference: range GETs of the same objects, blocks as long as the gateway's, as many at a time as it reads ahead.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use store::s3::{S3, Settings};
use store::{Key, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Bytes of a block, as in `tiering::segment`.
const BLOCK: u64 = 4 << 20;
/// Requests at a time.
pub(super) const AT_ONCE: usize = 8;

/// The objects and a client.
pub(super) struct Raw {
    runtime: Runtime,
    store: Arc<S3>,
    /// Blocks by segment, in order.
    blocks: Vec<(usize, Key, Range<u64>)>,
}

impl Raw {
    /// Lists the segments of a bucket that holds one partition.
    pub(super) fn open(settings: &Settings) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (store, objects) = runtime.block_on(async {
            let store = S3::open(settings.clone()).await?;
            let objects = store.list("", None, 1000).await?;
            Ok::<_, store::Error>((Arc::new(store), objects))
        })?;
        let mut blocks = Vec::new();
        let segments = objects.into_iter().filter(|o| o.key.as_str().ends_with(".log"));
        for (segment, object) in segments.enumerate() {
            let starts = (0..object.size).step_by(BLOCK as usize);
            blocks.extend(starts.map(|at| (segment, object.key.clone(), at..(at + BLOCK).min(object.size))));
        }
        Ok(Self { runtime, store, blocks })
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|(_, _, range)| range.end - range.start).sum()
    }

    /// Which segment a block is of.
    pub(super) fn segment_of(&self, block: usize) -> Option<usize> {
        self.blocks.get(block).map(|(segment, ..)| *segment)
    }

    /// Gets everything; MB/s.
    pub(super) fn read_all(&self) -> anyhow::Result<f64> {
        let began = Instant::now();
        let bytes: u64 = self.runtime.block_on(async {
            let (mut running, mut sum) = (JoinSet::new(), 0);
            for (_, key, range) in self.blocks.clone() {
                if running.len() >= AT_ONCE {
                    sum += next(&mut running).await?;
                }
                let store = self.store.clone();
                running.spawn(async move { store.get_range(&key, range).await.map(|b| b.len() as u64) });
            }
            while !running.is_empty() {
                sum += next(&mut running).await?;
            }
            anyhow::Ok(sum)
        })?;
        Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
    }

    /// How long one takes.
    pub(super) fn time_block(&self, block: usize) -> anyhow::Result<Duration> {
        let (_, key, range) = self.blocks.get(block).context("no such block")?;
        let began = Instant::now();
        self.runtime.block_on(self.store.get_range(key, range.clone()))?;
        Ok(began.elapsed())
    }
}

async fn next(running: &mut JoinSet<Result<u64, store::Error>>) -> anyhow::Result<u64> {
    running.join_next().await.context("nothing runs")??.map_err(Into::into)
}
