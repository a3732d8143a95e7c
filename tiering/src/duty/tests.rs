use async_trait::async_trait;
use kafka::client::log::Fetched;
use kafka::types::{LeaderEpoch, Partition};
use store::SharedStore;
use store::memory::Memory;

use super::*;
use crate::layout::Layout;
use crate::read::Reader;
use crate::source::{Source, SourceError};
use crate::testing::{FakeLog, batch, named};

/// Segments of each partition.
const SEGMENTS: i64 = 30;
const BACKFILLS: i32 = 40;

/// A log that others may work during: one in memory alone answers before anybody has to wait.
#[derive(Debug)]
struct Slow(FakeLog);

#[async_trait]
impl Source for Slow {
    async fn fetch(
        &self,
        p: &Named,
        from: Offset,
        last_epoch: LeaderEpoch,
        max_bytes: u32,
    ) -> Result<Fetched, SourceError> {
        tokio::task::yield_now().await;
        self.0.fetch(p, from, last_epoch, max_bytes).await
    }

    async fn log_start(&self, p: &Named) -> Result<Offset, SourceError> {
        self.0.log_start(p).await
    }

    async fn ends(&self, p: &Named) -> Result<(Offset, Offset), SourceError> {
        self.0.ends(p).await
    }

    async fn trim(&self, p: &Named, to: Offset) -> Result<(), SourceError> {
        self.0.trim(p, to).await
    }
}

fn assignment(partition: i32, retention: Retention) -> Assignment {
    let mut name = named();
    name.id.partition = Partition(partition);
    let rules = Rules { segment_bytes: 1, segment_age: Duration::ZERO, trim: None };
    Assignment { name, rules, retain: Hot::default(), retention }
}

#[tokio::test]
async fn a_partition_that_retention_threatens_is_copied_before_long_backfills_that_came_first() {
    let log = Arc::new(Slow(FakeLog::default()));
    // Written long ago: a retention of a day is over already.
    log.0.with(|l| l.batches = (0..SEGMENTS).map(|n| batch(n * 10, 10, 1)).collect());
    let (store, layout): (SharedStore, _) = (Arc::new(Memory::default()), Layout::new("c").unwrap());
    let reader = Reader::new(store.clone(), layout.clone(), 1 << 20, TaskTracker::new());
    let tier = Arc::new(Tier::new(store.clone(), layout.clone(), log.clone(), reader));
    let tools = Tools { store, layout, source: log, pace: Arc::default() };
    let duty = Arc::new(Duty::new(tools, tier.clone(), "me"));
    let mut all: Vec<_> = (1..=BACKFILLS).map(|n| assignment(n, Retention::default())).collect();
    let day = Retention { time: Some(Duration::from_secs(86_400)), bytes: None };
    let threatened = assignment(0, day);
    all.push(threatened.clone());
    let (_assigned, receiver) = watch::channel(Arc::new(all.clone()));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ends = Ends { leave: CancellationToken::new(), stop: stop.clone() };
    let running = tokio::spawn(duty.clone().run(receiver, tasks.clone(), ends));
    let copied = |a: &Assignment| tier.extent(a.name.id).map_or(0, |e| e.end.0 / 10);
    let done = async {
        while copied(&threatened) < SEGMENTS {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("it is copied");
    let others: i64 = all.iter().filter(|a| **a != threatened).map(copied).sum();
    assert!(others > 0, "they go on meanwhile");
    assert!(others < i64::from(BACKFILLS) * SEGMENTS / 2, "{others} segments of backfills came first");
    let standing = duty.standing.get(&threatened.name.id).and_then(|s| s.1.headroom());
    assert!(standing.is_some_and(|seconds| seconds < 0), "{standing:?}");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    running.await.unwrap();
}
