//! Deletes what no manifest names. The manifest changes first, objects go after a grace that is longer than the longest read and the longest
//! upload; so nothing that is named is ever missing, and what a crash left behind goes too.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use store::register::{Keep, Register};
use store::{Key, LIST_MAX, Meta, SharedStore};

use crate::PartitionId;
use crate::bucket;
use crate::layout::Layout;
use crate::manifest::{Manifest, Spill};
use crate::read::ReadError;
use crate::restore;
use crate::verify::VerifyError;

/// Old manifests that stay, for people.
const VERSIONS_KEPT: u64 = 10;

/// And how long every manifest stays after it was replaced: no reader of the register sleeps longer unnoticed (`Keep::grace`).
const VERSION_GRACE: Duration = Duration::from_secs(20 * 60);

/// What cleaning found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Objects that no manifest names, older than the grace.
    pub orphans: Vec<Key>,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads that were begun and never completed.
    pub uploads: usize,
    /// Old versions of the manifest.
    pub versions: usize,
}

/// Cleans one partition. `dry`: only says what it would delete.
///
/// What is named is asked of the store itself, after each listing: whoever cleans may have slept since it last knew, while its successor
/// uploaded and named what is older than the grace by now.
///
/// # Errors
/// The store. What was not deleted is by the next run.
pub async fn partition(
    store: &SharedStore,
    layout: &Layout,
    p: PartitionId,
    grace: Duration,
    dry: bool,
) -> Result<Cleaned, ReadError> {
    let now = SystemTime::now();
    let mut cleaned = Cleaned::default();
    for prefix in [layout.segments(p), format!("{}/spill/", layout.partition(p))] {
        sweep((store, layout, p), &prefix, (now, grace, dry), &mut cleaned).await?;
    }
    if !dry {
        cleaned.uploads = store.abort_uploads(&layout.segments(p), grace).await?;
        let register = Register::new(store.clone(), layout.manifests(p));
        let keep = Keep { versions: VERSIONS_KEPT, grace: grace.max(VERSION_GRACE) };
        cleaned.versions = register.collect(keep, now).await?;
    }
    Ok(cleaned)
}

async fn sweep(
    (store, layout, p): (&SharedStore, &Layout, PartitionId),
    prefix: &str,
    (now, grace, dry): (SystemTime, Duration, bool),
    cleaned: &mut Cleaned,
) -> Result<(), ReadError> {
    let mut after = None;
    loop {
        let page = store.list(prefix, after.as_ref(), LIST_MAX).await?;
        // Without a manifest nothing is known, and nothing goes.
        let Some(m) = bucket::manifest(store, layout, p).await? else { return Ok(()) };
        let named = named(store, layout, &m).await?;
        let orphans: Vec<_> = page.iter().filter(|meta| is_orphan(meta, &named, now, grace)).collect();
        cleaned.bytes += orphans.iter().map(|meta| meta.size).sum::<u64>();
        let keys: Vec<_> = orphans.iter().map(|meta| meta.key.clone()).collect();
        if !dry && !keys.is_empty() {
            store.delete(&keys).await?;
        }
        cleaned.orphans.extend(keys);
        match page.last() {
            Some(last) if page.len() == LIST_MAX => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}

/// An object that is not named, and so old that nobody can be about to name it, or still be reading it.
fn is_orphan(meta: &Meta, named: &HashSet<Key>, now: SystemTime, grace: Duration) -> bool {
    let old = now.duration_since(meta.written).is_ok_and(|age| age >= grace);
    old && !named.contains(&meta.key)
}

/// Every object that a manifest names.
///
/// # Errors
/// The store, or a damaged spill: then nothing may be deleted.
pub async fn named(store: &SharedStore, layout: &Layout, m: &Manifest) -> Result<HashSet<Key>, VerifyError> {
    let spill = |s: &Spill| layout.spill(m.partition, s.base, s.nonce);
    let mut out: HashSet<_> = m.spills.iter().map(spill).collect();
    let p: PartitionId = m.partition;
    for e in &restore::entries(store, layout, m).await? {
        out.extend([layout.log(p, e), layout.aux(p, e)]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kafka::types::Offset;
    use store::memory::Memory;
    use store::{Mode, Store};

    use super::*;
    use crate::offload::plan::Rules;
    use crate::offload::{Offloader, Step, Tools};
    use crate::testing::{FakeLog, batch, named as partition_of_tests};

    async fn stage() -> (Arc<Memory>, Layout, Offloader) {
        let (store, log) = (Arc::new(Memory::default()), Arc::new(FakeLog::default()));
        log.with(|l| l.batches = (0..30).map(|i| batch(i * 10, 10, 1)).collect());
        let layout = Layout::new("c").unwrap();
        let tools = Tools { store: store.clone(), layout: layout.clone(), source: log, pace: Arc::default() };
        let rules = Rules { segment_bytes: 1000, segment_age: Duration::ZERO, trim: None };
        let mut offloader = Offloader::take_over(tools, partition_of_tests(), rules, "me").await.unwrap();
        while offloader.step().await.unwrap() != Step::Idle {}
        (store, layout, offloader)
    }

    #[tokio::test]
    async fn what_is_named_stays_and_what_retention_or_a_crash_left_goes_after_the_grace() {
        let (store, layout, mut offloader) = stage().await;
        let shared: SharedStore = store.clone();
        let orphan = Key::new(&format!("{}x/0.log", layout.segments(partition_of_tests().id))).unwrap();
        store.put(&orphan, "half".into(), Mode::Create).await.unwrap();
        let dropped = layout.log(partition_of_tests().id, &offloader.manifest().entries[0]);
        offloader.raise_start(offloader.manifest().entries[0].end()).await.unwrap();
        let m = offloader.manifest().clone();

        let young = partition(&shared, &layout, m.partition, Duration::from_secs(60), false).await.unwrap();
        assert_eq!(young.orphans, vec![], "a reader may still be at it");
        let dry = partition(&shared, &layout, m.partition, Duration::ZERO, true).await.unwrap();
        assert_eq!(dry.orphans.len(), 3, "log, aux, half an upload: {:?}", dry.orphans);
        assert!(store.head(&dropped).await.is_ok(), "a dry run deletes nothing");
        partition(&shared, &layout, m.partition, Duration::ZERO, false).await.unwrap();
        assert!(store.head(&dropped).await.is_err() && store.head(&orphan).await.is_err());
        for key in named(&shared, &layout, &m).await.unwrap() {
            assert!(store.head(&key).await.is_ok(), "{key}");
        }
        assert!(m.end() > Offset(0));
    }

    #[tokio::test]
    async fn whoever_slept_since_it_last_knew_deletes_nothing_that_its_successor_named() {
        let (store, layout, asleep) = stage().await;
        let shared: SharedStore = store.clone();
        let (log, id) = (Arc::new(FakeLog::default()), partition_of_tests().id);
        log.with(|l| l.batches = (0..60).map(|i| batch(i * 10, 10, 1)).collect());
        let tools = Tools { store: store.clone(), layout: layout.clone(), source: log, pace: Arc::default() };
        let rules = Rules { segment_bytes: 1000, segment_age: Duration::ZERO, trim: None };
        let mut successor = Offloader::take_over(tools, partition_of_tests(), rules, "other").await.unwrap();
        while successor.step().await.unwrap() != Step::Idle {}
        assert!(successor.manifest().segments() > asleep.manifest().segments(), "it went on");
        partition(&shared, &layout, id, Duration::ZERO, false).await.unwrap();
        for key in named(&shared, &layout, successor.manifest()).await.unwrap() {
            assert!(store.head(&key).await.is_ok(), "{key}");
        }
    }
}
