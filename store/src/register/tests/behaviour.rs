//! One register at a time, on the store in memory.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::memory::Memory;
use crate::register::{Keep, Lost, Register, Seq, Writer, WriterEpoch};
use crate::{Key, Mode, SharedStore};

const ALL_OLD: Keep = Keep { versions: 1, grace: Duration::ZERO };

fn register() -> (SharedStore, Register) {
    let store: SharedStore = Arc::new(Memory::default());
    (store.clone(), Register::new(store, Key::new("man").unwrap()))
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

async fn commits(writer: &mut Writer, n: u64) {
    for i in 0..n {
        writer.commit(Bytes::from(format!("value {i}"))).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_committed_is_the_newest_version_under_the_next_number() {
    let (_, register) = register();
    assert_eq!(register.read_newest(None).await.unwrap(), None);
    let mut writer = Writer::take_over(register.clone(), "a").await.unwrap();
    assert_eq!(writer.commit(Bytes::from_static(b"x")).await.unwrap(), seq(2));
    let newest = register.read_newest(None).await.unwrap().unwrap();
    assert_eq!((newest.seq, newest.epoch, &newest.body[..]), (seq(2), WriterEpoch(1), &b"x"[..]));
    assert_eq!(newest.writer, "a");
    assert_eq!(register.read_newest(Some(seq(2))).await.unwrap(), None);
}

#[tokio::test]
async fn a_reader_finds_the_newest_however_far_behind_it_is() {
    let (_, register) = register();
    let mut writer = Writer::take_over(register.clone(), "a").await.unwrap();
    commits(&mut writer, 2300).await;
    for known in [None, Some(seq(1)), Some(seq(1200)), Some(seq(2296)), Some(seq(2297)), Some(seq(2300))] {
        assert_eq!(register.read_newest(known).await.unwrap().unwrap().seq, seq(2301), "{known:?}");
    }
}

#[tokio::test]
async fn taking_over_keeps_the_value_and_stops_the_former_writer() {
    let (_, register) = register();
    let mut a = Writer::take_over(register.clone(), "a").await.unwrap();
    commits(&mut a, 1).await;
    let b = Writer::take_over(register.clone(), "b").await.unwrap();
    assert_eq!((&b.newest().body[..], b.epoch()), (&b"value 0"[..], WriterEpoch(2)));
    let lost = a.commit(Bytes::from_static(b"late")).await.unwrap_err();
    assert!(matches!(lost, Lost::Fenced { by: WriterEpoch(2) }), "{lost}");
    assert_eq!(register.read_newest(None).await.unwrap().unwrap(), *b.newest());
}

#[tokio::test]
async fn a_number_taken_by_bytes_that_are_no_version_is_skipped_by_everybody() {
    let (store, register) = register();
    let mut a = Writer::take_over(register.clone(), "a").await.unwrap();
    let torn = Key::new("man/00000000000000000002").unwrap();
    store.put(&torn, Bytes::from_static(b"TGRV\0\x01 cut sh"), Mode::Create).await.unwrap();
    assert_eq!(a.commit(Bytes::from_static(b"x")).await.unwrap(), seq(3));
    assert_eq!(register.read_newest(Some(seq(1))).await.unwrap().unwrap().seq, seq(3));
    let torn = Key::new("man/00000000000000000004").unwrap();
    store.put(&torn, Bytes::new(), Mode::Create).await.unwrap();
    assert_eq!(register.read_newest(None).await.unwrap().unwrap().seq, seq(3));
    assert_eq!(Writer::take_over(register, "b").await.unwrap().newest().seq, seq(5));
}

#[tokio::test]
async fn collecting_leaves_the_newest_and_everybody_goes_on() {
    let (store, register) = register();
    let mut a = Writer::take_over(register.clone(), "a").await.unwrap();
    commits(&mut a, 9).await;
    assert_eq!(register.collect(ALL_OLD, SystemTime::now()).await.unwrap(), 9);
    assert_eq!(store.list("man/0", None, 100).await.unwrap().len(), 1);
    assert_eq!(register.boundary().await.unwrap(), Some(seq(10)));
    assert_eq!(register.read_newest(None).await.unwrap().unwrap().seq, seq(10));
    commits(&mut a, 1).await;
    assert_eq!(register.collect(ALL_OLD, SystemTime::now()).await.unwrap(), 1);
    assert_eq!(register.collect(ALL_OLD, SystemTime::now()).await.unwrap(), 0);
}

#[tokio::test]
async fn of_the_boundaries_only_the_last_two_stay() {
    let (store, register) = register();
    let mut a = Writer::take_over(register.clone(), "a").await.unwrap();
    for _ in 0..5 {
        commits(&mut a, 1).await;
        register.collect(ALL_OLD, SystemTime::now()).await.unwrap();
    }
    commits(&mut a, 1).await;
    register.collect(ALL_OLD, SystemTime::now()).await.unwrap();
    // The one just written, and the two from before.
    assert_eq!(store.list("man/gc/", None, 100).await.unwrap().len(), 3);
    assert_eq!(register.boundary().await.unwrap(), Some(seq(7)));
}

#[tokio::test]
async fn a_writer_that_slept_through_the_collection_does_not_believe_that_it_won() {
    let (store, register) = register();
    let mut a = Writer::take_over(register.clone(), "a").await.unwrap();
    let mut b = Writer::take_over(register.clone(), "b").await.unwrap();
    commits(&mut b, 3).await;
    register.collect(ALL_OLD, SystemTime::now()).await.unwrap();
    // Number 2 is free again, and a creates it.
    let lost = a.commit(Bytes::from_static(b"late")).await.unwrap_err();
    assert!(matches!(lost, Lost::Fenced { by: WriterEpoch(2) }), "{lost}");
    let ghost = Key::new("man/00000000000000000002").unwrap();
    assert!(store.get(&ghost).await.is_err(), "what was created anew is removed");
}

#[tokio::test]
async fn a_reader_that_slept_through_the_collection_finds_the_newest() {
    let (_, register) = register();
    let mut a = Writer::take_over(register.clone(), "a").await.unwrap();
    commits(&mut a, 9).await;
    register.collect(ALL_OLD, SystemTime::now()).await.unwrap();
    register.age_listing(Duration::from_secs(601));
    assert_eq!(register.read_newest(Some(seq(1))).await.unwrap().unwrap().seq, seq(10));
}
