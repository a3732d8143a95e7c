//! What a gateway knows of the tier: the newest manifest of each partition, and the reader.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use kafka::batch::Batches;
use kafka::types::{LeaderEpoch, Offset, Partition, TopicId};
use store::register::{Register, Seq};
use store::{Key, SharedStore};

use crate::PartitionId;
use crate::layout::{Layout, Marker, marker_id, read_marker};
use crate::manifest::Manifest;
use crate::read::{ReadError, Reader, Slice};
use crate::source::{Named, Source, SourceError};

/// How long a look for a newer manifest is believed by those who ask again and again.
const LOOK_LASTS: Duration = Duration::from_secs(1);
/// How long a leader's word on where its log begins and ends is believed.
const HEARD_LASTS: Duration = Duration::from_millis(500);
/// How much is fetched to see whether a leader's log took another turn: one batch.
const PEEK: u32 = 1;

/// The offsets of a partition that the tier can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first offset of the whole log that clients may read.
    pub start: Offset,
    /// The end of what the tier holds.
    pub end: Offset,
    /// Below this, brokers may have dropped their copy.
    pub trimmed: Offset,
}

#[derive(Clone, Debug)]
struct Held {
    seq: Seq,
    manifest: Arc<Manifest>,
}

/// What the leader said of its log, and when.
type Heard<T> = Arc<tokio::sync::Mutex<Option<(Instant, T)>>>;

/// The tier.
#[derive(Debug)]
pub struct Tier {
    /// The store, for small records.
    pub store: SharedStore,
    /// Where things lie in it.
    pub layout: Layout,
    /// Reads.
    pub reader: Reader,
    source: Arc<dyn Source>,
    held: DashMap<PartitionId, Held>,
    /// Kept, because each remembers when it was last listed.
    registers: DashMap<PartitionId, Register>,
    looked: DashMap<PartitionId, Instant>,
    /// The high watermark and the last stable offset.
    ends: DashMap<PartitionId, Heard<(Offset, Offset)>>,
    starts: DashMap<PartitionId, Heard<Offset>>,
}

impl Tier {
    /// A tier of which nothing is known yet. `store` is for small records.
    pub fn new(store: SharedStore, layout: Layout, source: Arc<dyn Source>, reader: Reader) -> Self {
        Self {
            store,
            layout,
            reader,
            source,
            held: DashMap::new(),
            registers: DashMap::new(),
            looked: DashMap::new(),
            ends: DashMap::new(),
            starts: DashMap::new(),
        }
    }

    /// What the tier can serve of a partition, as far as this gateway knows.
    pub fn extent(&self, p: PartitionId) -> Option<Extent> {
        let held = self.held.get(&p)?;
        let m = &held.manifest;
        (m.segments() > 0).then(|| Extent { start: m.start, end: m.end(), trimmed: m.trimmed })
    }

    /// A partition's newest manifest, as far as this gateway knows.
    pub fn manifest(&self, p: PartitionId) -> Option<Arc<Manifest>> {
        self.held.get(&p).map(|held| held.manifest.clone())
    }

    /// Every manifest this gateway knows.
    pub fn manifests(&self) -> Vec<Arc<Manifest>> {
        self.held.iter().map(|held| held.manifest.clone()).collect()
    }

    /// Notes a newer manifest. An older one is ignored.
    pub fn publish(&self, seq: Seq, manifest: Arc<Manifest>) {
        let mut held =
            self.held.entry(manifest.partition).or_insert_with(|| Held { seq, manifest: manifest.clone() });
        if held.seq < seq {
            *held = Held { seq, manifest };
        }
    }

    /// Looks for a newer manifest in the store, and returns the newest.
    ///
    /// # Errors
    /// The store; or what is there is no manifest.
    pub async fn refresh(&self, p: PartitionId) -> Result<Option<Arc<Manifest>>, ReadError> {
        let known = self.held.get(&p).map(|held| held.seq);
        let register = self.registers.entry(p);
        let register =
            register.or_insert_with(|| Register::new(self.store.clone(), self.layout.manifests(p))).clone();
        if let Some(version) = register.read_newest(known).await?
            && !version.body.is_empty()
        {
            let manifest = Manifest::decode(&version.body).map_err(|e| ReadError::Damaged(e.to_string()))?;
            self.publish(version.seq, Arc::new(manifest));
        }
        Ok(self.manifest(p))
    }

    /// As [`refresh`](Self::refresh), unless somebody looked within the last second.
    ///
    /// # Errors
    /// As there.
    pub async fn refresh_lately(&self, p: PartitionId) -> Result<Option<Arc<Manifest>>, ReadError> {
        if self.looked.get(&p).is_some_and(|at| at.elapsed() < LOOK_LASTS) {
            return Ok(self.manifest(p));
        }
        let manifest = self.refresh(p).await?;
        self.looked.insert(p, Instant::now());
        Ok(manifest)
    }

    /// What the brokers have from `from` on, read_committed: behind a range that nobody has.
    ///
    /// # Errors
    /// They can't be asked, or don't have it either.
    pub async fn beyond(&self, p: &Named, from: Offset, max_bytes: u32) -> Result<Slice, SourceError> {
        let fetched = self.source.fetch(p, from, LeaderEpoch(-1), max_bytes).await?;
        let mut batches = Batches::new(&fetched.records);
        let last = batches.by_ref().map_while(Result::ok).last();
        let end = last.map_or(from, |b| b.end_offset());
        let whole = batches.position();
        Ok(Slice { records: fetched.records.slice(..whole), end, aborted: fetched.aborted })
    }

    /// The leader's high watermark and last stable offset, at most half a second old.
    ///
    /// # Errors
    /// Nobody could be asked.
    pub async fn ends(&self, p: &Named) -> Result<(Offset, Offset), SourceError> {
        let heard = self.ends.entry(p.id).or_default().clone();
        lately(&heard, self.source.ends(p)).await
    }

    /// Whether the leader's log, as far back as it reaches, is the one that the tier has `[from, to)` of. It isn't after an unclean election, until the
    /// tier has followed.
    ///
    /// # Errors
    /// Nobody could be asked.
    pub async fn agrees(
        &self,
        p: &Named,
        m: &Manifest,
        from: Offset,
        to: Offset,
    ) -> Result<bool, SourceError> {
        let heard = self.starts.entry(p.id).or_default().clone();
        if from < lately(&heard, self.source.log_start(p)).await? {
            return Ok(true);
        }
        match self.source.fetch(p, to, m.epoch_at(Offset(to.0 - 1)), PEEK).await {
            Ok(fetched) => Ok(fetched.diverging.is_none()),
            Err(e) if e.is_out_of_range() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The ids of all topics that have something in the bucket: a listing per thousand.
    ///
    /// # Errors
    /// The store.
    pub async fn topic_ids(&self) -> Result<HashSet<TopicId>, store::Error> {
        Ok(markers(&self.store, &self.layout).await?.into_iter().map(|(id, _)| id).collect())
    }
}

/// What was heard lately, or is asked now.
async fn lately<T: Copy>(
    heard: &Heard<T>,
    ask: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    let mut heard = heard.lock().await;
    if let Some((at, said)) = *heard
        && at.elapsed() < HEARD_LASTS
    {
        return Ok(said);
    }
    let said = ask.await?;
    *heard = Some((Instant::now(), said));
    Ok(said)
}

/// The markers in the bucket. Some stores list what is still being written as well, under a name of its own.
async fn markers(store: &SharedStore, layout: &Layout) -> Result<Vec<(TopicId, Key)>, store::Error> {
    let all = store::list_all(&**store, &layout.topics()).await?;
    Ok(all.into_iter().filter_map(|meta| Some((marker_id(&meta.key)?, meta.key))).collect())
}

/// Every topic that has something in the bucket.
///
/// # Errors
/// The store.
pub async fn topics(store: &SharedStore, layout: &Layout) -> Result<Vec<(TopicId, Marker)>, store::Error> {
    let mut out = Vec::new();
    for (id, key) in markers(store, layout).await? {
        out.extend(read_marker(&store.get(&key).await?).map(|marker| (id, marker)));
    }
    Ok(out)
}

/// The partitions of a topic that have something in the bucket: one small listing each.
///
/// # Errors
/// The store.
pub async fn partitions(
    store: &SharedStore,
    layout: &Layout,
    topic: TopicId,
) -> Result<BTreeSet<Partition>, store::Error> {
    let prefix = layout.topic_prefix(PartitionId { topic, partition: Partition(0) });
    let (mut out, mut after) = (BTreeSet::new(), None);
    loop {
        let next = store.list(&prefix, after.as_ref(), 1).await?;
        let found = next.first().and_then(|meta| meta.key.as_str().strip_prefix(&prefix));
        let Some(digits) = found.and_then(|rest| rest.split('/').next()) else { return Ok(out) };
        if let Ok(partition) = digits.parse() {
            out.insert(Partition(partition));
        }
        // `~` sorts behind everything that a partition has.
        after = Key::new(&format!("{prefix}{digits}/~"));
    }
}

#[cfg(test)]
mod tests {
    use store::memory::Memory;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::testing::{FakeLog, batch, named};

    fn tier(log: FakeLog) -> Tier {
        let (store, layout): (SharedStore, _) =
            (Arc::new(Memory::default()), Layout::new("c").expect("an id"));
        let reader = Reader::new(store.clone(), layout.clone(), 64 << 20, TaskTracker::new());
        Tier::new(store, layout, Arc::new(log), reader)
    }

    #[tokio::test]
    async fn behind_a_range_that_nobody_has_readers_go_on_with_whole_batches_of_the_brokers() {
        let log = FakeLog::default();
        let one = batch(150, 10, 0).len();
        log.with(|l| (l.batches, l.start) = (vec![batch(150, 10, 0), batch(160, 10, 0)], 150));
        let slice = tier(log).beyond(&named(), Offset(150), one as u32 + 7).await.expect("brokers have it");
        assert_eq!((slice.records.len(), slice.end), (one, Offset(160)), "what is cut off is left out");
    }

    #[tokio::test]
    async fn what_the_leader_has_not_dropped_and_does_not_have_is_of_another_turn_of_its_log() {
        let log = FakeLog::default();
        log.with(|l| (l.batches, l.start) = ((0..6).map(|n| batch(n * 10, 10, 0)).collect(), 20));
        let (log, name) = (Arc::new(log), named());
        let (store, layout): (SharedStore, _) =
            (Arc::new(Memory::default()), Layout::new("c").expect("an id"));
        let reader = Reader::new(store.clone(), layout.clone(), 64 << 20, TaskTracker::new());
        let tier = Tier::new(store, layout, log.clone(), reader);
        let mut m = Manifest::new("orders", name.id, Offset(0));
        m.lineage.note(LeaderEpoch(0), Offset(0));
        let agrees = |from, to| tier.agrees(&name, &m, Offset(from), Offset(to));
        assert!(agrees(10, 30).await.expect("asked"), "its log begins behind it");
        assert!(agrees(30, 60).await.expect("asked"), "it has them, too");
        assert!(!agrees(50, 70).await.expect("asked"), "its log ends before");
        log.with(|l| l.diverging = Some((0, 40)));
        assert!(!agrees(30, 50).await.expect("asked"), "another epoch goes on there");
    }

    #[tokio::test]
    async fn an_older_manifest_never_replaces_a_newer_one() {
        let tier = tier(FakeLog::default());
        let at = |start| Arc::new(Manifest::new("orders", named().id, Offset(start)));
        let seq = |n| Seq::new(n).expect("a number");
        tier.publish(seq(2), at(20));
        tier.publish(seq(1), at(10));
        assert_eq!(tier.manifest(named().id).expect("one").start, Offset(20));
        tier.publish(seq(3), at(30));
        assert_eq!(tier.manifest(named().id).expect("one").start, Offset(30));
    }
}
