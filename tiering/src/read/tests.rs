use std::time::Duration;

use kafka::batch::Batches;
use store::memory::Memory;

use super::*;
use crate::offload::plan::Rules;
use crate::offload::{Offloader, Step, Tools};
use crate::testing::{FakeLog, abort_marker, batch, commit_marker, in_transaction, named, view};

struct Stage {
    store: Arc<Memory>,
    log: Arc<FakeLog>,
    reader: Reader,
    manifest: Manifest,
}

/// A log that lies in the tier in segments of about `segment` bytes.
async fn stage(batches: Vec<Vec<u8>>, aborted: Vec<(i64, i64, i64)>, segment: u32) -> Stage {
    let (store, log) = (Arc::new(Memory::default()), Arc::new(FakeLog::default()));
    log.with(|l| (l.batches, l.aborted) = (batches, aborted));
    let layout = Layout::new("cluster-1").unwrap();
    let tools =
        Tools { store: store.clone(), layout: layout.clone(), source: log.clone(), pace: Arc::default() };
    let rules = Rules { segment_bytes: segment, segment_age: Duration::ZERO, trim: None };
    let mut offloader = Offloader::take_over(tools, named(), rules, "me").await.unwrap();
    while offloader.step().await.unwrap() != Step::Idle {}
    let manifest = offloader.manifest().clone();
    Stage { log, reader: Reader::new(store.clone(), layout, 64 << 20, TaskTracker::new()), manifest, store }
}

fn plain(n: i64) -> Vec<Vec<u8>> {
    (0..n).map(|i| batch(i * 10, 10, i * 100)).collect()
}

#[tokio::test]
async fn a_read_from_any_offset_begins_with_the_batch_that_holds_it_and_is_the_logs_own_bytes() {
    let s = stage(plain(40), vec![], 1500).await;
    assert!(s.manifest.segments() > 3);
    for from in 0..400 {
        let slice = s.reader.read(&s.manifest, Offset(from), 500, true).await.unwrap().unwrap();
        assert_eq!(view(&slice.records).base_offset().0, from / 10 * 10);
        assert_eq!(slice.records[..], s.log.with(|l| l.bytes(from, slice.end.0))[..], "from {from}");
    }
    assert_eq!(s.reader.read(&s.manifest, Offset(400), 500, true).await.unwrap(), None);
}

#[tokio::test]
async fn bytes_are_bounded_but_one_batch_always_comes_where_it_must() {
    let s = stage(plain(10), vec![], 100_000).await;
    let one = batch(0, 10, 0).len();
    let read = async |max, one| s.reader.read(&s.manifest, Offset(0), max, one).await.unwrap();
    assert_eq!(read(one * 3 + 1, true).await.unwrap().records.len(), one * 3);
    assert_eq!(read(1, true).await.unwrap().records.len(), one);
    assert_eq!(read(1, false).await.unwrap().records.len(), 0);
}

#[tokio::test]
async fn an_offset_in_a_hole_reads_on_at_the_next_batch_even_in_another_segment() {
    let batches = vec![batch(0, 10, 0), batch(500, 10, 0), batch(900, 10, 0)];
    let s = stage(batches, vec![], 1).await;
    assert_eq!(s.manifest.segments(), 3);
    for (from, base) in [(10, 500), (499, 500), (510, 900), (899, 900)] {
        let slice = s.reader.read(&s.manifest, Offset(from), 1, true).await.unwrap().unwrap();
        assert_eq!(view(&slice.records).base_offset().0, base, "from {from}");
    }
}

#[tokio::test]
async fn a_reader_is_told_of_exactly_the_aborted_transactions_in_its_range() {
    let batches = vec![
        in_transaction(0, 10, 1),
        in_transaction(10, 10, 2),
        abort_marker(1, 20),
        in_transaction(21, 9, 1),
        commit_marker(2, 30),
        abort_marker(1, 31),
        batch(32, 8, 0),
    ];
    let s = stage(batches, vec![(1, 0, 20), (1, 21, 31)], 1).await;
    let aborted =
        async |from| s.reader.read(&s.manifest, Offset(from), 1, true).await.unwrap().unwrap().aborted;
    assert_eq!(aborted(0).await, vec![(1, 0)]);
    assert_eq!(aborted(20).await, vec![(1, 0)], "the marker itself");
    assert_eq!(aborted(21).await, vec![(1, 21)], "the first one's marker lies before");
    assert_eq!(aborted(31).await, vec![(1, 21)]);
    assert_eq!(aborted(32).await, vec![]);
}

#[tokio::test]
async fn a_time_is_found_at_its_first_record_though_timestamps_are_out_of_order() {
    let batches = vec![batch(0, 10, 100), batch(10, 10, 900), batch(20, 10, 300), batch(30, 10, 1000)];
    let mut s = stage(batches, vec![], 1).await;
    let find = async |s: &Stage, t| {
        s.reader.find_time(&s.manifest, t).await.unwrap().map(|f| (f.timestamp, f.offset.0))
    };
    assert_eq!(find(&s, 0).await, Some((100, 0)));
    assert_eq!(find(&s, 101).await, Some((900, 10)));
    assert_eq!(find(&s, 901).await, Some((1000, 30)));
    assert_eq!(find(&s, 1001).await, None);
    s.manifest.raise_start(Offset(15));
    assert_eq!(find(&s, 0).await, Some((900, 15)), "never before what may be read");
}

#[tokio::test]
async fn a_flipped_byte_in_the_store_is_never_served() {
    let s = stage(plain(10), vec![], 100_000).await;
    let store = Arc::new(Memory::default());
    let layout = Layout::new("cluster-1").unwrap();
    let entry = s.manifest.entries[0];
    let id = s.manifest.partition;
    let mut bytes = s.log.with(|l| l.bytes(0, 100));
    bytes[777] ^= 1;
    use store::Store;
    store.put(&layout.log(id, &entry), bytes.into(), store::Mode::Create).await.unwrap();
    let aux = s.reader.blocks.aux(id, entry).await.unwrap();
    store.put(&layout.aux(id, &entry), aux.encode().into(), store::Mode::Create).await.unwrap();
    let damaged = Reader::new(store, layout, 64 << 20, TaskTracker::new());
    let read = damaged.read(&s.manifest, Offset(0), 100, true).await;
    assert!(matches!(read, Err(ReadError::Damaged(_))), "{read:?}");
    assert_eq!(damaged.damaged(&s.manifest.topic), 1, "and is counted");
}

#[tokio::test]
async fn a_block_is_fetched_once_however_many_read_it() {
    let s = stage(plain(100), vec![], 1_000_000).await;
    for from in (0..1000).step_by(7) {
        s.reader.read(&s.manifest, Offset(from), 100, true).await.unwrap();
    }
    assert_eq!(s.reader.stats().misses.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn readers_that_give_up_leave_no_more_work_behind_than_the_store_is_asked_for_at_once() {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    let (s, begun) = (stage(plain(1), vec![], 1000).await, Arc::new(AtomicUsize::new(0)));
    for _ in 0..1000 {
        let begun = begun.clone();
        let work = async move {
            begun.fetch_add(1, Relaxed);
            std::future::pending().await
        };
        let read = tokio::time::timeout(Duration::ZERO, s.reader.blocks.fill(work)).await;
        assert!(read.is_err(), "it never ends");
        tokio::task::yield_now().await;
    }
    assert_eq!(begun.load(Relaxed), blocks::WANTED_MAX);
}

#[tokio::test]
async fn batches_across_block_boundaries_come_whole() {
    let mut batches = Vec::new();
    for i in 0..12 {
        let mut b = batch(i, 1, i);
        b.extend(std::iter::repeat_n(i as u8, 1_000_003));
        let len = (b.len() - 12) as i32;
        b[8..12].copy_from_slice(&len.to_be_bytes());
        batches.push(crate::testing::with_crc(b));
    }
    let s = stage(batches, vec![], u32::MAX).await;
    for from in 0..12 {
        let slice = s.reader.read(&s.manifest, Offset(from), 3_100_000, true).await.unwrap().unwrap();
        assert_eq!(slice.records[..], s.log.with(|l| l.bytes(from, slice.end.0))[..]);
        assert!(Batches::new(&slice.records).all(|b| b.unwrap().crc_ok()));
    }
}

#[tokio::test]
async fn what_was_read_once_is_read_from_disk_after_a_restart_and_never_if_it_was_damaged_there() {
    use std::sync::atomic::Ordering::Relaxed;
    let s = stage(plain(10), vec![], 100_000).await;
    let dir = tempfile::tempdir().unwrap();
    let reader = || {
        let layout = Layout::new("cluster-1").unwrap();
        Reader::with_disk(s.store.clone(), layout, 64 << 20, (dir.path(), 64 << 20), TaskTracker::new())
            .unwrap()
    };
    let read = async |r: &Reader| r.read(&s.manifest, Offset(0), 100, true).await.unwrap().unwrap().records;
    let first = reader();
    let bytes = read(&first).await;
    assert_eq!(first.stats().disk_misses.load(Relaxed), 1);
    let second = reader();
    assert_eq!(read(&second).await, bytes);
    assert_eq!((second.stats().disk_hits.load(Relaxed), second.stats().disk_misses.load(Relaxed)), (1, 0));
    for file in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::write(file.unwrap().path(), b"rubbish").unwrap();
    }
    let third = reader();
    assert_eq!(read(&third).await, bytes, "fetched again");
    assert_eq!(third.stats().disk_errors.load(Relaxed), 1);
}

/// Batches of a little less than 1 MB each: four to a block.
fn large(n: i64) -> Vec<Vec<u8>> {
    let one = |i: i64| {
        let mut b = batch(i, 1, i);
        b.extend(std::iter::repeat_n(i as u8, 950_000));
        let len = (b.len() - 12) as i32;
        b[8..12].copy_from_slice(&len.to_be_bytes());
        crate::testing::with_crc(b)
    };
    (0..n).map(one).collect()
}

#[tokio::test]
async fn warming_before_every_read_leaves_reading_ahead_as_deep_as_without() {
    let s = stage(large(60), vec![], u32::MAX).await;
    let mut next = Offset(0);
    // A read brings two batches, warming looks at one: if it counted, no read would begin where one ended.
    for _ in 0..5 {
        s.reader.warm(&s.manifest, next).await.unwrap();
        next = s.reader.read(&s.manifest, next, 2_000_000, true).await.unwrap().unwrap().end;
    }
    assert_eq!(next, Offset(10));
    let ahead = s.reader.stats().ahead.load(std::sync::atomic::Ordering::Relaxed);
    assert!(ahead >= 8, "only {ahead} blocks were read ahead");
}
