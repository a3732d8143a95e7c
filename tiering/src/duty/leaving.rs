use kafka::client::log::Fetched;
use kafka::types::LeaderEpoch;
use store::memory::Memory;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::layout::Layout;
use crate::offload::Pace;
use crate::read::Reader;
use crate::source::{Source, SourceError};
use crate::testing::{FakeLog, batch, named};

/// A log whose fetches wait until they are let go.
#[derive(Debug)]
struct Gated {
    log: FakeLog,
    asked: Notify,
    go: Semaphore,
}

#[async_trait::async_trait]
impl Source for Gated {
    async fn fetch(
        &self,
        p: &Named,
        from: Offset,
        epoch: LeaderEpoch,
        max: u32,
    ) -> Result<Fetched, SourceError> {
        self.asked.notify_one();
        self.go.acquire().await.expect("open").forget();
        self.log.fetch(p, from, epoch, max).await
    }

    async fn log_start(&self, p: &Named) -> Result<Offset, SourceError> {
        self.log.log_start(p).await
    }

    async fn ends(&self, p: &Named) -> Result<(Offset, Offset), SourceError> {
        self.log.ends(p).await
    }

    async fn trim(&self, p: &Named, to: Offset) -> Result<(), SourceError> {
        self.log.trim(p, to).await
    }
}

#[tokio::test]
async fn a_duty_that_is_to_end_gets_to_the_end_of_its_step_and_begins_no_other() {
    let log = FakeLog::default();
    log.with(|l| l.batches = (0..100).map(|i| batch(i * 10, 10, i)).collect());
    let source = Arc::new(Gated { log, asked: Notify::new(), go: Semaphore::new(0) });
    let (store, layout) = (Arc::new(Memory::default()), Layout::new("cluster-1").expect("a layout"));
    let tools = Tools {
        store: store.clone(),
        layout: layout.clone(),
        source: source.clone(),
        pace: Arc::<Pace>::default(),
    };
    let reader = Reader::new(store.clone(), layout.clone(), 1 << 20, TaskTracker::new());
    let tier = Arc::new(Tier::new(store, layout, source.clone(), reader));
    let duty = Arc::new(Duty::new(tools.clone(), tier, "me"));
    let rules = Rules { segment_bytes: 1000, segment_age: Duration::ZERO, trim: None };
    let assignment =
        Assignment { name: named(), rules, retain: Hot::default(), retention: Retention::default() };
    let (_assigned, receiver) = watch::channel(Arc::new(vec![assignment]));
    let (tasks, ends) =
        (TaskTracker::new(), Ends { leave: CancellationToken::new(), stop: CancellationToken::new() });
    tasks.spawn(duty.run(receiver, tasks.clone(), ends.clone()));
    source.asked.notified().await;
    ends.leave.cancel();
    tasks.close();
    assert!(!tasks.is_empty(), "its step is under way");
    source.go.add_permits(1_000);
    tokio::time::timeout(Duration::from_secs(20), tasks.wait()).await.expect("it ends by itself");
    let next = Offloader::take_over(tools, named(), rules, "next").await.expect("the next owner");
    assert_eq!(next.manifest().segments(), 1, "the step's segment is durable, and no other");
}
