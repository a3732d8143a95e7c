//! The way back: a topic whose cluster is gone is brought from the bucket into another running cluster, and no consumer can tell.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use kafka::types::TopicId;
use serde_json::{Value, json};
use tidegate_tests::gateway::{Fleet, binary_path};
use tidegate_tests::java::{Admin, Consumer, Producer, Record, Taken};
use tidegate_tests::truth::{Asker, Log};
use tidegate_tests::{Cluster, Java, reaper, wait};

const ZONES: [&str; 1] = ["az1"];
const LIMIT: Duration = Duration::from_secs(90);
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// Transactions, every codec, a log that begins later.
const MIXED: i32 = 0;
/// Many small batches.
const SMALL: i32 = 1;
/// Never written.
const EMPTY: i32 = 2;
const PARTITIONS: [i32; 3] = [MIXED, SMALL, EMPTY];
const SMALL_RECORDS: i64 = 3000;
/// Where a user cut the log: in the middle of a batch.
const START: i64 = 137;
const TOPIC: &str = "orders.r";
const STAMPED: &str = "orders.stamped";
/// 2001: long before any retention.
const LONG_AGO: i64 = 1_000_000_000_000;

const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\"}\n  segment: {bytes: 1MiB, age: 1s}\n";

/// What a consumer is shown of a batch: first offset, end, codec, times, records byte for byte.
type Shown = (i64, i64, u8, Vec<u8>);

/// What a partition was before its cluster went away.
struct Truth {
    start: i64,
    end: i64,
    shown: Vec<Shown>,
    /// What a Java consumer reads with read_committed.
    committed: Vec<Record>,
}

struct Stage {
    /// Another cluster.
    cluster: Cluster,
    /// A file for `tidegate tier`: its cluster is no more.
    config: PathBuf,
    truths: Vec<Truth>,
}

fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(build()));
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build() -> Stage {
    let kept = tempfile::Builder::new().prefix("tidegate-restore-").tempdir().unwrap().keep();
    reaper::note_dir(&kept).unwrap();
    let sections = format!("store: {{dir: {}}}\n{TIERING}", kept.join("bucket").display());
    let source = Cluster::builder().racks(ZONES).start().unwrap();
    let fleet = Fleet::start(&source, &ZONES, &sections).unwrap();
    let upstream = format!("cluster:\n  bootstrap: [{}]", source.bootstrap());
    let config = kept.join("tier.yaml");
    fs::write(&config, fleet.sites()[0].yaml(&upstream, &[], "", &sections)).unwrap();
    write(&source);
    let truths: Vec<_> = PARTITIONS.iter().map(|p| truth(&source, *p)).collect();
    assert_eq!((truths[0].start, truths[2].end), (START, 0));
    wait_tiered(&source, &fleet, &truths);
    wait::until_true("every partition to be in the bucket", LIMIT, || {
        Ok(in_bucket(&config)? == PARTITIONS.len())
    })
    .unwrap();
    drop(fleet);
    drop(source);
    let cluster = Cluster::builder().brokers(3).start().unwrap();
    Stage { cluster, config, truths }
}

fn producer(cluster: &Cluster, extra: Value) -> Producer {
    let mut props = json!({"bootstrap.servers": cluster.bootstrap()});
    extra.as_object().unwrap().iter().for_each(|(k, v)| props[k] = v.clone());
    Java::resident().unwrap().producer(props).unwrap()
}

fn send(producer: &Producer, partition: i32, first: i64, count: i64) {
    let times: Vec<i64> = (0..7).map(|n| LONG_AGO + (n * 31) % 17).collect();
    let args = json!({"topic": TOPIC, "partition": partition, "first": first, "count": count, "size": 200, "timestamps": times, "header": "h"});
    let acks = producer.send(args).unwrap();
    assert!(acks.iter().all(Result::is_ok), "{:?}", acks.iter().find(|a| a.is_err()));
}

fn write(source: &Cluster) {
    let admin = Java::resident().unwrap().admin(&source.bootstrap());
    admin
        .create_topic_with(json!({"topic": TOPIC, "partitions": 3, "configs": {"retention.ms": "-1"}}))
        .unwrap();
    for (n, codec) in (0..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        send(&producer(source, json!({"compression.type": codec, "linger.ms": 50})), MIXED, n * 100, 100);
    }
    transactions(source);
    let cut = json!({"topic": TOPIC, "partition": MIXED, "before": START});
    assert_eq!(admin.call("delete_records", cut).unwrap(), json!(START));
    send(&producer(source, json!({"batch.size": 1, "linger.ms": 0})), SMALL, 0, SMALL_RECORDS);
    let stamped =
        json!({"topic": STAMPED, "partitions": 1, "configs": {"message.timestamp.type": "LogAppendTime"}});
    admin.create_topic_with(stamped).unwrap();
    producer(source, json!({})).send(json!({"topic": STAMPED, "count": 10})).unwrap();
}

/// Two producers' transactions that lie in each other, committed and aborted in turn, and others' data between.
fn transactions(source: &Cluster) {
    let (a, b) = (
        producer(source, json!({"transactional.id": "a"})),
        producer(source, json!({"transactional.id": "b"})),
    );
    let plain = producer(source, json!({"compression.type": "lz4"}));
    for round in 0..6 {
        let first = 1000 + round * 100;
        a.begin().unwrap();
        b.begin().unwrap();
        send(&a, MIXED, first, 10);
        send(&b, MIXED, first + 10, 10);
        send(&plain, MIXED, first + 20, 5);
        send(&a, MIXED, first + 30, 10);
        if round % 2 == 0 {
            a.commit().unwrap()
        } else {
            a.abort().unwrap()
        }
        send(&b, MIXED, first + 40, 1);
        if round % 3 == 0 { b.abort().unwrap() } else { b.commit().unwrap() }
    }
    // The log ends with a marker that aborts.
    a.begin().unwrap();
    send(&a, MIXED, 5000, 3);
    a.abort().unwrap();
}

fn truth(cluster: &Cluster, partition: i32) -> Truth {
    let (start, end, shown) = shown(cluster, TOPIC, partition);
    let committed = read(&cluster.bootstrap(), TOPIC, partition, "read_committed", end);
    assert!(committed.len() as i64 <= end - start);
    Truth { start, end, shown, committed }
}

/// Start, end and visible batches of a partition, from its leader's own bytes.
fn shown(cluster: &Cluster, topic: &str, partition: i32) -> (i64, i64, Vec<Shown>) {
    let admin = Java::resident().unwrap().admin(&cluster.bootstrap());
    let (start, end) = admin.offsets(topic, partition).unwrap();
    let leader = admin.describe_topic(topic).unwrap()[partition as usize].leader;
    let broker = cluster.brokers().iter().find(|b| b.id() == leader).unwrap();
    let id = TopicId(admin.topic_id(topic).unwrap());
    let log =
        Log::read_from(&mut Asker::connect(&broker.address()).unwrap(), id, partition, start, -1).unwrap();
    let data = log.batches.iter().filter(|b| !b.control && !b.aborted && b.end > start);
    let shown = data.map(|b| {
        let bytes = &log.bytes[b.at..b.at + b.size];
        (b.base, b.end, bytes[22] & 0x0f, [&bytes[27..43], &bytes[57..]].concat())
    });
    (start, end, shown.collect())
}

/// All that a consumer is shown of a partition that ends at `end`.
fn read(bootstrap: &str, topic: &str, partition: i32, isolation: &str, end: i64) -> Vec<Record> {
    let props = json!({"bootstrap.servers": bootstrap, "isolation.level": isolation, "auto.offset.reset": "earliest"});
    let consumer = Java::resident().unwrap().assign(props, &[(topic, partition)]).unwrap();
    read_on(&consumer, topic, partition, end)
}

/// What a consumer is shown until it stands at `end`.
fn read_on(consumer: &Consumer, topic: &str, partition: i32, end: i64) -> Vec<Record> {
    let at = json!({"topic": topic, "partition": partition});
    let there = || Ok(consumer.call("position", at.clone())?.as_i64() == Some(end));
    wait::until_true(&format!("a consumer of {topic}-{partition} to reach {end}"), LIMIT, there).unwrap();
    let taken = consumer.take(1_000_000, Duration::ZERO).unwrap();
    let records = taken.into_iter().filter_map(|one| match one {
        Taken::Record(record) => Some(record),
        Taken::Error(e) => panic!("{e}"),
        _ => None,
    });
    records.collect()
}

fn wait_tiered(source: &Cluster, fleet: &Fleet, truths: &[Truth]) {
    let leader = source.brokers()[0].id();
    let at = fleet.sites()[0].broker_address(leader).unwrap();
    let wanted = [(TOPIC, MIXED, truths[0].end), (TOPIC, SMALL, truths[1].end), (STAMPED, 0, 10)];
    for (topic, partition, end) in wanted {
        let tiered =
            || Ok(Asker::connect(&at)?.list(11, topic, partition, EARLIEST_PENDING_UPLOAD, 0)?.2 >= end);
        wait::until_true(&format!("{topic}-{partition} to be in the tier up to {end}"), LIMIT, tiered)
            .unwrap();
    }
}

/// How many partitions of the topic the bucket knows: one that was never written too.
fn in_bucket(config: &Path) -> Result<usize> {
    let shown = Command::new(binary_path()?)
        .args(["tier", "show", TOPIC, "-o", "json", "-c"])
        .arg(config)
        .output()?;
    let all: Value = serde_json::from_slice(&shown.stdout)?;
    Ok(all.as_array().map_or(0, Vec::len))
}

impl Stage {
    fn admin(&self) -> Admin {
        Java::resident().unwrap().admin(&self.cluster.bootstrap())
    }

    fn command(&self, topic: &str, args: &[&str]) -> Command {
        let mut run = Command::new(binary_path().unwrap());
        let to = format!("kafka://{}", self.cluster.bootstrap());
        run.args(["tier", "restore", topic, "--to", &to, "--replication", "3", "-o", "json"]).args(args);
        run.arg("-c").arg(&self.config);
        run
    }

    fn restore(&self, topic: &str, args: &[&str]) -> Output {
        self.command(topic, args).output().unwrap()
    }

    /// Every partition is as it was, whoever reads it.
    fn assert_restored(&self, topic: &str) {
        for (truth, partition) in self.truths.iter().zip(PARTITIONS) {
            let (start, end, found) = shown(&self.cluster, topic, partition);
            assert_eq!((start, end), (truth.start, truth.end), "{topic}-{partition}");
            assert!(found == truth.shown, "{topic}-{partition}: other batches than before");
            // Nothing is shown to those who read what is not committed either: no filler, no null.
            for isolation in ["read_committed", "read_uncommitted"] {
                let records = read(&self.cluster.bootstrap(), topic, partition, isolation, end);
                assert!(
                    records == truth.committed,
                    "{topic}-{partition}, {isolation}: {} records",
                    records.len()
                );
            }
        }
    }
}

fn assert_refused(ran: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_topic_from_the_bucket_is_the_same_in_a_running_cluster_and_its_groups_go_on() {
    let stage = stage();
    let ran = stage.restore(TOPIC, &["--dry-run"]);
    let plan: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    assert!(stage.admin().describe_topic(TOPIC).is_err(), "a dry run makes nothing");
    let ran = stage.restore(TOPIC, &["--set", "retention.ms=7776000000000"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["partitions"], plan["partitions"], "what was said is what was done");
    let mixed = &report["partitions"][0];
    assert!(mixed["filled"].as_i64() > Some(50) && mixed["aborted_batches"].as_i64() > Some(4), "{report}");
    stage.assert_restored(TOPIC);
    let settings = stage.admin().call("describe_config", json!({"type": "TOPIC", "name": TOPIC})).unwrap();
    assert_eq!(settings["retention.ms"], "7776000000000", "as was said: {settings}");
    assert_eq!(settings["segment.ms"], "604800000", "the cluster's own again: {settings}");
    groups_go_on(&stage);
    assert_refused(&stage.restore(TOPIC, &[]), &["exists", "--as"]);
}

/// A group that had committed an offset in the middle goes on with the record of that offset.
fn groups_go_on(stage: &Stage) {
    let truth = &stage.truths[0];
    let next = truth.committed.len() / 2;
    let at = truth.committed[next].1;
    let p = producer(&stage.cluster, json!({"transactional.id": "offsets"}));
    p.begin().unwrap();
    p.send_offset("g", TOPIC, MIXED, at).unwrap();
    p.commit().unwrap();
    let props = json!({"bootstrap.servers": stage.cluster.bootstrap(), "group.id": "g", "auto.offset.reset": "none", "isolation.level": "read_committed"});
    // The other partitions have no offset of this group, and need one with this reset.
    for partition in [SMALL, EMPTY] {
        p.begin().unwrap();
        p.send_offset("g", TOPIC, partition, stage.truths[partition as usize].end).unwrap();
        p.commit().unwrap();
    }
    let consumer = Java::resident().unwrap().subscribe(props, &[TOPIC]).unwrap();
    let records = consumer.records(truth.committed.len() - next, LIMIT).unwrap();
    assert!(records == truth.committed[next..], "the group goes on at {at} with {:?}", records.first());
}

#[test]
fn a_broker_that_dies_in_the_middle_of_it_changes_nothing() {
    let mut stage = stage();
    let topic = "again";
    let mut run = stage.command(TOPIC, &["--as", topic]);
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let admin = stage.admin();
    // What is there before the leader dies, and that it isn't all.
    let middle = wait::until("the restore to be in the middle", LIMIT, || {
        let there = admin.offsets(topic, SMALL)?.1;
        let leader = admin.describe_topic(topic)?[SMALL as usize].leader;
        Ok((there > 50 && leader > 0).then_some((there, leader)))
    });
    let Ok((begun, leader)) = middle else {
        child.kill().unwrap();
        let said = child.wait_with_output().unwrap().stderr;
        panic!("{middle:?}: {}", String::from_utf8_lossy(&said));
    };
    stage.cluster.broker(leader).unwrap().kill9().unwrap();
    assert!(
        begun < SMALL_RECORDS && child.try_wait().unwrap().is_none(),
        "it was over before the broker died"
    );
    let died = Instant::now();
    let ran = child.wait_with_output().unwrap();
    eprintln!("leader {leader} died, the restore went on for {:?}", died.elapsed());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    stage.assert_restored(topic);
    stage.cluster.broker(leader).unwrap().restart().unwrap();
    stage.cluster.wait_ready().unwrap();
}

#[test]
fn what_can_not_be_reproduced_is_refused_before_anything_is_made() {
    let stage = stage();
    assert_refused(
        &stage.restore(STAMPED, &[]),
        &["offset 0", "LogAppendTime", "nothing was made", "--to DIR"],
    );
    assert!(stage.admin().describe_topic(STAMPED).is_err());
    let name = "taken";
    stage.admin().create_topic(name, 1, 1).unwrap();
    producer(&stage.cluster, json!({})).send(json!({"topic": name, "count": 1})).unwrap();
    assert_refused(&stage.restore(TOPIC, &["--as", name]), &["exists", "delete it"]);
    assert_eq!(stage.admin().offsets(name, 0).unwrap(), (0, 1), "it is left as it was");
}
