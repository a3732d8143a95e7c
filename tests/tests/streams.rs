//! Kafka Streams' exactly-once holds through a fleet of gateways: every number is counted once, whichever gateway,
//! broker or instance dies meanwhile.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tidegate_tests::apps::{App, Streams};
#[cfg(feature = "slow")]
use tidegate_tests::apps::{SMOKE_PARTITIONS, SMOKE_TOPICS, Smoke};
use tidegate_tests::java::{Consumer, Record, Taken};
use tidegate_tests::{Cluster, Fleet, Java, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];
const PARTITIONS: i32 = 4;
/// As many as in `Counting.java`.
const KINDS: i64 = 16;

/// Numbers sent at a time, and the pause after them: some 600 a second, which leaves two cores time for the rest.
const BATCH: usize = 25;
const PACE: Duration = Duration::from_millis(40);

/// How long anybody may take to get over anything.
const PATIENCE: Duration = Duration::from_secs(90);

/// What has been counted, as the brokers tell it to a reader of committed records.
struct Counted {
    reader: Consumer,
    /// For each kind its counts, in order.
    counts: BTreeMap<i64, Vec<i64>>,
    total: usize,
}

impl Counted {
    fn new(cluster: &Cluster) -> Self {
        let props = json!({"bootstrap.servers": cluster.bootstrap(), "isolation.level": "read_committed"});
        let all: Vec<_> = (0..PARTITIONS).map(|p| ("counted", p)).collect();
        let reader = Java::resident().unwrap().assign(props, &all).unwrap();
        Self { reader, counts: BTreeMap::new(), total: 0 }
    }

    fn take(&mut self, wait: Duration) {
        for taken in self.reader.take(10_000, wait).unwrap() {
            if let Taken::Record(Record(_, _, key, _)) = taken {
                let (kind, count) = key.split_once(' ').unwrap();
                self.counts.entry(kind.parse().unwrap()).or_default().push(count.parse().unwrap());
                self.total += 1;
            }
        }
    }

    /// Waits until as many are counted.
    fn wait(&mut self, total: usize, what: &str) {
        wait::until_true(&format!("{total} numbers to be counted {what}"), PATIENCE, || {
            self.take(Duration::from_millis(200));
            anyhow::ensure!(self.total >= total, "{}", self.total);
            Ok(true)
        })
        .unwrap();
    }

    /// Waits until some more are counted than now.
    fn wait_more(&mut self, more: usize, what: &str) {
        self.take(Duration::ZERO);
        self.wait(self.total + more, what);
    }

    /// Reads to the end of the log, which nobody writes any more.
    fn read_to_end(&mut self, cluster: &Cluster) {
        let admin = Java::resident().unwrap().admin(&cluster.bootstrap());
        for partition in 0..PARTITIONS {
            let (_, end) = admin.offsets("counted", partition).unwrap();
            wait::until_true("the last count", PATIENCE, || {
                let at = json!({"topic": "counted", "partition": partition});
                let position = self.reader.call("position", at)?.as_i64();
                anyhow::ensure!(position == Some(end), "{position:?} of {end}");
                Ok(true)
            })
            .unwrap();
        }
        while {
            let before = self.total;
            self.take(Duration::ZERO);
            self.total > before
        } {}
    }
}

/// Every kind was counted 1, 2, 3, ... up to the number of its numbers, which are 0 to `sent`.
fn check(counts: &BTreeMap<i64, Vec<i64>>, sent: i64) {
    for kind in 0..KINDS {
        let expected = (sent - kind + KINDS - 1) / KINDS;
        let seen = counts.get(&kind).map(Vec::as_slice).unwrap_or_default();
        for (n, count) in (1..).zip(seen) {
            assert_eq!(*count, n, "kind {kind}: {n} should follow {}: lost or counted twice", n - 1);
        }
        assert_eq!(seen.len() as i64, expected, "kind {kind} of {sent} numbers");
    }
}

/// Sends 0, 1, 2, ... through the gateways, idempotently, until told to stop; how many.
fn feed(bootstrap: &str, sent: &AtomicUsize, stop: &AtomicBool) {
    let producer = Java::resident().unwrap().producer(json!({"bootstrap.servers": bootstrap})).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let first = sent.load(Ordering::Relaxed);
        let acks = producer.send(json!({"topic": "numbers", "first": first, "count": BATCH})).unwrap();
        assert!(acks.iter().all(Result::is_ok), "{acks:?}");
        sent.fetch_add(BATCH, Ordering::Relaxed);
        thread::sleep(PACE);
    }
}

struct Stage {
    cluster: Cluster,
    fleet: Fleet,
    counted: Counted,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::builder().brokers(3).racks(ZONES).property("min.insync.replicas", "2");
        let cluster = cluster.start().unwrap();
        let fleet = Fleet::start(&cluster, &ZONES, "").unwrap();
        let admin = Java::resident().unwrap().admin(&cluster.bootstrap());
        for topic in ["numbers", "counted"] {
            admin.create_topic(topic, PARTITIONS, 3).unwrap();
        }
        let counted = Counted::new(&cluster);
        Self { cluster, fleet, counted }
    }

    /// An instance at the gateway of a zone, and at no other.
    fn instance(&self, zone: &str) -> Streams {
        let gateway = self.fleet.site(zone).unwrap().address();
        Streams::start(App::Counting, &gateway, self.cluster.dir(), &format!("counting-{zone}")).unwrap()
    }

    /// Everything that may break breaks, one after the other, and is mended; the instances that are left.
    fn break_everything(&mut self) -> Vec<Streams> {
        let mut first = self.instance("az1");
        let mut second = self.instance("az2");
        first.wait_running(PATIENCE).unwrap();
        second.wait_running(PATIENCE).unwrap();
        self.counted.wait_more(500, "in peace");
        self.wait_transactions("az1");

        let gateway = self.fleet.gateway("az1").unwrap();
        gateway.kill9().unwrap();
        assert!(!gateway.is_alive());
        self.fleet.gateway("az1").unwrap().restart().unwrap();
        self.counted.wait_more(1_000, "after a gateway died");
        self.wait_transactions("az1");

        self.cluster.broker(2).unwrap().kill9().unwrap();
        self.counted.wait_more(500, "without a broker");
        self.cluster.broker(2).unwrap().restart().unwrap();
        self.cluster.wait_ready().unwrap();
        self.counted.wait_more(500, "with the broker back");

        // In the middle of a transaction, and with its state: the next one has to read it back.
        first.kill9().unwrap();
        let mut third = self.instance("az3");
        third.wait_running(PATIENCE).unwrap();
        wait::until_true("the state to be restored", PATIENCE, || Ok(third.restored() > 0)).unwrap();
        self.counted.wait_more(500, "by an instance that began without state");
        self.wait_transactions("az3");
        vec![second, third]
    }

    /// Waits until the instance in a zone ends transactions through the gateway there, which counts from its start.
    fn wait_transactions(&mut self, zone: &str) {
        let gateway = self.fleet.gateway(zone).unwrap();
        wait::until_true(&format!("transactions through {zone}"), PATIENCE, || {
            Ok(gateway.metrics()?.sum("tidegate_relayed_bytes_total", &[("api", "EndTxn")]) > 0.0)
        })
        .unwrap();
    }
}

#[test]
fn streams_counts_every_number_once_whatever_dies_between() {
    let mut stage = Stage::new();
    let bootstrap = stage.fleet.site("az3").unwrap().address();
    let (sent, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let instances = thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&bootstrap, &sent, &stop));
        let instances = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.break_everything()));
        stop.store(true, Ordering::Relaxed);
        feeder.join().unwrap();
        instances.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let sent = sent.load(Ordering::Relaxed);
    stage.counted.wait(sent, "in all");
    for instance in instances {
        instance.finish(PATIENCE).unwrap();
    }
    stage.counted.read_to_end(&stage.cluster);
    let admin = Java::resident().unwrap().admin(&stage.cluster.bootstrap());
    let stored: i64 = (0..PARTITIONS).map(|p| admin.offsets("numbers", p).unwrap().1).sum();
    assert_eq!(stored, sent as i64, "numbers in the log, each once");
    check(&stage.counted.counts, sent as i64);
    eprintln!("{sent} numbers, each counted once");
}

/// Kafka's own smoke test: its driver judges.
#[cfg(feature = "slow")]
#[test]
fn kafkas_own_smoke_test_of_exactly_once_succeeds_whatever_dies_between() {
    // It writes for a minute and a half, and its workers have then to catch up.
    const LENGTH: Duration = Duration::from_secs(600);
    let cluster = Cluster::builder().brokers(3).racks(ZONES).property("min.insync.replicas", "2");
    let mut cluster = cluster.start().unwrap();
    let mut fleet = Fleet::start(&cluster, &ZONES, "").unwrap();
    let admin = Java::resident().unwrap().admin(&cluster.bootstrap());
    for topic in SMOKE_TOPICS {
        let configs = if topic == "tagg" { json!({"cleanup.policy": "compact"}) } else { json!({}) };
        let topic =
            json!({"topic": topic, "partitions": SMOKE_PARTITIONS, "replication": 3, "configs": configs});
        admin.create_topic_with(topic).unwrap();
    }
    let at = |fleet: &Fleet, zone: &str| fleet.site(zone).unwrap().address();
    let everywhere = ZONES.map(|zone| at(&fleet, zone)).join(",");
    let dir = cluster.dir().to_owned();
    let mut first = Smoke::worker(&at(&fleet, "az1"), &dir, "first").unwrap();
    let mut second = Smoke::worker(&at(&fleet, "az2"), &dir, "second").unwrap();
    for worker in [&mut first, &mut second] {
        worker.wait_said("SMOKE-TEST-CLIENT-STARTED", PATIENCE).unwrap();
    }
    let mut driver = Smoke::driver(&everywhere, &dir).unwrap();
    first.wait_said("processed", PATIENCE).unwrap();

    let gateway = fleet.gateway("az1").unwrap();
    gateway.kill9().unwrap();
    assert!(!gateway.is_alive());
    gateway.restart().unwrap();
    cluster.broker(2).unwrap().kill9().unwrap();
    cluster.broker(2).unwrap().restart().unwrap();
    cluster.wait_ready().unwrap();
    first.kill9().unwrap();
    let mut third = Smoke::worker(&at(&fleet, "az3"), &dir, "third").unwrap();
    third.wait_said("SMOKE-TEST-CLIENT-STARTED", PATIENCE).unwrap();

    driver.wait_exit(LENGTH).unwrap();
    let said = driver.said().unwrap();
    let verdict: Vec<_> =
        said.lines().filter(|l| l.chars().all(|c| c.is_ascii_uppercase() || c == '-')).collect();
    eprintln!("the driver says: {verdict:?}");
    assert!(verdict.contains(&"SUCCESS"), "{}", driver.log_tail(60));
    assert!(!verdict.contains(&"PROCESSED-MORE-THAN-GENERATED"), "{}", driver.log_tail(60));
    let through = fleet.metric("tidegate_relayed_bytes_total", &[("api", "EndTxn")]).unwrap();
    assert!(through > 0.0, "no transaction ended through a gateway");
}

#[test]
fn the_checker_finds_a_number_that_was_lost_or_counted_twice() {
    let sound: BTreeMap<i64, Vec<i64>> = (0..KINDS).map(|kind| (kind, vec![1, 2])).collect();
    check(&sound, 2 * KINDS);
    for wrong in [vec![1], vec![1, 1, 2], vec![1, 2, 3], vec![2, 3], vec![2, 1]] {
        let mut counts = sound.clone();
        counts.insert(3, wrong);
        std::panic::catch_unwind(|| check(&counts, 2 * KINDS)).unwrap_err();
    }
}
