use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kafka::batch::{BatchView, set_base_offset};
use store::memory::Memory;

use super::*;
use crate::manifest::Manifest;
use crate::offload::plan::Rules;
use crate::offload::{Offloader, Step, Tools};
use crate::testing::{FakeLog, abort_marker, batch, commit_marker, in_transaction, named, view};

const PRODUCER: Producer = Producer { id: 77, epoch: 3 };

/// Aborted transactions: producer, first offset, marker.
type Aborted = Vec<(i64, i64, i64)>;

/// A partition as a broker has it: batches and markers, one after the other.
#[derive(Default)]
struct FakeTarget {
    batches: Vec<Vec<u8>>,
    end: i64,
    sequence: i32,
    start: i64,
    /// Somebody else writes a record behind this many batches.
    intruder: Option<usize>,
}

#[async_trait]
impl Target for FakeTarget {
    async fn append(&mut self, bytes: &[u8]) -> Result<Offset, TargetError> {
        if self.intruder == Some(self.batches.len()) {
            self.end += 1;
        }
        let one = view(bytes);
        assert!(one.crc_ok() && one.size() == bytes.len(), "one sound batch");
        assert_eq!((one.producer_id(), one.producer_epoch()), (PRODUCER.id, PRODUCER.epoch));
        assert_eq!((one.base_sequence(), one.base_offset()), (self.sequence, Offset(0)));
        assert!(!one.is_transactional() && !one.is_control());
        self.sequence += one.record_count();
        let base = Offset(self.end);
        self.end += i64::from(one.record_count());
        let mut kept = bytes.to_vec();
        set_base_offset(&mut kept, base).unwrap();
        self.batches.push(kept);
        Ok(base)
    }

    async fn skip(&mut self, from: Offset, count: i64) -> Result<(), TargetError> {
        assert_eq!(from.0, self.end);
        self.end += count;
        Ok(())
    }

    async fn end(&mut self) -> Result<Offset, TargetError> {
        Ok(Offset(self.end))
    }

    async fn start(&mut self) -> Result<Offset, TargetError> {
        Ok(Offset(self.start))
    }

    async fn begin_at(&mut self, to: Offset) -> Result<(), TargetError> {
        self.start = to.0;
        Ok(())
    }
}

struct Stage {
    store: SharedStore,
    layout: Layout,
    manifest: Manifest,
}

impl Stage {
    fn history(&self) -> History<'_> {
        History { store: &self.store, layout: &self.layout, manifest: &self.manifest }
    }

    async fn refill(&self, target: &mut FakeTarget) -> Result<Counts, RefillError> {
        self.history().refill(target, PRODUCER, &Arc::default(), |_| {}).await
    }
}

/// A bucket that holds this log.
async fn tiered(batches: Vec<Vec<u8>>, aborted: Aborted) -> Stage {
    let (memory, log) = (Memory::default(), Arc::new(FakeLog::default()));
    log.with(|l| (l.batches, l.aborted) = (batches, aborted));
    let (store, layout): (SharedStore, _) = (Arc::new(memory), Layout::new("c").unwrap());
    let tools = Tools { store: store.clone(), layout: layout.clone(), source: log, pace: Arc::default() };
    let rules = Rules { segment_bytes: 400, segment_age: Duration::ZERO, trim: None };
    let mut offloader = Offloader::take_over(tools, named(), rules, "me").await.unwrap();
    while offloader.step().await.unwrap() != Step::Idle {}
    let manifest = offloader.manifest().clone();
    assert!(manifest.segments() > 1, "it is cut into several");
    Stage { store, layout, manifest }
}

/// What a consumer is shown of a batch, and where.
fn shown(b: &BatchView<'_>) -> (i64, i64, Vec<u8>) {
    // Timestamps, and from the record count on everything.
    let bytes = [&b.bytes()[27..43], &b.bytes()[57..]].concat();
    (b.base_offset().0, b.end_offset().0, bytes)
}

/// Data, a committed and an aborted transaction that lie in each other, markers at the end.
fn mixed() -> (Vec<Vec<u8>>, Aborted) {
    let batches = vec![
        batch(0, 10, 100),
        in_transaction(10, 5, 1),
        in_transaction(15, 5, 2),
        in_transaction(20, 1, 1),
        commit_marker(1, 21),
        batch(22, 3, 90),
        in_transaction(25, 2, 2),
        abort_marker(2, 27),
        batch(28, 2, 120),
        in_transaction(30, 4, 2),
        commit_marker(2, 34),
    ];
    (batches, vec![(2, 15, 27)])
}

#[tokio::test]
async fn whoever_reads_committed_data_finds_it_at_its_own_offsets_and_nothing_else() {
    let (batches, aborted) = mixed();
    let kept: Vec<_> = [0, 1, 3, 5, 8, 9].map(|n: usize| shown(&view(&batches[n]))).to_vec();
    let stage = tiered(batches, aborted).await;
    let mut target = FakeTarget::default();
    let counts = stage.refill(&mut target).await.unwrap();
    let found: Vec<_> = target.batches.iter().map(|b| shown(&view(b))).collect();
    assert_eq!(found, kept);
    assert_eq!((target.end, target.start), (35, 0));
    let wanted = (25, 6, 2, 10, 0);
    assert_eq!((counts.records, counts.batches, counts.aborted, counts.filled, counts.before), wanted);
    assert_eq!(stage.history().survey(|_| {}).await.unwrap(), counts, "a survey says what will be done");
}

#[tokio::test]
async fn a_log_that_begins_later_does_so_again() {
    let (batches, aborted) = mixed();
    let mut stage = tiered(batches, aborted).await;
    // In the middle of the batch at 22.
    stage.manifest.raise_start(Offset(23));
    let mut target = FakeTarget::default();
    let counts = stage.refill(&mut target).await.unwrap();
    assert_eq!((target.end, target.start, counts.before), (35, 23, 22));
    let visible: Vec<_> =
        target.batches.iter().map(|b| view(b).base_offset().0).filter(|b| *b >= 22).collect();
    assert_eq!(visible, vec![22, 28, 30]);
}

#[tokio::test]
async fn a_batch_that_is_given_another_offset_ends_it_at_once() {
    let (batches, aborted) = mixed();
    let stage = tiered(batches, aborted).await;
    let mut target = FakeTarget { intruder: Some(2), ..FakeTarget::default() };
    let failed = stage.refill(&mut target).await;
    assert!(matches!(failed, Err(RefillError::Elsewhere { wanted: 20, given: 21 })), "{failed:?}");
    assert_eq!(target.batches.len(), 3);
}

#[tokio::test]
async fn a_log_whose_last_marker_is_lost_does_not_pass_for_whole() {
    struct Lossy(FakeTarget);
    #[async_trait]
    impl Target for Lossy {
        async fn append(&mut self, bytes: &[u8]) -> Result<Offset, TargetError> {
            self.0.append(bytes).await
        }
        async fn skip(&mut self, from: Offset, count: i64) -> Result<(), TargetError> {
            if from.0 < 34 { self.0.skip(from, count).await } else { Ok(()) }
        }
        async fn end(&mut self) -> Result<Offset, TargetError> {
            self.0.end().await
        }
        async fn start(&mut self) -> Result<Offset, TargetError> {
            self.0.start().await
        }
        async fn begin_at(&mut self, to: Offset) -> Result<(), TargetError> {
            self.0.begin_at(to).await
        }
    }
    let (batches, aborted) = mixed();
    let stage = tiered(batches, aborted).await;
    let mut target = Lossy(FakeTarget::default());
    let failed = stage.history().refill(&mut target, PRODUCER, &Arc::default(), |_| {}).await;
    let short = RefillError::Target(TargetError::End { wanted: 35, found: 34 });
    assert_eq!(failed.unwrap_err().to_string(), short.to_string());
}
