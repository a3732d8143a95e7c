//! Leaders change, brokers die, the cluster loses records, its own retention is faster than the upload: what the tier says of it all is what the
//! leader's log says, and what can't be told by records is told by an error and a number.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Method;
use kafka::types::TopicId;
use serde_json::{Value, json};
use tidegate_tests::gateway::{Fleet, binary_path};
use tidegate_tests::java::{Admin, Consumer, Record, Taken, class_of};
use tidegate_tests::s3::{Fault, Faults, Maker, Server};
use tidegate_tests::truth::{Asker, Log, Part, Question};
use tidegate_tests::{Cluster, Java, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];
const LIMIT: Duration = Duration::from_secs(90);
const OFFSET_OUT_OF_RANGE: i16 = 1;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// Bytes of each value.
const SIZE: usize = 1000;
/// Records sent at a time, and the pause after them: some 1,500 a second, more than a segment.
const BATCH: i64 = 100;
const PACE: Duration = Duration::from_millis(50);
/// What the store answers to who may not write.
const REFUSED: Fault = Fault::Answer(403, "AccessDenied");
/// So often that nothing gets through until it is taken away.
const ALWAYS: usize = usize::MAX;

/// Brokers keep next to nothing of `orders`, three segments of `kept`.
const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {time: 1s}, trim: true}\n    - {match: \"kept.*\", hot: {bytes: 3MiB}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

struct Stage {
    cluster: Cluster,
    _server: Server,
    faults: Faults,
    fleet: Fleet,
    /// The store's section without the faults, for the verifier.
    plain: String,
}

/// The stage, one test at a time: they kill.
fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(build()));
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Broker 1 alone votes and is never killed, so that any two others may be.
fn build() -> Stage {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).voters(1);
    let cluster = cluster.property("log.retention.check.interval.ms", "1000");
    let cluster = cluster.property("log.initial.task.delay.ms", "1000").start().unwrap();
    let server = Server::start(Maker::S3Proxy).unwrap();
    let faults = Faults::before(&server).unwrap();
    let mut bucket = server.bucket().unwrap();
    let plain = Server::yaml(&bucket);
    bucket.endpoint = Some(faults.endpoint());
    let fleet =
        Fleet::start_env(&cluster, &["az1", "az2"], &(Server::yaml(&bucket) + TIERING), &Server::env());
    Stage { cluster, _server: server, faults, fleet: fleet.unwrap(), plain }
}

impl Stage {
    fn direct(&self) -> Admin {
        // Broker 1, because an admin client may ask a dead one first.
        Java::resident().unwrap().admin(&self.cluster.brokers()[0].address())
    }

    fn through(&self) -> String {
        self.fleet.sites()[0].address()
    }

    fn create(&self, topic: &str, replicas: &[i32], configs: Value) {
        let args = json!({"topic": topic, "assignment": [replicas], "configs": configs});
        self.direct().create_topic_with(args).unwrap();
    }

    /// Records with the keys from `first` on, `age` old.
    fn produce(&self, topic: &str, first: i64, count: i64, age: Duration) {
        let producer =
            Java::resident().unwrap().producer(json!({"bootstrap.servers": self.through()})).unwrap();
        let written = now_ms() - age.as_millis() as i64;
        let batch =
            json!({"topic": topic, "first": first, "count": count, "size": SIZE, "timestamps": [written]});
        let acks = producer.send(batch).unwrap();
        assert!(acks.iter().all(Result::is_ok), "{:?}", acks.iter().find(|a| a.is_err()));
    }

    /// The brokers' own log of it.
    fn on_brokers(&self, topic: &str) -> (i64, i64) {
        self.direct().offsets(topic, 0).unwrap()
    }

    fn wait_trimmed(&self, topic: &str, offset: i64) {
        let admin = self.direct();
        let trimmed = || Ok(admin.offsets(topic, 0)?.0 >= offset);
        wait::until_true(&format!("brokers to drop {topic} up to {offset}"), LIMIT, trimmed).unwrap();
    }

    /// Waits until the tier holds everything up to `end`.
    fn wait_tiered(&self, topic: &str, end: i64) {
        let at = self.fleet.sites()[0].broker_address(self.leader(topic)).unwrap();
        let tiered = || Ok(Asker::connect(&at)?.list(11, topic, 0, EARLIEST_PENDING_UPLOAD, 0)?.2 >= end);
        wait::until_true(&format!("{topic} to be in the tier up to {end}"), LIMIT, tiered).unwrap();
    }

    fn leader(&self, topic: &str) -> i32 {
        self.direct().describe_topic(topic).unwrap()[0].leader
    }

    /// A consumer from the earliest offset, to which every error is shown.
    fn reader(&self, topic: &str) -> Consumer {
        let props = json!({
            "bootstrap.servers": self.through(), "auto.offset.reset": "none", "client.id": "reader",
        });
        Java::resident().unwrap().assign(props, &[(topic, 0)]).unwrap()
    }

    /// A raw connection to the leader's endpoint at a gateway.
    fn asker(&self, topic: &str) -> Asker {
        Asker::connect(&self.fleet.sites()[0].broker_address(self.leader(topic)).unwrap()).unwrap()
    }

    /// The whole log as a raw reader gets it through a gateway.
    fn log(&self, topic: &str) -> Log {
        // A read that isn't there in time is answered by nothing.
        let read = || Ok(Some(Log::read(&mut self.asker(topic), self.id(topic), 0, -1)?));
        wait::until(&format!("{topic} to be read raw"), LIMIT, read).unwrap()
    }

    fn id(&self, topic: &str) -> TopicId {
        TopicId(self.direct().topic_id(topic).unwrap())
    }

    fn question(&self, topic: &str, offset: i64) -> Question {
        let part = Part { partition: 0, offset, epoch: -1, max_bytes: 10_000 };
        let id = self.id(topic);
        Question { version: 13, isolation: 0, max_bytes: 1 << 20, parts: vec![part], topic: topic.into(), id }
    }

    /// The part of the bucket that is this topic's.
    fn folder(&self, topic: &str) -> String {
        format!("{:?}/", self.id(topic))
    }

    fn metric(&mut self, name: &str, topic: &str) -> f64 {
        self.fleet.metric(name, &[("topic", topic)]).unwrap()
    }

    fn wait_metric(&mut self, name: &str, topic: &str, wanted: impl Fn(f64) -> bool) {
        let look = || Ok(wanted(self.fleet.metric(name, &[("topic", topic)])?));
        wait::until_true(&format!("{name} of {topic} to be as wanted"), LIMIT, look).unwrap();
    }

    /// The smallest headroom that a gateway reports for a topic, if one does.
    fn headroom(&mut self, topic: &str) -> Option<f64> {
        let mut all = Vec::new();
        for gateway in self.fleet.gateways() {
            let samples = gateway.metrics().unwrap().0;
            let ours = samples.into_iter().filter(|s| s.name == "tidegate_tier_retention_headroom_seconds");
            all.extend(ours.filter(|s| s.labels["topic"] == topic).map(|s| s.value));
        }
        all.into_iter().reduce(f64::min)
    }

    /// What a gateway's status says is wrong with a topic.
    fn trouble(&mut self, topic: &str) -> Option<String> {
        let statuses = self.fleet.gateways().iter().map(|g| g.status().unwrap());
        let topics = statuses.flat_map(|s| s.pointer("/tier/topics").and_then(Value::as_array).cloned());
        let ours = topics.flatten().filter(|t| t["topic"] == topic);
        ours.filter_map(|t| t["trouble"].as_str().map(str::to_owned)).next()
    }

    fn kill(&mut self, broker: i32) {
        let broker = self.cluster.broker(broker).unwrap();
        broker.kill9().unwrap();
        assert!(!broker.is_alive());
    }

    fn revive(&mut self, broker: i32) {
        self.cluster.broker(broker).unwrap().restart().unwrap();
        self.cluster.wait_ready().unwrap();
    }

    fn verify(&self, topic: &str) {
        let upstream = format!("cluster:\n  bootstrap: [{}]", self.cluster.bootstrap().replace(',', ", "));
        let config = self.cluster.dir().join("verify.yaml");
        let text = self.fleet.sites()[0].yaml(&upstream, &[], "", &(self.plain.clone() + TIERING));
        std::fs::write(&config, text).unwrap();
        let mut run = Command::new(binary_path().unwrap());
        let ran =
            run.args(["tier", "verify", topic, "-c"]).arg(&config).envs(Server::env()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The value that a record of this key was written with (`Producers.java`).
fn value(key: i64) -> Vec<u8> {
    let mut value = key.to_string().into_bytes();
    value.extend((value.len()..SIZE).map(|i| b'a' + (i % 26) as u8));
    value
}

/// Offsets from 0 on without a hole, and the keys that offsets are to have.
fn assert_keys(records: &[Record], key: impl Fn(i64) -> i64, when: &str) {
    for (n, record) in (0..).zip(records) {
        let wanted = (n, key(n).to_string(), SIZE as i64);
        assert_eq!((record.1, record.2.clone(), record.3), wanted, "{when}");
    }
}

/// The log as a raw reader has it: every batch sound, and every record's value the one that was written, byte for byte.
fn assert_contents(log: &Log, count: i64, key: impl Fn(i64) -> i64) {
    let mut at = 0;
    for n in 0..count {
        let value = value(key(n));
        // Nothing but headers and the key lies between two values.
        let near = &log.bytes[at..log.bytes.len().min(at + SIZE + 200)];
        let found = near.windows(SIZE).position(|bytes| bytes == value);
        at += found.unwrap_or_else(|| panic!("the value of offset {n} is another")) + SIZE;
    }
}

/// Writes keys 0, 1, 2, ... idempotently until told to stop; how many.
fn write(bootstrap: &str, topic: &str, stop: &AtomicBool) -> i64 {
    let producer = Java::resident().unwrap().producer(json!({"bootstrap.servers": bootstrap})).unwrap();
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let acks =
            producer.send(json!({"topic": topic, "first": sent, "count": BATCH, "size": SIZE})).unwrap();
        assert!(acks.iter().all(Result::is_ok), "{:?}", acks.iter().find(|a| a.is_err()));
        sent += BATCH;
        thread::sleep(PACE);
    }
    sent
}

#[test]
fn whoever_leads_and_whoever_dies_each_record_is_copied_trimmed_and_read_once() {
    let mut stage = stage();
    let topic = "orders.elections";
    stage.create(topic, &[2, 3, 1], json!({}));
    let (through, stop) = (stage.through(), AtomicBool::new(false));
    let (sent, reader, changes) = thread::scope(|scope| {
        let writer = scope.spawn(|| write(&through, topic, &stop));
        let changed =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| change_leaders(&mut stage, topic)));
        stop.store(true, Ordering::Relaxed);
        let sent = writer.join().unwrap();
        let (reader, changes) = changed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (sent, reader, changes)
    });
    // It began in the tier and has followed the writer ever since.
    assert_keys(&reader.records(sent as usize, LIMIT).unwrap(), |n| n, "all along");
    stage.wait_tiered(topic, sent);
    let log = stage.log(topic);
    assert_contents(&log, sent, |n| n);
    let epochs = log.epochs();
    assert!(epochs.len() > changes, "{changes} leaders took over, and the log knows {epochs:?}");
    stage.verify(topic);
}

/// Leaders are moved, then one dies and comes back, each time while segments are cut, trimmed and read. The reader that saw all of it, and how often
/// the leader was another.
fn change_leaders(stage: &mut Stage, topic: &str) -> (Consumer, usize) {
    stage.wait_trimmed(topic, 1000);
    let reader = stage.reader(topic);
    for replicas in [[3, 2, 1], [2, 3, 1]] {
        let (before, (_, end)) = (stage.leader(topic), stage.on_brokers(topic));
        stage.direct().reassign(topic, 0, &replicas).unwrap();
        assert_ne!(stage.leader(topic), before);
        goes_on(stage, topic, end, "after a leader was moved");
    }
    let (before, (_, end)) = (stage.leader(topic), stage.on_brokers(topic));
    stage.kill(before);
    stage.direct().wait_partition(topic, 0, |p| p.leader >= 0 && p.leader != before).unwrap();
    goes_on(stage, topic, end, "while the old leader is dead");
    stage.revive(before);
    let (_, end) = stage.on_brokers(topic);
    goes_on(stage, topic, end, "after it came back");
    (reader, 3)
}

/// Copied and trimmed beyond `end`, and read up to there by somebody who begins at the beginning.
fn goes_on(stage: &Stage, topic: &str, end: i64, when: &str) {
    stage.wait_trimmed(topic, end);
    assert_keys(&stage.reader(topic).records(end as usize, LIMIT).unwrap(), |n| n, when);
}

/// Records that both replicas have; then those that only the one has that will be lost; then those of the one that leads after it.
const COMMON: i64 = 3000;
const LOST: i64 = 2000;
const NEW: i64 = 1500;
/// What keys begin with that were written after the loss.
const ANEW: i64 = 100_000;

#[test]
fn after_an_unclean_election_the_tier_follows_the_leader_and_never_mixes_two_histories() {
    let mut stage = stage();
    let (kept, gone) = ("kept.unclean", "orders.unclean");
    let config = json!({"unclean.leader.election.enable": "true", "min.insync.replicas": "1"});
    [kept, gone].iter().for_each(|topic| stage.create(topic, &[2, 3], config.clone()));
    let old_reader = lose_the_leader(&mut stage, [kept, gone]);

    // The tier can't follow yet. What it has is not the leader's any more, and is not given to anybody.
    let (mut asker, lost) = (stage.asker(kept), stage.question(kept, COMMON + LOST / 2));
    for n in 0..3 {
        let said = asker.fetch(&lost).unwrap().remove(0);
        assert!([0, OFFSET_OUT_OF_RANGE].contains(&said.error), "error {}", said.error);
        assert!(said.records.is_empty(), "asked {n} times: a record that the leader lost is given out");
    }
    stage.produce(kept, ANEW, NEW, Duration::ZERO);
    stage.produce(gone, ANEW, NEW, Duration::ZERO);
    stage.faults.calm();

    stage.wait_metric("tidegate_tier_divergences_total", kept, |n| n >= 1.0);
    stage.wait_tiered(kept, COMMON + NEW);
    let key = |n| if n < COMMON { n } else { ANEW + n - COMMON };
    let all = COMMON + NEW;
    assert_keys(&stage.reader(kept).records(all as usize, LIMIT).unwrap(), key, "after the tier followed");
    let log = stage.log(kept);
    assert_contents(&log, all, key);
    stage.verify(kept);
    told_of_the_turn(&old_reader);

    // Of what brokers were told to drop the tier has the only copy: it keeps that, goes no further, and says so.
    stage.wait_metric("tidegate_tier_in_trouble", gone, |n| n >= 1.0);
    let trouble = stage.trouble(gone).unwrap();
    assert!(trouble.contains("the cluster lost records"), "{trouble}");
    let old = (COMMON + LOST) as usize;
    assert_keys(&stage.reader(gone).records(old, LIMIT).unwrap(), |n| n, "what only the tier has");
    stage.verify(gone);
    stage.revive(2);
}

/// Broker 3 misses what broker 2 takes, the tier copies it, then broker 2 is gone and broker 3 leads without it. While this lasts, no manifest of the
/// first topic can be written. A reader that has read all that was lost.
fn lose_the_leader(stage: &mut Stage, topics: [&str; 2]) -> Consumer {
    topics.iter().for_each(|topic| stage.produce(topic, 0, COMMON, Duration::ZERO));
    stage.kill(3);
    for topic in topics {
        stage.direct().wait_partition(topic, 0, |p| p.isr == [2]).unwrap();
        stage.produce(topic, COMMON, LOST, Duration::ZERO);
        stage.wait_tiered(topic, COMMON + LOST);
    }
    stage.wait_trimmed(topics[0], 500);
    stage.wait_trimmed(topics[1], COMMON + LOST);
    assert!(stage.on_brokers(topics[0]).0 < COMMON, "what is to be lost is not trimmed");
    let reader = stage.reader(topics[0]);
    assert_keys(&reader.records((COMMON + LOST) as usize, LIMIT).unwrap(), |n| n, "before");
    let refused = stage.faults.fired(REFUSED);
    stage.faults.inject(REFUSED, Method::PUT, &format!("{}0/man/", stage.folder(topics[0])), ALWAYS);
    stage.kill(2);
    stage.cluster.broker(3).unwrap().restart().unwrap();
    for topic in topics {
        stage.direct().wait_partition(topic, 0, |p| p.leader == 3).unwrap();
    }
    stage.cluster.wait_ready().unwrap();
    assert_eq!(stage.on_brokers(topics[0]).1, COMMON, "the new leader lacks what was copied");
    let faults = &stage.faults;
    wait::until_true("the tier to see it", LIMIT, || Ok(faults.fired(REFUSED) > refused)).unwrap();
    reader
}

/// Kafka's own words for it: the reader has read what is no more.
fn told_of_the_turn(reader: &Consumer) {
    let told = ["LogTruncationException", "OffsetOutOfRangeException"];
    let error = reader.records(1, LIMIT).unwrap_err();
    assert!(class_of(&error).is_some_and(|class| told.contains(&class)), "{error:#}");
}

/// What brokers keep of the topic that is too slow, s, and how old its records are when they come.
const RETENTION: i64 = 20;
const AGE: Duration = Duration::from_secs(10);

#[test]
fn retention_that_overtakes_the_upload_was_announced_and_leaves_a_gap_that_is_told_and_no_more() {
    let mut stage = stage();
    let topic = "orders.race";
    // On the broker that no test kills.
    let config =
        json!({"segment.bytes": (1 << 20).to_string(), "retention.ms": (RETENTION * 1000).to_string()});
    stage.create(topic, &[1], config);
    stage.produce(topic, 0, 3000, Duration::ZERO);
    stage.wait_trimmed(topic, 3000);
    let waiting = stage.reader(topic);
    assert_keys(&waiting.records(3000, LIMIT).unwrap(), |n| n, "before");
    let (calm, refused) = (stage.headroom(topic).unwrap(), stage.faults.fired(REFUSED));
    assert!(calm > RETENTION as f64 / 2.0, "headroom {calm} s while nothing waits");

    stage.faults.inject(REFUSED, Method::PUT, &stage.folder(topic), ALWAYS);
    stage.produce(topic, 3000, 4000, AGE);
    stage.produce(topic, 7000, 1500, Duration::ZERO);
    let announced = wait::until("the alarm", LIMIT, || {
        Ok(stage.headroom(topic).filter(|headroom| *headroom <= (RETENTION - AGE.as_secs() as i64) as f64))
    });
    let (start, _) = stage.on_brokers(topic);
    assert!(start <= 3000, "brokers dropped up to {start} before headroom fell to {announced:?}");
    let dropped = wait::until("brokers to drop what is not copied", LIMIT, || {
        Ok(Some(stage.on_brokers(topic).0).filter(|start| *start > 3000))
    });
    assert!(stage.faults.fired(REFUSED) > refused);
    assert!(stage.metric("tidegate_tier_in_trouble", topic) > 0.0);
    // As whoever hears the alarm would; later than the test wants it.
    stage.direct().alter_config("TOPIC", topic, json!({"retention.ms": "3600000"})).unwrap();
    stage.faults.calm();

    stage.wait_metric("tidegate_tier_gaps_total", topic, |n| n >= 1.0);
    stage.produce(topic, 8500, 500, Duration::ZERO);
    stage.wait_tiered(topic, 9000);
    eprintln!("headroom {calm} s, then {announced:?} s; dropped up to {dropped:?}");
    let fresh = stage.reader(topic);
    let behind = read_on(&fresh, 0, 9000, 3000);
    assert!((3001..=7000).contains(&behind), "fresh records begin at 7000, readers go on at {behind}");
    // Whoever kept up has all of it, and reads on over what is a hole for others.
    let kept = waiting.records(6000, LIMIT).unwrap();
    assert!(
        kept.iter().map(|r| (r.1, r.2.clone())).eq((3000..9000).map(|n| (n, n.to_string()))),
        "who kept up"
    );
    stage.verify(topic);
}

/// Reads from `from` on up to `end` over one hole that begins at `hole`, and says where it goes on. Every record is the one that was written.
fn read_on(reader: &Consumer, from: i64, end: i64, hole: i64) -> i64 {
    let (mut next, mut behind) = (from, None);
    wait::until_true(&format!("{end} to be reached"), LIMIT, || {
        for taken in reader.take(1000, Duration::from_millis(500))? {
            match taken {
                Taken::Record(Record(_, offset, key, size)) => {
                    if offset != next {
                        assert_eq!((next, behind.replace(offset)), (hole, None), "a hole up to {offset}");
                    }
                    assert_eq!((key, size), (offset.to_string(), SIZE as i64));
                    next = offset + 1;
                }
                Taken::Error(error) => {
                    let told = error.class == "OffsetOutOfRangeException" && next == hole;
                    assert!(told, "at {next}: {error}");
                }
                _ => {}
            }
        }
        anyhow::ensure!(next == end, "at {next}");
        Ok(true)
    })
    .unwrap();
    behind.unwrap()
}
