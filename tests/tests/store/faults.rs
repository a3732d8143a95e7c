//! What the S3 backend makes of networks' and stores' bad days.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use store::register::{Register, Writer};
use store::s3::{Checksums, Credentials, Patience, Settings};
use store::wrap::{Class, Meter, Op, Patience as Attempts, Wrapped};
use store::{Kind, Mode, PART_MIN, SharedStore, probe};
use tidegate_tests::s3::{Fault, Faults};

use super::{key, kind, s3, s3proxy, text};

/// A bucket of S3Proxy, reached through faults; the object `x` is in it.
async fn faulty() -> (Faults, SharedStore) {
    faulty_with(Patience::default(), Checksums::Always).await
}

async fn faulty_with(patience: Patience, checksums: Checksums) -> (Faults, SharedStore) {
    let settings = s3proxy().bucket().unwrap();
    let x = vec![7; 100_000].into();
    s3(settings.clone()).await.put(&key("x"), x, Mode::Create).await.unwrap();
    let faults = Faults::before(s3proxy()).unwrap();
    let settings = Settings { endpoint: Some(faults.endpoint()), patience, checksums, ..settings };
    (faults, s3(settings).await)
}

/// What a read, a listing and a create come to under a fault. It must fire for each.
async fn outcomes(fault: Fault, patience: Patience) -> (Kind, Kind, Kind) {
    let (faults, store) = faulty_with(patience, Checksums::Always).await;
    faults.inject(fault, Method::GET, "/tide-", 2);
    faults.inject(fault, Method::PUT, "/new", 1);
    let read = kind(store.get_range(&key("x"), 0..50_000).await);
    let list = kind(store.list("", None, 10).await);
    let put = kind(store.put(&key("new"), text("new"), Mode::Create).await);
    assert_eq!(faults.fired(fault), 3);
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
    // Long after the patience of a client is at its end.
    let late = Fault::Delay(Duration::from_secs(60));
    let brief = Patience { answer: Duration::from_millis(500), ..Patience::default() };
    for (fault, patience) in [
        (Fault::Close, Patience::default()),
        (Fault::Reset, Patience::default()),
        (Fault::LoseAnswer, Patience::default()),
        (late, brief),
    ] {
        let seen = outcomes(fault, patience).await;
        assert_eq!(seen, (Kind::Transient, Kind::Transient, Kind::Uncertain), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_early_is_never_handed_out() {
    for fault in [Fault::Truncate(1000), Fault::ResetBody(1000)] {
        let (faults, store) = faulty().await;
        faults.inject(fault, Method::GET, "/x", 2);
        assert_eq!(kind(store.get(&key("x")).await), Kind::Transient, "{fault:?}");
        assert_eq!(kind(store.get_range(&key("x"), 10..90_000).await), Kind::Transient, "{fault:?}");
        assert_eq!(faults.fired(fault), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_there_and_the_next_one_says_so() {
    let (faults, store) = faulty().await;
    faults.inject(Fault::LoseAnswer, Method::PUT, "/new", 1);
    assert_eq!(kind(store.put(&key("new"), text("first"), Mode::Create).await), Kind::Uncertain);
    assert_eq!(faults.fired(Fault::LoseAnswer), 1);
    assert_eq!(kind(store.put(&key("new"), text("second"), Mode::Create).await), Kind::Exists);
    assert_eq!(store.get(&key("new")).await.unwrap(), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_completion_is_uncertain_and_to_a_part_is_not() {
    let (faults, store) = faulty().await;
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
    let (faults, store) = faulty().await;
    let fault = Fault::Answer(404, "NoSuchKey");
    faults.inject(fault, Method::GET, "/x", 1);
    assert_eq!(kind(store.get(&key("x")).await), Kind::NotFound);
    assert_eq!(faults.fired(fault), 1);
}

/// Range reads carry no checksum on any store, so whoever reads ranges checks what it reads. This test says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_range_passes_the_store_unseen() {
    let (faults, store) = faulty().await;
    faults.inject(Fault::Flip(5), Method::GET, "/x", 1);
    assert_eq!(store.get_range(&key("x"), 0..10).await.unwrap()[5], 7 ^ 0x20);
    assert_eq!(faults.fired(Fault::Flip(5)), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_whole_object_is_corrupt_where_stores_keep_checksums() {
    let (faults, store) = faulty().await;
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

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<(Op, &'static str, u64)>>);

impl Meter for Notes {
    fn request(&self, op: Op, outcome: &'static str, bytes: u64, _: Duration) {
        self.0.lock().unwrap().push((op, outcome, bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapped_a_storm_of_refusals_passes_unseen_and_every_attempt_is_metered() {
    let (faults, store) = faulty().await;
    let notes = Arc::new(Notes::default());
    let attempts = Attempts { first: Duration::from_millis(5), ..Attempts::default() };
    let cold = Wrapped::new(store, notes.clone()).handle(Class::Cold.room(), attempts);
    let storm = Fault::Answer(503, "SlowDown");
    faults.inject(storm, Method::GET, "/x", 3);
    faults.inject(Fault::Truncate(1000), Method::GET, "/x", 1);
    assert_eq!(cold.get_range(&key("x"), 0..90_000).await.unwrap().len(), 90_000);
    assert_eq!((faults.fired(storm), faults.fired(Fault::Truncate(1000))), (3, 1));
    let told = notes.0.lock().unwrap().clone();
    let throttled = (Op::Get, "throttled", 0);
    assert_eq!(told, [throttled, throttled, throttled, (Op::Get, "transient", 0), (Op::Get, "ok", 90_000)]);
}
