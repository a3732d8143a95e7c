//! A tiered topic's life: users delete from it, it is deleted and made again, gateways die, and one day it goes back into a cluster without us.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::types::TopicId;
use serde_json::{Value, json};
use tidegate_tests::gateway::{Fleet, binary_path};
use tidegate_tests::java::{Admin, Record};
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::tool::Tool;
use tidegate_tests::truth::{Asker, Part, Question};
use tidegate_tests::{Cluster, Java, files, wait};

const ZONES: [&str; 2] = ["az1", "az2"];
const LIMIT: Duration = Duration::from_secs(90);
/// How long a gateway may take to see what another one did.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const OFFSET_OUT_OF_RANGE: i16 = 1;
const EARLIEST: i64 = -2;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {time: 1s}, trim: true}\n    - {match: \"copies.*\", hot: {time: 1h}, trim: false}\n  segment: {bytes: 1MiB, age: 1s}\n";

struct Stage {
    cluster: Cluster,
    server: Server,
    fleet: Fleet,
    /// A file for `tidegate tier`.
    config: PathBuf,
}

/// The stage, one test at a time: some of them kill.
fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(build()));
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build() -> Stage {
    let cluster = Cluster::builder().brokers(2).racks(ZONES).start().unwrap();
    let server = Server::start(Maker::S3Proxy).unwrap();
    let sections = Server::yaml(&server.bucket().unwrap()) + TIERING;
    let fleet = Fleet::start_env(&cluster, &ZONES, &sections, &Server::env()).unwrap();
    let upstream = format!("cluster:\n  bootstrap: [{}]", cluster.bootstrap().replace(',', ", "));
    let config = cluster.dir().join("tier.yaml");
    fs::write(&config, fleet.sites()[0].yaml(&upstream, &[], "", &sections)).unwrap();
    Stage { cluster, server, fleet, config }
}

impl Stage {
    fn direct(&self) -> Admin {
        Java::resident().unwrap().admin(&self.cluster.bootstrap())
    }

    fn through(&self) -> Admin {
        Java::resident().unwrap().admin(&self.fleet.sites()[0].address())
    }

    fn create(&self, topic: &str) {
        self.direct().create_topic_on(topic, &[&[1, 2]]).unwrap();
    }

    /// Records of 1000 bytes with these keys.
    fn produce(&self, topic: &str, first: i64, count: i64, extra: Value) {
        let mut props = json!({"bootstrap.servers": self.fleet.sites()[1].address()});
        extra.as_object().unwrap().iter().for_each(|(k, v)| props[k] = v.clone());
        let producer = Java::resident().unwrap().producer(props).unwrap();
        let acks =
            producer.send(json!({"topic": topic, "first": first, "count": count, "size": 1000})).unwrap();
        assert!(acks.iter().all(Result::is_ok), "{:?}", acks.iter().find(|a| a.is_err()));
    }

    fn wait_trimmed(&self, topic: &str, offset: i64) {
        let admin = self.direct();
        let trimmed = || Ok(admin.offsets(topic, 0)?.0 >= offset);
        wait::until_true(&format!("brokers to drop {topic} up to {offset}"), LIMIT, trimmed).unwrap();
    }

    /// Waits until the tier holds everything up to `end`.
    fn wait_tiered(&self, topic: &str, end: i64, gateway: usize) {
        let at = self.fleet.sites()[gateway].broker_address(self.leader(topic)).unwrap();
        let tiered = || Ok(Asker::connect(&at)?.list(11, topic, 0, EARLIEST_PENDING_UPLOAD, 0)?.2 >= end);
        wait::until_true(&format!("{topic} to be in the tier up to {end}"), LIMIT, tiered).unwrap();
    }

    fn leader(&self, topic: &str) -> i32 {
        self.direct().describe_topic(topic).unwrap()[0].leader
    }

    fn consume(&self, topic: &str, count: usize) -> Vec<Record> {
        consume(&self.fleet.sites()[0].address(), topic, count)
    }

    /// A raw connection to the leader's endpoint at a gateway.
    fn asker(&self, gateway: usize, topic: &str) -> Asker {
        let at = self.fleet.sites()[gateway].broker_address(self.leader(topic)).unwrap();
        Asker::connect(&at).unwrap()
    }

    /// A question for ten records' worth.
    fn question(&self, topic: &str, offset: i64) -> Question {
        let part = Part { partition: 0, offset, epoch: -1, max_bytes: 10_000 };
        let id = TopicId(self.direct().topic_id(topic).unwrap());
        Question { version: 13, isolation: 0, max_bytes: 1 << 20, parts: vec![part], topic: topic.into(), id }
    }

    fn earliest(&self, gateway: usize, topic: &str) -> i64 {
        let at = self.fleet.sites()[gateway].broker_address(self.leader(topic)).unwrap();
        Asker::connect(&at).unwrap().list(7, topic, 0, EARLIEST, 0).unwrap().2
    }

    fn tier(&self, args: &[&str]) -> Output {
        let mut run = Command::new(binary_path().unwrap());
        run.arg("tier").args(args).arg("-c").arg(&self.config).envs(Server::env());
        run.output().unwrap()
    }

    fn verify(&self, topic: &str) {
        let ran = self.tier(&["verify", topic]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}

fn consume(bootstrap: &str, topic: &str, count: usize) -> Vec<Record> {
    let props = json!({"bootstrap.servers": bootstrap, "auto.offset.reset": "earliest"});
    let consumer = Java::resident().unwrap().assign(props, &[(topic, 0)]).unwrap();
    consumer.records(count, Duration::from_secs(60)).unwrap()
}

/// Offsets from `first` on without a hole, keys as many as offsets say.
fn assert_whole(records: &[Record], first: i64) {
    for (n, record) in (first..).zip(records) {
        assert_eq!((record.1, record.2.as_str()), (n, n.to_string().as_str()));
    }
}

#[test]
fn records_that_a_user_deletes_are_gone_for_everybody_wherever_they_were() {
    let stage = stage();
    let topic = "orders.deleted";
    stage.create(topic);
    stage.produce(topic, 0, 8000, json!({}));
    stage.wait_trimmed(topic, 5000);
    let delete = |before: i64| {
        stage
            .through()
            .call("delete_records", json!({"topic": topic, "partition": 0, "before": before}))
            .unwrap()
    };
    assert_eq!(delete(3000), json!(3000));
    for gateway in [0, 1] {
        assert_eq!(stage.earliest(gateway, topic), 3000);
        // A gateway looks once more before it says so.
        let (mut asker, gone) = (stage.asker(gateway, topic), stage.question(topic, 100));
        let refused = || Ok(asker.fetch(&gone)?[0].error == OFFSET_OUT_OF_RANGE);
        wait::until_true("a deleted offset to be refused", SEEN_WITHIN, refused).unwrap();
        let kept = asker.fetch(&stage.question(topic, 3000)).unwrap().remove(0);
        assert_eq!((kept.error, kept.records.is_empty()), (0, false));
    }
    assert_whole(&stage.consume(topic, 5000), 3000);
    stage.verify(topic);
    // Into what only brokers have by now.
    stage.produce(topic, 8000, 2000, json!({}));
    assert_eq!(delete(9500), json!(9500));
    for gateway in [0, 1] {
        assert_eq!(stage.earliest(gateway, topic), 9500);
    }
    stage.produce(topic, 10_000, 3000, json!({}));
    stage.wait_tiered(topic, 13_000, 0);
    assert_whole(&stage.consume(topic, 3500), 9500);
    stage.verify(topic);
}

#[test]
fn a_topic_made_again_under_the_same_name_has_only_what_is_new() {
    let stage = stage();
    let topic = "orders.again";
    stage.create(topic);
    stage.produce(topic, 100_000, 3000, json!({}));
    stage.wait_trimmed(topic, 1000);
    stage.through().delete_topic(topic).unwrap();
    let gone = || Ok(stage.direct().describe_topic(topic).is_err());
    wait::until_true("the topic to be gone", LIMIT, gone).unwrap();
    stage.create(topic);
    stage.produce(topic, 0, 3000, json!({}));
    assert_whole(&stage.consume(topic, 3000), 0);
    stage.wait_trimmed(topic, 1000);
    assert_whole(&stage.consume(topic, 3000), 0);
    assert_eq!(stage.earliest(1, topic), 0);
    stage.verify(topic);
}

#[test]
fn a_compacted_topic_is_left_alone_and_its_reason_is_said() {
    let mut stage = stage();
    let topic = "orders.compacted";
    let args =
        json!({"topic": topic, "partitions": 1, "replication": 1, "configs": {"cleanup.policy": "compact"}});
    stage.direct().create_topic_with(args).unwrap();
    let gateway = &mut stage.fleet.gateways()[0];
    let reason = wait::until("/status to say why", LIMIT, || {
        let status = gateway.status()?;
        let refused = status.pointer("/tier/refused").cloned();
        let all = refused.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(all.iter().find(|r| r["topic"] == topic).map(|r| r["reason"].to_string()))
    });
    assert!(reason.unwrap().contains("compact"));
    assert!(!stage.tier(&["show", topic]).status.success(), "nothing of it is in the bucket");
}

#[test]
fn copy_only_copies_everything_and_brokers_keep_theirs() {
    let stage = stage();
    let topic = "copies.a";
    stage.create(topic);
    stage.produce(topic, 0, 4000, json!({}));
    stage.wait_tiered(topic, 4000, 0);
    assert_eq!(stage.direct().offsets(topic, 0).unwrap(), (0, 4000));
    assert_whole(&stage.consume(topic, 4000), 0);
    stage.verify(topic);
}

#[test]
fn another_gateway_goes_on_when_the_one_that_offloads_is_killed() {
    let mut stage = stage();
    let topic = "orders.orphan";
    stage.create(topic);
    stage.produce(topic, 0, 3000, json!({}));
    stage.wait_trimmed(topic, 500);
    let owns = |status: &Value| {
        let topics = status.pointer("/tier/topics");
        let all = topics.and_then(Value::as_array).cloned().unwrap_or_default();
        all.iter().any(|t| t["topic"] == topic && t["owned"] == 1)
    };
    let statuses: Vec<Value> = stage.fleet.gateways().iter().map(|g| g.status().unwrap()).collect();
    let owner = statuses.iter().position(owns).unwrap_or_else(|| panic!("nobody owns it: {statuses:?}"));
    stage.fleet.gateways()[owner].kill9().unwrap();
    let other = 1 - owner;
    let producer = Java::resident()
        .unwrap()
        .producer(json!({"bootstrap.servers": stage.fleet.sites()[other].address()}))
        .unwrap();
    producer.send(json!({"topic": topic, "first": 3000, "count": 5000, "size": 1000})).unwrap();
    stage.wait_tiered(topic, 8000, other);
    stage.wait_trimmed(topic, 7000);
    assert_whole(&consume(&stage.fleet.sites()[other].address(), topic, 8000), 0);
    stage.fleet.gateways()[owner].restart().unwrap();
    assert_whole(&consume(&stage.fleet.sites()[owner].address(), topic, 8000), 0);
    stage.verify(topic);
}

/// A topic written with every codec, one after the other, and all of it in the tier.
fn archive(stage: &Stage, topic: &str) -> i64 {
    stage.create(topic);
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for (n, codec) in (0..).zip(codecs) {
        stage.produce(topic, n * 1000, 1000, json!({"compression.type": codec}));
    }
    stage.produce(topic, 5000, 1000, json!({}));
    stage.wait_tiered(topic, 6000, 0);
    6000
}

#[test]
fn a_segment_in_the_bucket_is_one_that_kafkas_own_tool_reads() {
    let stage = stage();
    let topic = "orders.dumped";
    let records = archive(&stage, topic);
    let exported = stage.tier(&["export", topic]);
    let text = String::from_utf8(exported.stdout).unwrap();
    let logs: Vec<PathBuf> =
        logs_under(&stage.server.data()).into_iter().filter(|p| text.contains(&folder(p))).collect();
    assert!(!logs.is_empty(), "no segment of {text} is in the bucket's folder");
    let mut counted = 0;
    for log in &logs {
        let ran = Tool::start(
            stage.cluster.dist(),
            "org.apache.kafka.tools.DumpLogSegments",
            &["--files", &log.to_string_lossy()],
        );
        let ran = ran.unwrap().wait().unwrap();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let batches: Vec<&str> = ran.out.lines().filter(|l| l.starts_with("baseOffset:")).collect();
        assert!(batches.iter().all(|l| l.contains("isvalid: true")), "{}", ran.out);
        counted += batches.iter().map(|l| word_after(l, "count:")).sum::<i64>();
    }
    assert_eq!(counted, records);
}

/// The folder of a segment, which is its own.
fn folder(log: &Path) -> String {
    log.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned()
}

fn word_after(line: &str, word: &str) -> i64 {
    let rest = line.split_once(word).unwrap().1;
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn logs_under(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => out.extend(logs_under(&path)),
            false if path.extension().is_some_and(|e| e == "log") => out.push(path),
            false => {}
        }
    }
    out
}

#[test]
fn a_topic_restored_from_the_bucket_is_read_whole_from_a_fresh_cluster_without_us() {
    let stage = stage();
    let topic = "orders.restored";
    let records = archive(&stage, topic);
    let wanted = stage.consume(topic, records as usize);
    assert_whole(&wanted, 0);
    let to = stage.cluster.dir().join("restored");
    let ran = stage.tier(&["restore", topic, "--to", &to.to_string_lossy()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut fresh = Cluster::builder().start().unwrap();
    let admin = Java::resident().unwrap().admin(&fresh.bootstrap());
    admin.create_topic(topic, 1, 1).unwrap();
    stop(&mut fresh);
    let folder = fresh.brokers()[0].log_dir().join(format!("{topic}-0"));
    let restored = files::list(&to.join(format!("{topic}-0")), ".log").unwrap();
    assert!(restored.len() > 1, "{restored:?}");
    for file in restored {
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    fresh.broker(1).unwrap().restart().unwrap();
    fresh.wait_ready().unwrap();
    let ends = || Ok(admin.offsets(topic, 0)? == (0, records));
    wait::until_true("the restored topic to be whole", LIMIT, ends).unwrap();
    assert_eq!(consume(&fresh.bootstrap(), topic, records as usize), wanted);
}

/// Stops the one broker as an operator does.
fn stop(cluster: &mut Cluster) {
    let broker = cluster.broker(1).unwrap();
    let kill = format!("kill -TERM {}", broker.pid());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    wait::until_true("the broker to stop", LIMIT, || Ok(!broker.is_alive())).unwrap();
}
