//! Clients of every kind, and Kafka's own tools, read from the tier over into what brokers have, and can't tell. What they are held to is what they
//! were answered before anything was moved.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::clients::{Driver, Fault, History, Reader, Reading};
use tidegate_tests::gateway::{Fleet, Metrics};
use tidegate_tests::java::{Consumer, Record, Taken};
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::tool::Tool;
use tidegate_tests::{Cluster, Java, wait};

const ZONES: [&str; 2] = ["az1", "az2"];
const LIMIT: Duration = Duration::from_secs(90);
const PLAIN: &str = "orders.plain";
const TRANSACTIONS: &str = "orders.transactions";
/// Of a partition, and bytes of each.
const RECORDS: i64 = 4000;
const SIZE: i64 = 1000;
/// Records of one timestamp, and of one transaction.
const CHUNK: i64 = 100;
/// The first timestamp, and the ms from one to the next.
const BEGAN: i64 = 1_700_000_000_000;
const STEP: i64 = 1000;
/// Keys of partition n begin with n times this.
const KEYS_APART: i64 = 100_000;
/// Of each partition brokers keep fewer than a thousand records, and the tier has the rest.
/// The tier alone has at least so many of each partition.
const COLD: i64 = 2500;
const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {bytes: 512KiB}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

/// Where kcat begins: in the tier, near the boundary on either side, on the brokers. Times as well as offsets.
const STARTS: [&str; 9] = [
    "beginning",
    "s@1700000000000",
    "s@1700000012345",
    "s@1700000028000",
    "s@1700000031000",
    "s@1700000038000",
    "1234",
    "3100",
    "-3500",
];
/// What GetOffsetShell is asked for.
const TIMES: [&str; 6] =
    ["earliest", "latest", "max-timestamp", "1700000000000", "1700000012345", "1700000037000"];

struct Stage {
    cluster: Cluster,
    _server: Server,
    fleet: Fleet,
    before: Before,
}

/// What was said on the brokers themselves before anything was moved.
struct Before {
    /// kcat's output by topic and start.
    kcat: BTreeMap<(&'static str, &'static str), String>,
    /// GetOffsetShell's by time.
    offsets: BTreeMap<&'static str, String>,
}

fn stage() -> &'static Stage {
    static STAGE: LazyLock<Stage> = LazyLock::new(build);
    &STAGE
}

fn build() -> Stage {
    let cluster = Cluster::builder().brokers(2).racks(ZONES).start().unwrap();
    let admin = Java::resident().unwrap().admin(&cluster.bootstrap());
    // What is written is years old by its timestamps.
    let configs = json!({"retention.ms": "-1"});
    for (topic, assignment) in [(PLAIN, json!([[1, 2], [2, 1]])), (TRANSACTIONS, json!([[2, 1]]))] {
        admin
            .create_topic_with(json!({"topic": topic, "assignment": assignment, "configs": configs}))
            .unwrap();
    }
    write_plain(&cluster);
    write_transactions(&cluster);
    let before = Before {
        kcat: all_of_kcat(&cluster.bootstrap()),
        offsets: all_offsets(&cluster, &cluster.bootstrap()),
    };
    let server = Server::start(Maker::S3Proxy).unwrap();
    let sections = Server::yaml(&server.bucket().unwrap()) + TIERING;
    let fleet = Fleet::start_env(&cluster, &ZONES, &sections, &Server::env()).unwrap();
    for (topic, partition) in [(PLAIN, 0), (PLAIN, 1), (TRANSACTIONS, 0)] {
        wait::until_true("brokers to drop what the tier holds", LIMIT, || {
            Ok(admin.offsets(topic, partition)?.0 > COLD)
        })
        .unwrap();
        let (start, end) = admin.offsets(topic, partition).unwrap();
        assert!(start + CHUNK < end, "{topic}-{partition}: brokers have nothing left: {start}..{end}");
    }
    Stage { cluster, _server: server, fleet, before }
}

fn write_plain(cluster: &Cluster) {
    let producer =
        Java::resident().unwrap().producer(json!({"bootstrap.servers": cluster.bootstrap()})).unwrap();
    for (partition, chunk) in (0..2).flat_map(|p| (0..RECORDS / CHUNK).map(move |chunk| (p, chunk))) {
        let acks = producer.send(json!({
            "topic": PLAIN, "partition": partition, "first": partition * KEYS_APART + chunk * CHUNK, "count": CHUNK,
            "size": SIZE, "timestamps": [BEGAN + chunk * STEP],
        }));
        assert!(acks.unwrap().iter().all(Result::is_ok));
    }
}

/// Every third transaction is aborted.
fn write_transactions(cluster: &Cluster) {
    let props = json!({"bootstrap.servers": cluster.bootstrap(), "transactional.id": "clients"});
    let producer = Java::resident().unwrap().producer(props).unwrap();
    for chunk in 0..RECORDS / CHUNK {
        producer.begin().unwrap();
        let acks = producer.send(json!({
            "topic": TRANSACTIONS, "partition": 0, "first": chunk * CHUNK, "count": CHUNK, "size": SIZE,
            "timestamps": [BEGAN + chunk * STEP],
        }));
        assert!(acks.unwrap().iter().all(Result::is_ok));
        if chunk % 3 == 1 { producer.abort() } else { producer.commit() }.unwrap();
    }
}

/// Everything that kcat (librdkafka) shows from each start: partition, offset, timestamp, key and value of every record.
fn all_of_kcat(bootstrap: &str) -> BTreeMap<(&'static str, &'static str), String> {
    let asked = [PLAIN, TRANSACTIONS].into_iter().flat_map(|topic| STARTS.map(|start| (topic, start)));
    thread::scope(|scope| {
        let run = |(topic, start)| ((topic, start), scope.spawn(move || kcat(bootstrap, topic, start)));
        let running: Vec<_> = asked.map(run).collect();
        running.into_iter().map(|(asked, shown)| (asked, shown.join().unwrap())).collect()
    })
}

fn kcat(bootstrap: &str, topic: &str, start: &str) -> String {
    let mut kcat = Command::new("kcat");
    kcat.args([
        "-C",
        "-q",
        "-e",
        "-p",
        "0",
        "-f",
        "%p %o %T %k %s\\n",
        "-X",
        "isolation.level=read_committed",
    ]);
    kcat.args(["-b", bootstrap, "-t", topic, "-o", start]);
    let ran = kcat.output().unwrap();
    assert!(ran.status.success(), "{topic} from {start}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// What GetOffsetShell says of all partitions of both topics.
fn all_offsets(cluster: &Cluster, bootstrap: &str) -> BTreeMap<&'static str, String> {
    let start = |time| {
        let args = ["--bootstrap-server", bootstrap, "--topic", "orders.*", "--time", time];
        (time, Tool::start(cluster.dist(), "org.apache.kafka.tools.GetOffsetShell", &args).unwrap())
    };
    let said = TIMES.map(start).map(|(time, tool)| {
        let ran = tool.wait().unwrap();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        (time, ran.out)
    });
    said.into()
}

impl Stage {
    fn through(&self, gateway: usize) -> String {
        self.fleet.sites()[gateway].address()
    }

    /// Fetches that were served from the tier, at all gateways.
    fn tier_fetches(&self) -> f64 {
        let admins = self.fleet.sites().iter().map(|site| format!("{}:{}", site.host, site.admin));
        admins
            .map(|admin| Metrics::of(&admin).unwrap().sum("tidegate_fetch_served_total", &[("from", "tier")]))
            .sum()
    }

    /// What committed readers of the topic with transactions are to see: keys by partition and offset.
    fn committed(&self) -> BTreeMap<(i32, i64), String> {
        let text = &self.before.kcat[&(TRANSACTIONS, "beginning")];
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            ((words[0].parse().unwrap(), words[1].parse().unwrap()), words[3].to_owned())
        };
        text.lines().map(line).collect()
    }
}

/// What readers of the plain topic are to see.
fn plain() -> BTreeMap<(i32, i64), String> {
    let all = (0..2).flat_map(|p| (0..RECORDS).map(move |o| (p, o)));
    all.map(|(p, o)| ((p, o), (i64::from(p) * KEYS_APART + o).to_string())).collect()
}

#[test]
fn kcat_shows_every_byte_from_any_offset_and_time_as_it_did_before_brokers_dropped_them() {
    let (stage, served) = (stage(), stage().tier_fetches());
    let whole = stage.before.kcat[&(PLAIN, "beginning")].lines().count() as i64;
    assert_eq!(whole, RECORDS, "what is compared is something");
    for ((topic, start), shown) in all_of_kcat(&stage.through(0)) {
        let before = &stage.before.kcat[&(topic, start)];
        let differs = shown.lines().zip(before.lines()).find(|(a, b)| a != b);
        let lines = (shown.lines().count(), before.lines().count());
        assert!(shown == *before, "{topic} from {start}: {lines:?} lines, the first other one {differs:?}");
    }
    assert!(stage.tier_fetches() > served);
}

#[test]
fn every_client_reads_over_the_boundary_whether_it_follows_hints_or_not() {
    let (stage, served) = (stage(), stage().tier_fetches());
    let group = |driver| (driver, Reading::group(&stage.through(0), PLAIN, &format!("plain-{driver}")));
    let readings: Vec<_> = DRIVERS.iter().map(|driver| group(*driver)).collect();
    let expected = plain();
    for (driver, history) in read_all(&readings, expected.len()) {
        history.check().unwrap_or_else(|e| panic!("{driver}: {e:#}"));
        assert_keys(driver, history.keys(), &expected);
    }
    assert!(stage.tier_fetches() > served);
}

/// Java, librdkafka and franz-go, which follow hints, and aiokafka, which doesn't. All seven in the slow run: as many clients that begin at once are
/// too many for two cores beside a cluster (kafka-python, which joined before it knew of the topic, kept an empty assignment).
const DRIVERS: &[Driver] = match cfg!(feature = "slow") {
    true => &Driver::LIBRARIES,
    false => &[Driver::Java, Driver::Librdkafka, Driver::Franz, Driver::Aiokafka],
};

/// Clients that can read committed records only, and how they are told to; kafkajs does by default.
const COMMITTED: [(Driver, &str); 6] = [
    (Driver::Java, r#"{"isolation.level": "read_committed"}"#),
    (Driver::Librdkafka, r#"{"isolation.level": "read_committed"}"#),
    (Driver::Franz, r#"{"read_committed": true}"#),
    (Driver::KafkaJs, "{}"),
    (Driver::Aiokafka, r#"{"isolation_level": "read_committed"}"#),
    (Driver::KafkaPython, r#"{"isolation_level": "read_committed"}"#),
];

#[test]
fn every_client_that_can_sees_committed_records_alone_wherever_they_are() {
    let stage = stage();
    let chosen = COMMITTED.iter().filter(|(driver, _)| DRIVERS.contains(driver));
    let readings = chosen.map(|(driver, props)| {
        let mut reading = Reading::group(&stage.through(0), TRANSACTIONS, &format!("committed-{driver}"));
        reading.props = serde_json::from_str(props).unwrap();
        (*driver, reading)
    });
    let readings: Vec<_> = readings.collect();
    let expected = stage.committed();
    assert!(expected.len() > 2000 && (expected.len() as i64) < RECORDS, "{}", expected.len());
    for (driver, history) in read_all(&readings, expected.len()) {
        // Gaps are what was aborted and the markers; the keys say the rest.
        let told = history.faults().iter().find(|fault| matches!(fault, Fault::Reset(_)));
        assert!(told.is_none(), "{driver}: {told:?}");
        assert_keys(driver, history.keys(), &expected);
    }
}

/// Starts all readers, waits until each has as many records, and gives what they saw.
fn read_all(readings: &[(Driver, Reading)], records: usize) -> Vec<(Driver, History)> {
    let start = |(driver, reading): &(Driver, Reading)| {
        (*driver, driver.spawn_consumer(&reading.clone().with_keys()).unwrap())
    };
    let readers: Vec<_> = readings.iter().map(start).collect();
    let wait = |(driver, reader): (Driver, Reader)| {
        reader.wait_records(records as u64, LIMIT).unwrap_or_else(|e| panic!("{driver}: {e:#}"));
        (driver, reader.finish(LIMIT).unwrap())
    };
    readers.into_iter().map(wait).collect()
}

fn assert_keys(driver: Driver, seen: &BTreeMap<(i32, i64), String>, expected: &BTreeMap<(i32, i64), String>) {
    let differs = seen.iter().zip(expected).find(|(a, b)| a != b);
    assert!(
        seen == expected,
        "{driver}: {} of {} records, the first other one {differs:?}",
        seen.len(),
        expected.len()
    );
}

/// A member of a group, and what it was given.
struct Member {
    consumer: Consumer,
    seen: Vec<(i32, i64)>,
    assigned: usize,
}

impl Member {
    /// Reads some hundred records a second, from either partition in turn, so that the group changes in the middle of it.
    fn join(bootstrap: &str) -> Self {
        let props = json!({
            "bootstrap.servers": bootstrap, "group.id": "rebalanced", "auto.offset.reset": "earliest",
            "max.poll.records": 50, "max.partition.fetch.bytes": 65_536, "heartbeat.interval.ms": 300,
        });
        let pause = Duration::from_millis(100);
        let consumer = Java::resident().unwrap().subscribe_slowly(props, &[PLAIN], pause).unwrap();
        Self { consumer, seen: Vec::new(), assigned: 0 }
    }

    fn take(&mut self) {
        for taken in self.consumer.take(10_000, Duration::from_millis(100)).unwrap() {
            match taken {
                Taken::Record(Record(partition, offset, _, _)) => self.seen.push((partition, offset)),
                Taken::Assigned(partitions) => self.assigned = partitions.len(),
                Taken::Revoked(_) => {}
                Taken::Error(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_group_that_rebalances_in_the_middle_of_cold_data_reads_each_record_once() {
    let stage = stage();
    let mut first = Member::join(&stage.through(0));
    wait::until_true("the first to read", LIMIT, || {
        first.take();
        Ok(first.seen.len() >= 300)
    })
    .unwrap();
    let mut second = Member::join(&stage.through(1));
    wait::until_true("the second to have its share", LIMIT, || {
        first.take();
        second.take();
        Ok(second.assigned == 1 && !second.seen.is_empty())
    })
    .unwrap();
    assert!(
        first.seen.iter().all(|(_, offset)| *offset < COLD),
        "the first is beyond what only the tier has"
    );
    assert!(second.seen[0].1 < COLD, "the second began at {:?}", second.seen[0]);
    let all = 2 * RECORDS as usize;
    wait::until_true("both to have read everything", LIMIT, || {
        first.take();
        second.take();
        anyhow::ensure!(
            first.seen.len() + second.seen.len() >= all,
            "{}",
            first.seen.len() + second.seen.len()
        );
        Ok(true)
    })
    .unwrap();
    assert_eq!(first.assigned, 1);
    let together: Vec<_> = first.seen.iter().chain(&second.seen).copied().collect();
    let once: BTreeSet<_> = together.iter().copied().collect();
    assert_eq!((together.len(), once), (all, plain().into_keys().collect()), "each record once");
}

#[test]
fn kafkas_tools_say_of_offsets_and_records_what_they_said_before() {
    let stage = stage();
    assert!(stage.before.offsets["latest"].contains("orders.plain:1:4000"), "{:?}", stage.before.offsets);
    assert_eq!(all_offsets(&stage.cluster, &stage.through(1)), stage.before.offsets);
    let (through, count) = (stage.through(0), (2 * RECORDS).to_string());
    let args = [
        "--bootstrap-server",
        &through,
        "--topic",
        PLAIN,
        "--group-id",
        "verifiable",
        "--reset-policy",
        "earliest",
        "--max-messages",
        &count,
    ];
    let class = "org.apache.kafka.tools.VerifiableConsumer";
    let ran = Tool::start(stage.cluster.dist(), class, &args).unwrap().wait().unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut next = BTreeMap::from([(0, 0), (1, 0)]);
    let events = ran.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for consumed in events.filter(|event| event["name"] == "records_consumed") {
        for run in consumed["partitions"].as_array().unwrap() {
            let next = next.get_mut(&run["partition"].as_i64().unwrap()).unwrap();
            assert_eq!(run["minOffset"].as_i64(), Some(*next), "{run}");
            *next = run["maxOffset"].as_i64().unwrap() + 1;
        }
    }
    assert_eq!(next, BTreeMap::from([(0, RECORDS), (1, RECORDS)]));
}
