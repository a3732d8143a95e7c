use std::collections::BTreeMap;

use store::Store;
use store::memory::Memory;

use super::*;
use crate::manifest::Entry;
use crate::segment::aux::Aux;
use crate::source::Source;
use crate::testing::{Dying, FakeLog, batch, named};

const HOUR: Duration = Duration::from_secs(3600);

fn rules(trim: bool) -> Rules {
    let keep_nothing = Hot { time: Some(Duration::ZERO), bytes: None };
    Rules { segment_bytes: 1000, segment_age: Duration::ZERO, trim: trim.then_some(keep_nothing) }
}

fn tools(store: SharedStore, log: &Arc<FakeLog>) -> Tools {
    Tools { store, layout: Layout::new("cluster-1").unwrap(), source: log.clone(), pace: Arc::default() }
}

/// A log of `n` batches of 10 records.
fn log_of(n: i64) -> Arc<FakeLog> {
    let log = FakeLog::default();
    log.with(|l| l.batches = (0..n).map(|i| batch(i * 10, 10, i)).collect());
    Arc::new(log)
}

async fn offload(tools: &Tools, rules: Rules) -> Result<Offloader, OffloadError> {
    let mut offloader = Offloader::take_over(tools.clone(), named(), rules, "me").await?;
    while offloader.step().await? != Step::Idle {}
    Ok(offloader)
}

/// Looks at the bucket with other eyes than those that wrote it: every range that brokers were told to drop must be there, whole and right.
/// Returns the manifest.
async fn audit(store: &Memory, log: &FakeLog) -> serde_json::Value {
    let mut objects = BTreeMap::new();
    for meta in store.list("", None, 100_000).await.unwrap() {
        objects.insert(meta.key.to_string(), store.get(&meta.key).await.unwrap());
    }
    let newest = objects.keys().rfind(|k| k.contains("/man/0")).expect("a manifest");
    let record = &objects[newest];
    let body = record.windows(11).position(|w| w == b"{\"format\":1").expect("JSON in the record");
    let m: serde_json::Value =
        serde_json::Deserializer::from_slice(&record[body..]).into_iter().next().unwrap().unwrap();
    let (start, trimmed) = (m["start"].as_i64().unwrap(), m["trimmed"].as_i64().unwrap());
    let mut held = Vec::new();
    for e in m["entries"].as_array().unwrap() {
        let (base, len, nonce) = (e[0].as_i64().unwrap(), e[1].as_i64().unwrap(), e[4].as_u64().unwrap());
        let file =
            objects.iter().find(|(k, _)| k.ends_with(&format!("{base:020}-{nonce:016x}/{base:020}.log")));
        held.push((base, base + len, file.expect("what is named is there").1.clone()));
    }
    log.with(|log| {
        for (base, end, file) in &held {
            assert_eq!(file[..], log.bytes(*base, *end)[..], "the bytes of {base}..{end}");
        }
        let mut reach = start;
        for (base, end, _) in &held {
            assert_eq!(*base, reach, "no hole and no overlap");
            reach = *end;
        }
        assert!(trimmed <= reach, "nothing is given up that the tier lacks");
        assert!(log.start <= trimmed.max(start), "brokers drop only what they were durably meant to drop");
    });
    m
}

#[tokio::test]
async fn a_log_is_offloaded_byte_for_byte_and_trimmed_only_up_to_what_the_tier_holds() {
    let (store, log) = (Memory::default(), log_of(100));
    let offloader = offload(&tools(Arc::new(store.clone()), &log), rules(true)).await.unwrap();
    assert_eq!(offloader.manifest().end(), Offset(1000));
    assert!(offloader.manifest().segments() > 5, "cut by size");
    audit(&store, &log).await;
    assert_eq!(log.with(|l| l.start), 1000);
}

#[tokio::test]
async fn copy_only_trims_nothing_and_nothing_above_the_last_stable_offset_is_copied() {
    let (store, log) = (Memory::default(), log_of(20));
    log.with(|l| l.stable = Some(105));
    let offloader = offload(&tools(Arc::new(store.clone()), &log), rules(false)).await.unwrap();
    assert_eq!((offloader.manifest().end(), log.with(|l| l.start)), (Offset(100), 0));
    audit(&store, &log).await;
}

#[tokio::test]
async fn killed_at_any_operation_of_the_store_another_goes_on_and_nothing_is_lost() {
    let mut killed = 0;
    for late in [false, true] {
        for ops in 0.. {
            let (store, log) = (Memory::default(), log_of(30));
            let dying = Arc::new(Dying::after(store.clone(), ops, late));
            let first = offload(&tools(dying.clone(), &log), rules(true)).await;
            assert_eq!(first.is_err(), dying.is_dead(), "late {late}, killed at {ops}: {first:?}");
            if first.is_ok() {
                break;
            }
            killed += 1;
            let second = offload(&tools(Arc::new(store.clone()), &log), rules(true)).await.unwrap();
            assert_eq!(second.manifest().end(), Offset(300), "late {late}, killed at {ops}");
            audit(&store, &log).await;
        }
    }
    assert!(killed > 40, "{killed} kills");
}

#[tokio::test]
async fn the_earlier_owner_can_commit_no_more() {
    let (store, log) = (Memory::default(), log_of(10));
    let tools = tools(Arc::new(store.clone()), &log);
    let mut first = Offloader::take_over(tools.clone(), named(), rules(true), "a").await.unwrap();
    let mut second = Offloader::take_over(tools, named(), rules(true), "b").await.unwrap();
    assert!(matches!(first.step().await, Err(OffloadError::Fenced)));
    while second.step().await.unwrap() != Step::Idle {}
    assert!(matches!(first.step().await, Err(OffloadError::Fenced | OffloadError::Source(_))));
    audit(&store, &log).await;
}

#[tokio::test]
async fn what_retention_was_faster_with_is_a_gap_and_the_tier_goes_on_behind_it() {
    let (store, log) = (Memory::default(), log_of(10));
    let mut offloader = offload(&tools(Arc::new(store), &log), rules(false)).await.unwrap();
    log.with(|l| {
        l.batches.extend((10..30).map(|i| batch(i * 10, 10, i)));
        l.start = 200;
    });
    assert_eq!(offloader.step().await.unwrap(), Step::Gap { from: Offset(100), to: Offset(200) });
    while offloader.step().await.unwrap() != Step::Idle {}
    assert_eq!(offloader.manifest().gaps, vec![(Offset(100), Offset(200))]);
    assert_eq!(offloader.manifest().end(), Offset(300));
}

#[tokio::test]
async fn a_log_that_took_another_turn_is_followed_and_lost_records_stop_the_tier() {
    let (store, log) = (Memory::default(), log_of(10));
    let mut offloader = offload(&tools(Arc::new(store.clone()), &log), rules(false)).await.unwrap();
    log.with(|l| l.diverging = Some((0, 55)));
    assert_eq!(offloader.step().await.unwrap(), Step::Diverged(Offset(55)));
    assert_eq!(offloader.manifest().end(), Offset(55));
    log.with(|l| l.diverging = None);

    let (store, log) = (Memory::default(), log_of(10));
    let mut offloader = offload(&tools(Arc::new(store), &log), rules(true)).await.unwrap();
    log.with(|l| l.diverging = Some((0, 55)));
    assert!(matches!(offloader.step().await, Err(OffloadError::Lost { end: 55, trimmed: 100 })));
    assert_eq!(offloader.manifest().end(), Offset(100), "the tier keeps what the cluster lost");
}

#[tokio::test]
async fn a_trim_that_was_meant_and_not_done_is_done_by_the_next_owner() {
    let (store, log) = (Memory::default(), log_of(10));
    let tools = tools(Arc::new(store), &log);
    offload(&tools, rules(true)).await.unwrap();
    log.with(|l| l.start = 0);
    let mut next = Offloader::take_over(tools.clone(), named(), rules(true), "b").await.unwrap();
    log.with(|l| l.batches.push(batch(100, 10, 1)));
    while next.step().await.unwrap() != Step::Idle {}
    assert_eq!(log.with(|l| l.start), 110);
}

#[tokio::test]
async fn a_damaged_batch_stops_the_upload_and_nothing_is_committed() {
    let (store, log) = (Memory::default(), log_of(3));
    log.with(|l| {
        let last = l.batches[1].len() - 1;
        l.batches[1][last] ^= 1;
    });
    let tools = tools(Arc::new(store), &log);
    let mut offloader = Offloader::take_over(tools, named(), rules(true), "a").await.unwrap();
    assert!(matches!(offloader.step().await, Err(OffloadError::Records(CutError::Damaged(10)))));
    assert_eq!((offloader.manifest().segments(), log.with(|l| l.start)), (0, 0));
}

#[tokio::test]
async fn young_records_wait_until_there_are_enough_of_them() {
    let log = Arc::new(FakeLog::default());
    log.with(|l| l.batches = vec![batch(0, 10, now_ms())]);
    let tools = tools(Arc::new(Memory::default()), &log);
    let rules = Rules { segment_age: HOUR, ..rules(true) };
    let mut offloader = Offloader::take_over(tools, named(), rules, "a").await.unwrap();
    assert_eq!(offloader.step().await.unwrap(), Step::Idle);
    assert_eq!(offloader.lag.offsets, 10);
    log.with(|l| l.batches.extend((1..40).map(|i| batch(i * 10, 10, now_ms()))));
    assert!(matches!(offloader.step().await.unwrap(), Step::Uploaded { .. }));
}

#[tokio::test]
async fn retention_drops_the_oldest() {
    let (store, log) = (Memory::default(), log_of(100));
    let mut offloader = offload(&tools(Arc::new(store), &log), rules(true)).await.unwrap();
    let keep = Hot { time: None, bytes: Some(2500) };
    let start = offloader.retain(keep).await.unwrap().unwrap();
    assert_eq!(offloader.manifest().start, start);
    assert!(offloader.manifest().bytes() >= 2500 && offloader.manifest().bytes() < 4500);
    assert_eq!(offloader.retain(keep).await.unwrap(), None);
}

#[tokio::test]
async fn the_aux_file_says_of_every_segment_what_its_bytes_say() {
    let (store, log) = (Memory::default(), log_of(50));
    let tools = tools(Arc::new(store.clone()), &log);
    let offloader = offload(&tools, rules(false)).await.unwrap();
    for e in &offloader.manifest().entries {
        let aux = Aux::decode(&store.get(&tools.layout.aux(named().id, e)).await.unwrap()).unwrap();
        assert_eq!(
            Entry {
                base: aux.base,
                len: (aux.end.0 - aux.base.0) as u32,
                size: aux.size,
                max_timestamp: aux.max_timestamp,
                nonce: e.nonce
            },
            *e
        );
        verify::whole(&tools.store, &tools.layout, named().id, e).await.unwrap();
    }
    assert!(log.fetch(&named(), Offset(0), LeaderEpoch(-1), 1).await.is_ok());
}

/// Leader A's epoch 2 went on to 120 where B began epoch 3 at 90; then A leads again, uncleanly, as epoch 5.
#[tokio::test]
async fn a_turn_within_an_older_epoch_is_followed_from_where_the_histories_part() {
    let (store, log) = (Memory::default(), log_of(9));
    log.with(|l| {
        let mut last = batch(90, 10, 1);
        kafka::batch::set_leader_epoch(&mut last, LeaderEpoch(3)).unwrap();
        l.batches.push(last);
    });
    let mut offloader = offload(&tools(Arc::new(store), &log), rules(false)).await.unwrap();
    assert_eq!(offloader.manifest().end(), Offset(100));
    log.with(|l| l.diverging = Some((0, 120)));
    assert_eq!(offloader.step().await.unwrap(), Step::Diverged(Offset(90)));
    log.with(|l| l.diverging = Some((0, 120)));
    let again = offloader.step().await;
    assert!(matches!(again, Err(OffloadError::Turn { .. })), "never in a circle: {again:?}");
}

#[tokio::test]
async fn a_log_that_begins_in_the_middle_of_a_batch_after_a_gap_goes_on_being_offloaded() {
    let (store, log) = (Memory::default(), log_of(10));
    let mut offloader = offload(&tools(Arc::new(store), &log), rules(false)).await.unwrap();
    log.with(|l| {
        l.batches.extend((10..30).map(|i| batch(i * 10, 10, i)));
        l.start = 155;
    });
    assert_eq!(offloader.step().await.unwrap(), Step::Gap { from: Offset(100), to: Offset(155) });
    while offloader.step().await.unwrap() != Step::Idle {}
    assert_eq!(offloader.manifest().end(), Offset(300));
    assert_eq!(offloader.manifest().gap_end(Offset(120)), Some(Offset(155)));
}

#[tokio::test]
async fn brokers_that_cannot_be_trimmed_keep_no_upload_waiting() {
    let (store, log) = (Memory::default(), log_of(10));
    log.with(|l| l.refuses_trim = true);
    let mut offloader = offload(&tools(Arc::new(store), &log), rules(true)).await.unwrap();
    assert!(offloader.trouble.is_some() && log.with(|l| l.start) == 0);
    log.with(|l| l.batches.push(batch(100, 10, 1)));
    assert!(matches!(offloader.step().await.unwrap(), Step::Uploaded { .. }));
    log.with(|l| l.refuses_trim = false);
    while offloader.step().await.unwrap() != Step::Idle {}
    assert!(offloader.trouble.is_none() && log.with(|l| l.start) == 110);
}
