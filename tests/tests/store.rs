//! One table of promises, kept by every store: in memory, in a directory, and behind real S3 servers. Then what the S3
//! backend makes of everything that can go wrong on the way.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::Method;
use store::dir::Dir;
use store::memory::Memory;
use store::register::{Keep, Lost, Register, Version, Writer};
use store::s3::{Checksums, Credentials, Patience, S3, Settings};
use store::{Error, Key, Kind, Mode, PART_MIN, SharedStore, probe};
use tidegate_tests::s3::{Fault, Faults, Maker, Server};
use tokio::task::JoinSet;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Kind {
    outcome.unwrap_err().kind
}

/// One server for all tests of this process.
fn s3proxy() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Maker::S3Proxy).unwrap())
}

async fn s3(settings: Settings) -> SharedStore {
    Arc::new(S3::open(settings).await.unwrap())
}

// The table.

async fn whole_objects(store: &SharedStore) {
    let a = key("whole/a");
    assert_eq!(kind(store.get(&a).await), Kind::NotFound);
    assert_eq!(kind(store.head(&a).await), Kind::NotFound);
    store.put(&a, text("first"), Mode::Create).await.unwrap();
    assert_eq!(kind(store.put(&a, text("second"), Mode::Create).await), Kind::Exists);
    assert_eq!(store.get(&a).await.unwrap(), "first");
    store.put(&a, text("third one"), Mode::Overwrite).await.unwrap();
    assert_eq!(store.get(&a).await.unwrap(), "third one");
    let meta = store.head(&a).await.unwrap();
    assert_eq!((meta.key, meta.size), (a.clone(), 9));
    let age = SystemTime::now().duration_since(meta.written).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
    store.put(&key("whole/empty"), Bytes::new(), Mode::Create).await.unwrap();
    assert_eq!(store.get(&key("whole/empty")).await.unwrap(), "");
    store.delete(&[a.clone(), key("whole/never")]).await.unwrap();
    store.delete(&[a.clone()]).await.unwrap();
    assert_eq!(kind(store.get(&a).await), Kind::NotFound);
    store.put(&a, text("again"), Mode::Create).await.unwrap();
}

async fn ranges(store: &SharedStore) {
    let a = key("range/a");
    store.put(&a, text("0123456789"), Mode::Create).await.unwrap();
    for (range, is) in
        [(0..10, "0123456789"), (0..1, "0"), (9..10, "9"), (3..7, "3456"), (4..4, ""), (10..10, "")]
    {
        assert_eq!(store.get_range(&a, range.clone()).await.unwrap(), is, "{range:?}");
    }
    for range in [0..11, 9..11, 10..11, 20..30, 11..11] {
        assert_eq!(kind(store.get_range(&a, range.clone()).await), Kind::Range, "{range:?}");
    }
    assert_eq!(kind(store.get_range(&key("range/b"), 0..1).await), Kind::NotFound);
}

async fn listed(store: &SharedStore, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(key);
    let found = store.list(prefix, after.as_ref(), limit).await.unwrap();
    found.iter().map(|m| m.key.to_string()).collect()
}

async fn listings(store: &SharedStore) {
    let names = ["list/a-b", "list/a/b", "list/a/c", "list/a0", "list/b"];
    for name in names.iter().rev() {
        store.put(&key(name), text("x"), Mode::Create).await.unwrap();
    }
    assert_eq!(listed(store, "list/", None, 100).await, names);
    assert_eq!(listed(store, "list/a", None, 100).await, names[..4], "a prefix is no folder");
    assert_eq!(listed(store, "list/a/", None, 100).await, names[1..3]);
    assert_eq!(listed(store, "list/", Some("list/a/b"), 2).await, names[2..4]);
    assert_eq!(listed(store, "list/", Some("list/a"), 1).await, names[..1]);
    assert_eq!(listed(store, "list/", Some("list/b"), 9).await, [] as [&str; 0]);
    assert_eq!(listed(store, "nothing/", None, 9).await, [] as [&str; 0]);
}

async fn a_thousand(store: &SharedStore) {
    let keys: Vec<Key> = (0..1010).map(|i| key(&format!("many/{i:04}"))).collect();
    let mut puts = JoinSet::new();
    for keys in keys.chunks(101).map(<[Key]>::to_vec) {
        let store = store.clone();
        puts.spawn(async move {
            for key in keys {
                store.put(&key, text("x"), Mode::Create).await.unwrap();
            }
        });
    }
    puts.join_all().await;
    let first = store.list("many/", None, 5000).await.unwrap();
    assert_eq!(first.len(), 1000, "a page is a thousand");
    let rest = store.list("many/", Some(&first[999].key), 1000).await.unwrap();
    assert_eq!(rest.iter().map(|m| &m.key).collect::<Vec<_>>(), keys[1000..].iter().collect::<Vec<_>>());
    store.delete(&keys[..1000]).await.unwrap();
    assert_eq!(store.list("many/", None, 1000).await.unwrap().len(), 10);
}

async fn uploads(store: &SharedStore) {
    let a = key("upload/a");
    let mut upload = store.upload(&a).await.unwrap();
    upload.part(vec![1; PART_MIN].into()).await.unwrap();
    upload.part(vec![2; PART_MIN].into()).await.unwrap();
    upload.part(vec![3; 10].into()).await.unwrap();
    assert_eq!(kind(store.head(&a).await), Kind::NotFound, "visible before it is complete");
    assert_eq!(listed(store, "upload/", None, 9).await, [] as [&str; 0]);
    upload.complete().await.unwrap();
    let end = 2 * PART_MIN as u64;
    assert_eq!(store.head(&a).await.unwrap().size, end + 10);
    assert_eq!(store.get_range(&a, end - 2..end + 2).await.unwrap(), vec![2, 2, 3, 3]);

    let mut second = store.upload(&a).await.unwrap();
    second.part(text("another")).await.unwrap();
    assert_eq!(kind(second.complete().await), Kind::Exists);
    assert_eq!(store.head(&a).await.unwrap().size, end + 10, "the first stays");

    let mut given_up = store.upload(&key("upload/b")).await.unwrap();
    given_up.part(text("half")).await.unwrap();
    given_up.abort().await.unwrap();
    assert_eq!(listed(store, "upload/", None, 9).await, ["upload/a"]);
}

/// The store in memory keeps no uploads that could be swept.
async fn left_uploads(store: &SharedStore) {
    for name in ["left/a", "left/b", "other/c"] {
        let mut upload = store.upload(&key(name)).await.unwrap();
        upload.part(text("half")).await.unwrap();
        std::mem::forget(upload);
    }
    assert_eq!(store.abort_uploads("left/", Duration::from_secs(3600)).await.unwrap(), 0, "too young");
    assert_eq!(store.abort_uploads("left/", Duration::ZERO).await.unwrap(), 2);
    assert_eq!(store.abort_uploads("left/", Duration::ZERO).await.unwrap(), 0);
    assert_eq!(listed(store, "left/", None, 9).await, [] as [&str; 0]);
}

async fn odd_names(store: &SharedStore) {
    let names = ["odd/a!b", "odd/a%20b", "odd/a&b=c", "odd/a+b", "odd/a;b", "odd/a~(b)'*,:@$"];
    for name in names {
        store.put(&key(name), text(name), Mode::Create).await.unwrap();
        assert_eq!(store.get(&key(name)).await.unwrap(), name);
    }
    assert_eq!(listed(store, "odd/", None, 9).await, names);
    store.delete(&names.map(key)).await.unwrap();
    assert_eq!(listed(store, "odd/", None, 9).await, [] as [&str; 0]);
}

async fn many_create_one(store: &SharedStore) {
    for round in 0..20 {
        let name = key(&format!("race/{round}"));
        let mut race = JoinSet::new();
        for i in 0..32u8 {
            let (store, name) = (store.clone(), name.clone());
            race.spawn(async move { (i, store.put(&name, vec![i; 1000].into(), Mode::Create).await) });
        }
        let all = race.join_all().await;
        let winners: Vec<u8> = all.iter().filter(|(_, o)| o.is_ok()).map(|(i, _)| *i).collect();
        let losers = all.iter().filter_map(|(_, o)| o.as_ref().err());
        assert!(
            losers.clone().all(|e| matches!(e.kind, Kind::Exists | Kind::Conflict)),
            "{:?}",
            losers.collect::<Vec<_>>()
        );
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(store.get(&name).await.unwrap(), vec![winners[0]; 1000]);
    }
}

/// Takes over and commits until it has committed; every version that it believes to be its own.
async fn contend(register: Register, name: String) -> Vec<Version> {
    let mut believed = Vec::new();
    loop {
        let mut writer = match Writer::take_over(register.clone(), &name).await {
            Ok(writer) => writer,
            Err(Lost::Fenced { .. }) => continue,
            Err(lost) => panic!("{lost}"),
        };
        believed.push(writer.newest().clone());
        match writer.commit(name.clone().into()).await {
            Ok(_) => believed.push(writer.newest().clone()),
            Err(Lost::Fenced { .. }) => continue,
            Err(lost) => panic!("{lost}"),
        }
        return believed;
    }
}

async fn many_write_one_register(store: &SharedStore) {
    let register = Register::new(store.clone(), key("reg"));
    let mut writers = JoinSet::new();
    for i in 0..32 {
        writers.spawn(contend(register.clone(), format!("writer {i}")));
    }
    let mut believed: Vec<Version> = writers.join_all().await.into_iter().flatten().collect();
    believed.sort_by_key(|v| v.seq);
    let numbers: Vec<u64> = believed.iter().map(|v| v.seq.get()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "each number has one winner");
    for version in &believed {
        let stored = store.get(&key(&format!("reg/{}", version.seq))).await.unwrap();
        assert!(stored.ends_with(&version.body), "version {}", version.seq);
    }
    assert_eq!(register.read_newest(None).await.unwrap().as_ref(), believed.last());
    let keep = Keep { versions: 2, grace: Duration::ZERO };
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(register.collect(keep, in_an_hour).await.unwrap(), numbers.len() - 2);
    assert_eq!(register.read_newest(None).await.unwrap().as_ref(), believed.last());
}

async fn all(store: SharedStore, keeps_uploads: bool) {
    whole_objects(&store).await;
    ranges(&store).await;
    listings(&store).await;
    a_thousand(&store).await;
    uploads(&store).await;
    if keeps_uploads {
        left_uploads(&store).await;
    }
    odd_names(&store).await;
    many_create_one(&store).await;
    probe::probe(&store).await.unwrap();
    many_write_one_register(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_keeps_every_promise() {
    all(Arc::new(Memory::default()), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_every_promise() {
    let tmp = tempfile::tempdir().unwrap();
    all(Arc::new(Dir::open(tmp.path()).unwrap()), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3proxy_keeps_every_promise_and_a_prefix_keeps_apart() {
    let settings = s3proxy().bucket().unwrap();
    let store = s3(Settings { prefix: Key::new("prod/one"), ..settings.clone() }).await;
    all(store, true).await;
    let other = s3(Settings { prefix: Key::new("prod/on"), ..settings.clone() }).await;
    assert_eq!(other.list("", None, 1).await.unwrap(), []);
    assert!(listed(&s3(settings).await, "prod/one/whole/", None, 9).await.len() == 2);
}

#[cfg(feature = "slow")]
#[tokio::test(flavor = "multi_thread")]
async fn versitygw_keeps_every_promise() {
    let server = Server::start(Maker::VersityGw).unwrap();
    all(s3(server.bucket().unwrap()).await, true).await;
}

// What goes wrong.

/// A bucket of S3Proxy, reached through faults; the object `x` is in it.
async fn faulty(patience: Patience) -> (Faults, SharedStore) {
    faulty_with(patience, Checksums::Always).await
}

async fn faulty_with(patience: Patience, checksums: Checksums) -> (Faults, SharedStore) {
    let settings = s3proxy().bucket().unwrap();
    let faults = Faults::before(s3proxy()).unwrap();
    let store = s3(Settings { endpoint: Some(faults.endpoint()), patience, checksums, ..settings }).await;
    store.put(&key("x"), vec![7; 100_000].into(), Mode::Create).await.unwrap();
    (faults, store)
}

fn short() -> Patience {
    Patience { answer: Duration::from_millis(300), body: Duration::from_millis(300), ..Patience::default() }
}

/// What a read, a listing and a create come to under a fault. It must fire for each.
async fn outcomes(fault: Fault, patience: Patience) -> (Kind, Kind, Kind) {
    let (faults, store) = faulty(patience).await;
    let bucket = "/tide-";
    faults.inject(fault, Method::GET, bucket, 2);
    faults.inject(fault, Method::PUT, "/new", 1);
    let read = kind(store.get_range(&key("x"), 0..50_000).await);
    let list = kind(store.list("", None, 10).await);
    let put = kind(store.put(&key("new"), text("new"), Mode::Create).await);
    assert_eq!(faults.fired(fault), 3);
    store.get(&key("x")).await.unwrap();
    (read, list, put)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_no_is_taken_at_its_word() {
    for (status, code, read, put) in [
        (503, "SlowDown", Kind::Throttled, Kind::Throttled),
        (503, "", Kind::Throttled, Kind::Uncertain),
        (500, "InternalError", Kind::Transient, Kind::Uncertain),
        (403, "AccessDenied", Kind::Denied, Kind::Denied),
        (400, "ExpiredToken", Kind::Denied, Kind::Denied),
        (403, "RequestTimeTooSkewed", Kind::Denied, Kind::Denied),
        (404, "NoSuchBucket", Kind::Unusable, Kind::Unusable),
        (507, "", Kind::Unusable, Kind::Unusable),
        (409, "ConditionalRequestConflict", Kind::Conflict, Kind::Conflict),
    ] {
        let seen = outcomes(Fault::Answer(status, code), Patience::default()).await;
        assert_eq!(seen, (read, read, put), "{status} {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_a_read_may_be_repeated_and_a_create_is_uncertain() {
    for fault in [Fault::Close, Fault::Reset, Fault::LoseAnswer, Fault::Delay(Duration::from_secs(2))] {
        let seen = outcomes(fault, short()).await;
        assert_eq!(seen, (Kind::Transient, Kind::Transient, Kind::Uncertain), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_is_never_handed_out() {
    for fault in [Fault::Truncate(1000), Fault::ResetBody(1000)] {
        let (faults, store) = faulty(short()).await;
        faults.inject(fault, Method::GET, "/x", 2);
        assert_eq!(kind(store.get(&key("x")).await), Kind::Transient, "{fault:?}");
        assert_eq!(kind(store.get_range(&key("x"), 10..90_000).await), Kind::Transient, "{fault:?}");
        assert_eq!(faults.fired(fault), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_there_and_the_next_one_says_so() {
    let (faults, store) = faulty(short()).await;
    faults.inject(Fault::LoseAnswer, Method::PUT, "/new", 1);
    assert_eq!(kind(store.put(&key("new"), text("first"), Mode::Create).await), Kind::Uncertain);
    assert_eq!(faults.fired(Fault::LoseAnswer), 1);
    assert_eq!(kind(store.put(&key("new"), text("second"), Mode::Create).await), Kind::Exists);
    assert_eq!(store.get(&key("new")).await.unwrap(), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_completion_is_uncertain_and_to_a_part_is_not() {
    let (faults, store) = faulty(Patience::default()).await;
    let mut upload = store.upload(&key("up")).await.unwrap();
    faults.inject(Fault::LoseAnswer, Method::PUT, "partNumber=1", 1);
    assert_eq!(kind(upload.part(vec![1; PART_MIN].into()).await), Kind::Transient);
    upload.part(vec![2; PART_MIN].into()).await.unwrap();
    upload.part(text("end")).await.unwrap();
    faults.inject(Fault::LoseAnswer, Method::POST, "uploadId=", 1);
    assert_eq!(kind(upload.complete().await), Kind::Uncertain);
    assert_eq!(faults.fired(Fault::LoseAnswer), 2);
    assert_eq!(store.head(&key("up")).await.unwrap().size, PART_MIN as u64 + 3);
    assert_eq!(store.get_range(&key("up"), 0..1).await.unwrap(), vec![2]);
}

/// A 404 for what exists, as an eventually consistent store might say: the caller sees it as it came.
#[tokio::test(flavor = "multi_thread")]
async fn a_404_after_a_create_is_not_found() {
    let (faults, store) = faulty(short()).await;
    let fault = Fault::Answer(404, "NoSuchKey");
    faults.inject(fault, Method::GET, "/x", 1);
    assert_eq!(kind(store.get(&key("x")).await), Kind::NotFound);
    assert_eq!(faults.fired(fault), 1);
}

/// Range reads carry no checksum on any store, so whoever reads ranges checks what it reads. This test says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_range_passes_the_store_unseen() {
    let (faults, store) = faulty(short()).await;
    faults.inject(Fault::Flip(5), Method::GET, "/x", 1);
    assert_eq!(store.get_range(&key("x"), 0..10).await.unwrap()[5], 7 ^ 0x20);
    assert_eq!(faults.fired(Fault::Flip(5)), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_whole_object_is_corrupt_where_stores_keep_checksums() {
    let (faults, store) = faulty(short()).await;
    faults.inject(Fault::Flip(5), Method::GET, "/x", 1);
    assert_eq!(kind(store.get(&key("x")).await), Kind::Corrupt);
    assert_eq!(faults.fired(Fault::Flip(5)), 1);
}

/// Without checksums a flipped byte reaches the register, which must not take it for a number that holds no version.
#[tokio::test(flavor = "multi_thread")]
async fn a_register_survives_lost_answers_and_flipped_bytes() {
    for checksums in [Checksums::Always, Checksums::WhenRequired] {
        let (faults, store) = faulty_with(Patience::default(), checksums).await;
        let register = Register::new(store, key("reg"));
        let mut writer = Writer::take_over(register.clone(), "a").await.unwrap();
        for i in 0..5u8 {
            faults.inject(Fault::LoseAnswer, Method::PUT, "/reg/0", 1);
            faults.inject(Fault::Flip(1), Method::GET, "/reg/0", 1);
            assert_eq!(writer.commit(vec![i].into()).await.unwrap().get(), u64::from(i) + 2);
        }
        assert_eq!((faults.fired(Fault::LoseAnswer), faults.fired(Fault::Flip(1))), (5, 5));
        assert_eq!(register.read_newest(None).await.unwrap().unwrap().body, vec![4]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_other_end_is_transient_and_a_wrong_secret_is_denied() {
    let settings = s3proxy().bucket().unwrap();
    let dead = s3(Settings { endpoint: Some("http://127.0.0.1:1".into()), ..settings.clone() }).await;
    assert_eq!(kind(dead.get(&key("x")).await), Kind::Transient);
    assert_eq!(kind(dead.put(&key("x"), text("x"), Mode::Create).await), Kind::Transient, "it never left");
    let credentials = Credentials::Fixed { id: "tidegate".into(), secret: "wrong".into() };
    let stranger = s3(Settings { credentials, ..settings.clone() }).await;
    assert_eq!(kind(stranger.put(&key("x"), text("x"), Mode::Create).await), Kind::Denied);
    let nowhere = s3(Settings { bucket: "no-such-bucket".into(), ..settings }).await;
    assert_eq!(kind(nowhere.list("", None, 1).await), Kind::Unusable);
    assert_eq!(kind(nowhere.put(&key("x"), text("x"), Mode::Create).await), Kind::Unusable);
    assert_eq!(kind(probe::probe(&nowhere).await), Kind::Unusable);
}
