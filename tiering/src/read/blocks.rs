//! Blocks, `.aux` files and spills in memory: each fetched once, however many ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use store::{Kind, SharedStore};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::PartitionId;
use crate::layout::Layout;
use crate::manifest::{Entry, Spill, decode_spill};
use crate::read::ReadError;
use crate::read::disk::Disk;
use crate::segment::aux::Aux;
use crate::verify::{self, VerifyError};

/// Blocks fetched ahead of their readers at one time.
const AHEAD_MAX: usize = 16;
/// Things fetched for readers at one time, whether or not they still wait for them: as many requests as the store is sent at once.
pub(super) const WANTED_MAX: usize = 64;
/// Bytes of `.aux` files and spills kept, a part of the whole.
const SMALL_SHARE: u64 = 16;

/// What the cache did.
#[derive(Debug, Default)]
pub struct CacheStats {
    /// Blocks that were in memory.
    pub hits: AtomicU64,
    /// Blocks that were not.
    pub misses: AtomicU64,
    /// Of those, blocks that were on disk.
    pub disk_hits: AtomicU64,
    /// Of those, blocks that had to be fetched, where there is a disk.
    pub disk_misses: AtomicU64,
    /// Blocks that could not be kept on disk, or came back damaged.
    pub disk_errors: AtomicU64,
    /// Blocks fetched ahead.
    pub ahead: AtomicU64,
}

/// What is kept. By nonce, so that nothing old is ever served under a new name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Block(u64, u32),
    Aux(u64),
    Spill(u64),
}

#[derive(Clone, Debug)]
pub(super) enum Thing {
    Block(Bytes),
    Aux(Arc<Aux>),
    Spill(Arc<Vec<Entry>>),
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Name, Thing> for Weight {
    fn weight(&self, _: &Name, thing: &Thing) -> u64 {
        let bytes = match thing {
            Thing::Block(bytes) => bytes.len(),
            Thing::Aux(aux) => 256 + aux.rows.len() * 16 + aux.aborted.len() * 24 + aux.blocks.len() * 4,
            Thing::Spill(entries) => entries.len() * size_of::<Entry>(),
        };
        bytes as u64 + 64
    }
}

#[derive(Debug)]
struct Shared {
    store: SharedStore,
    layout: Layout,
    blocks: Cache<Name, Thing, Weight>,
    small: Cache<Name, Thing, Weight>,
    disk: Option<Disk>,
    ahead: Arc<Semaphore>,
    wanted: Arc<Semaphore>,
    tasks: TaskTracker,
    stats: CacheStats,
}

/// The cache. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blocks(Arc<Shared>);

impl Blocks {
    /// A cache of `memory` bytes over the store.
    pub(super) fn new(
        store: SharedStore,
        layout: Layout,
        memory: u64,
        disk: Option<Disk>,
        tasks: TaskTracker,
    ) -> Self {
        let small = (memory / SMALL_SHARE).max(4 << 20);
        let block = u64::from(crate::segment::BLOCK);
        let blocks = memory.saturating_sub(small).max(4 * block);
        Self(Arc::new(Shared {
            store,
            layout,
            blocks: cache((blocks / block) as usize + 1, blocks),
            small: cache(10_000, small),
            disk,
            ahead: Arc::new(Semaphore::new(AHEAD_MAX)),
            wanted: Arc::new(Semaphore::new(WANTED_MAX)),
            tasks,
            stats: CacheStats::default(),
        }))
    }

    pub(super) fn stats(&self) -> &CacheStats {
        &self.0.stats
    }

    /// A segment's `.aux` file.
    pub(super) async fn aux(&self, p: PartitionId, entry: Entry) -> Result<Arc<Aux>, ReadError> {
        let shared = self.0.clone();
        let fetch = async move {
            let aux = verify::aux(&shared.store, &shared.layout, p, &entry).await?;
            Ok(Thing::Aux(Arc::new(aux)))
        };
        match self.small(Name::Aux(entry.nonce), fetch).await? {
            Thing::Aux(aux) => Ok(aux),
            _ => Err(ReadError::Damaged("cache".to_owned())),
        }
    }

    /// A spill's entries.
    pub(super) async fn spill(&self, p: PartitionId, spill: Spill) -> Result<Arc<Vec<Entry>>, ReadError> {
        let shared = self.0.clone();
        let fetch = async move {
            let bytes = shared.store.get(&shared.layout.spill(p, spill.base, spill.nonce)).await?;
            let entries = decode_spill(&bytes, &spill).map_err(|e| ReadError::Damaged(e.to_string()))?;
            Ok(Thing::Spill(Arc::new(entries)))
        };
        match self.small(Name::Spill(spill.nonce), fetch).await? {
            Thing::Spill(entries) => Ok(entries),
            _ => Err(ReadError::Damaged("cache".to_owned())),
        }
    }

    async fn small(
        &self,
        name: Name,
        fetch: impl Future<Output = Result<Thing, ReadError>> + Send + 'static,
    ) -> Result<Thing, ReadError> {
        if let Some(thing) = self.0.small.get(&name) {
            return Ok(thing);
        }
        let shared = self.0.clone();
        self.fill(async move { shared.small.get_or_insert_async(&name, fetch).await }).await
    }

    /// A block of a segment.
    pub(super) async fn block(
        &self,
        p: PartitionId,
        entry: Entry,
        aux: &Arc<Aux>,
        index: u32,
    ) -> Result<Bytes, ReadError> {
        let name = Name::Block(entry.nonce, index);
        if let Some(Thing::Block(bytes)) = self.0.blocks.get(&name) {
            self.0.stats.hits.fetch_add(1, Relaxed);
            return Ok(bytes);
        }
        self.0.stats.misses.fetch_add(1, Relaxed);
        let (shared, aux) = (self.0.clone(), aux.clone());
        let filled = self.fill(async move { shared.fetch(name, p, entry, &aux, index).await }).await?;
        match filled {
            Thing::Block(bytes) => Ok(bytes),
            _ => Err(ReadError::Damaged("cache".to_owned())),
        }
    }

    /// Fetches a block that somebody will want soon, if it isn't there and there is room for such work.
    pub(super) fn prefetch(&self, p: PartitionId, entry: Entry, index: u32) {
        let name = Name::Block(entry.nonce, index);
        if self.0.blocks.get(&name).is_some() {
            return;
        }
        let Ok(permit) = self.0.ahead.clone().try_acquire_owned() else { return };
        self.0.stats.ahead.fetch_add(1, Relaxed);
        let blocks = self.clone();
        self.0.tasks.spawn(async move {
            let _permit = permit;
            let Ok(aux) = blocks.aux(p, entry).await else { return };
            if (index as usize) < aux.blocks.len() {
                // If it fails, its reader finds out itself.
                let _ahead = blocks.0.fetch(name, p, entry, &aux, index).await;
            }
        });
    }

    /// Runs on its own: a reader that gives up doesn't throw away what is half fetched. It ends with its request to the store. Readers that come
    /// faster than the store is wait here, where giving up leaves nothing behind.
    pub(super) async fn fill(
        &self,
        work: impl Future<Output = Result<Thing, ReadError>> + Send + 'static,
    ) -> Result<Thing, ReadError> {
        let room = self.0.wanted.clone().acquire_owned().await.map_err(|_| stopping())?;
        let work = async move {
            let _room = room;
            work.await
        };
        self.0.tasks.spawn(work).await.map_err(|_| stopping())?
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}

fn stopping() -> ReadError {
    ReadError::Store(store::Error::new(Kind::Transient, "read", "the gateway is stopping"))
}

/// One shard: a block must fit into its share, and locks are held for a moment only.
fn cache(items: usize, weight: u64) -> Cache<Name, Thing, Weight> {
    let options =
        OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(weight).shards(1).build();
    #[expect(clippy::expect_used, reason = "both capacities are given")]
    let options = options.expect("complete options");
    Cache::with_options(options, Weight, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

impl Shared {
    async fn fetch(
        &self,
        name: Name,
        p: PartitionId,
        entry: Entry,
        aux: &Aux,
        index: u32,
    ) -> Result<Thing, ReadError> {
        let fetch = async {
            if let Some(bytes) = self.on_disk(entry, aux, index).await {
                return Ok(Thing::Block(bytes));
            }
            let bytes = verify::block(&self.store, &self.layout, p, &entry, aux, index).await?;
            self.keep_on_disk(entry, index, &bytes).await;
            Ok(Thing::Block(bytes))
        };
        self.blocks.get_or_insert_async(&name, fetch).await
    }
}

impl Shared {
    /// The block from disk, if it is there and sound.
    async fn on_disk(&self, entry: Entry, aux: &Aux, index: u32) -> Option<Bytes> {
        let disk = self.disk.as_ref()?;
        let name = (entry.nonce, index);
        let Some(bytes) = disk.get(name).await else {
            self.stats.disk_misses.fetch_add(1, Relaxed);
            return None;
        };
        if aux.blocks.get(index as usize) == Some(&crc32c::crc32c(&bytes)) {
            self.stats.disk_hits.fetch_add(1, Relaxed);
            return Some(bytes);
        }
        self.stats.disk_errors.fetch_add(1, Relaxed);
        disk.drop_block(name);
        None
    }

    async fn keep_on_disk(&self, entry: Entry, index: u32, bytes: &Bytes) {
        let Some(disk) = &self.disk else { return };
        if let Err(e) = disk.put((entry.nonce, index), bytes.clone()).await
            && self.stats.disk_errors.fetch_add(1, Relaxed).is_multiple_of(1000)
        {
            tracing::warn!(error = %e, "tier: a block can't be kept on disk (one line for 1000 of them)");
        }
    }
}

impl From<store::Error> for ReadError {
    fn from(e: store::Error) -> Self {
        Self::Store(e)
    }
}

impl From<VerifyError> for ReadError {
    fn from(e: VerifyError) -> Self {
        match e {
            VerifyError::Store(e) => Self::Store(e),
            e => Self::Damaged(e.to_string()),
        }
    }
}
