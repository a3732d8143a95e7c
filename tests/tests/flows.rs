//! What clients do every day works through the gateway as it does without: transactions, every kind of group,
//! pipelines, half-closed sockets, acks=0, a gateway that comes back cold.

#![allow(missing_docs, clippy::unwrap_used)]

use std::net::Shutdown;
use std::sync::LazyLock;
use std::time::Duration;

use kafka::api;
use kafka::wire::Reader;
use serde_json::{Value, json};
use tidegate_tests::raw::{Raw, request};
use tidegate_tests::{Cluster, Fleet, Java};

/// How long a client may take for what it does at its own pace.
const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    cluster: Cluster,
    fleet: Fleet,
    java: &'static Java,
}

/// The stage that all tests share but those that break it; each has a topic of its own.
fn stage(topic: &str) -> &'static Stage {
    static SHARED: LazyLock<Stage> = LazyLock::new(Stage::new);
    SHARED.create_topic(topic);
    &SHARED
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::builder().ids([4, 1001]).racks(["az1", "az2"]).start().unwrap();
        let fleet = Fleet::start(&cluster, &["az1", "az2"], "").unwrap();
        Self { cluster, fleet, java: Java::resident().unwrap() }
    }

    fn create_topic(&self, topic: &str) {
        let admin = self.java.admin(&self.cluster.bootstrap());
        admin.create_topic_on(topic, &[&[4, 1001], &[1001, 4]]).unwrap();
    }

    /// Client properties that lead through the first gateway.
    fn props(&self, more: Value) -> Value {
        let mut props = json!({"bootstrap.servers": self.fleet.sites()[0].address()});
        more.as_object().unwrap().iter().for_each(|(k, v)| props[k] = v.clone());
        props
    }

    fn write(&self, topic: &str, count: usize) {
        let producer = self.java.producer(self.props(json!({}))).unwrap();
        for partition in 0..2 {
            // Of this size, a share group's answers are too long to be held: they stream.
            let batch = json!({"topic": topic, "partition": partition, "count": count, "size": 2000});
            let acks = producer.send(batch).unwrap();
            assert!(acks.iter().all(Result::is_ok), "{acks:?}");
        }
    }
}

#[test]
fn transactions_commit_abort_and_carry_offsets() {
    let stage = stage("sums");
    let tx = stage.java.producer(stage.props(json!({"transactional.id": "tx"}))).unwrap();
    for (first, commit) in [(0, true), (10, false), (20, true)] {
        tx.begin().unwrap();
        for partition in 0..2 {
            let batch = json!({"topic": "sums", "partition": partition, "first": first, "count": 10});
            assert!(tx.send(batch).unwrap().iter().all(Result::is_ok));
        }
        tx.send_offset("g", "sums", 0, first + 10).unwrap();
        if commit { tx.commit().unwrap() } else { tx.abort().unwrap() }
    }
    let props = stage.props(json!({"isolation.level": "read_committed"}));
    for partition in 0..2 {
        let reader = stage.java.assign(props.clone(), &[("sums", partition)]).unwrap();
        let keys: Vec<i64> =
            reader.records(20, PATIENCE).unwrap().iter().map(|r| r.2.parse().unwrap()).collect();
        assert_eq!(keys, (0..10).chain(20..30).collect::<Vec<_>>());
    }
    let offsets = stage.java.admin(&stage.cluster.bootstrap()).group_offsets("g").unwrap();
    assert_eq!(offsets["sums-0"], 30);
}

#[test]
fn classic_groups_new_groups_and_share_groups_read_everything() {
    let stage = stage("grouped");
    stage.write("grouped", 50);
    for protocol in ["classic", "consumer"] {
        let props = stage.props(json!({
            "group.id": protocol, "group.protocol": protocol, "auto.offset.reset": "earliest",
        }));
        let members = [(); 2].map(|()| stage.java.subscribe(props.clone(), &["grouped"]).unwrap());
        let mut seen = 0;
        tidegate_tests::wait::until_true("both members to read all", PATIENCE, || {
            for member in &members {
                let taken = member.take(1000, Duration::from_millis(100))?;
                seen += taken.iter().filter(|t| matches!(t, tidegate_tests::java::Taken::Record(_))).count();
            }
            Ok(seen >= 100)
        })
        .unwrap();
        members[0].commit().unwrap();
        members.into_iter().for_each(|m| m.close().unwrap());
    }
    let admin = stage.java.admin(&stage.cluster.bootstrap());
    admin.alter_config("GROUP", "shared", json!({"share.auto.offset.reset": "earliest"})).unwrap();
    let shared =
        stage.java.share_consume(stage.props(json!({"group.id": "shared"})), "grouped", 100).unwrap();
    let distinct: std::collections::BTreeSet<_> = shared.iter().collect();
    assert_eq!((shared.len(), distinct.len()), (100, 100));
}

#[test]
fn records_without_acknowledgement_arrive_too() {
    let stage = stage("unsure");
    // A broker that doesn't know yet that it leads the partition drops such records: Kafka's way of saying so is to end the connection.
    stage.write("unsure", 1);
    let props = stage.props(json!({"acks": "0", "enable.idempotence": false, "linger.ms": 0}));
    let producer = stage.java.producer(props).unwrap();
    producer
        .send(json!({"topic": "unsure", "partition": 1, "first": 1, "count": 499, "size": 2000}))
        .unwrap();
    let reader = stage.java.assign(stage.props(json!({})), &[("unsure", 1)]).unwrap();
    let records = reader.records(500, PATIENCE).unwrap();
    let keys: Vec<i64> = records.iter().map(|r| r.2.parse().unwrap()).collect();
    assert_eq!(keys, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_pipeline_is_answered_in_order_even_after_the_client_has_closed_its_half() {
    let stage = stage("lines");
    let mut raw = Raw::connect(stage.fleet.sites()[0].broker_address(1001).unwrap()).unwrap();
    // Answers that are rewritten, passed on and capped, in turn.
    let asks =
        [(api::METADATA, 1, vec![0; 4]), (api::LIST_OFFSETS, 1, vec![0; 8]), (api::API_VERSIONS, 0, vec![])];
    for n in 0..60 {
        let (key, version, body) = &asks[n % asks.len()];
        raw.send(&request(1, *key, *version, n as i32, "pipeline", body)).unwrap();
    }
    raw.stream().shutdown(Shutdown::Write).unwrap();
    for n in 0..60i32 {
        assert!(raw.recv().unwrap().starts_with(&n.to_be_bytes()), "answer {n}");
    }
    assert!(raw.closes_within(PATIENCE).unwrap());
}

#[test]
fn clients_go_on_when_their_gateway_dies_and_comes_back_cold() {
    let mut stage = Stage::new();
    stage.create_topic("t");
    let producer = stage.java.producer(stage.props(json!({}))).unwrap();
    let reader = stage.java.assign(stage.props(json!({})), &[("t", 0)]).unwrap();
    for round in 0..3 {
        let batch = json!({"topic": "t", "partition": 0, "first": round * 100, "count": 100});
        let under_way = producer.begin_send(batch).unwrap();
        stage.fleet.gateways()[0].kill9().unwrap();
        stage.fleet.gateways()[0].restart().unwrap();
        let acks = tidegate_tests::java::acks(under_way.wait().unwrap()).unwrap();
        assert!(acks.iter().all(Result::is_ok), "{acks:?}");
    }
    let records = reader.records(300, PATIENCE).unwrap();
    let keys: Vec<i64> = records.iter().map(|r| r.2.parse().unwrap()).collect();
    assert_eq!(keys, (0..300).collect::<Vec<_>>());
}

/// The ids of the brokers that a Metadata answer (v1) lists, asked for no topic.
fn listed(raw: &mut Raw) -> Vec<i32> {
    let answer = raw.call(1, api::METADATA, 1, &0i32.to_be_bytes()).unwrap();
    let mut reader = Reader::new(&answer);
    reader.i32().unwrap();
    let mut ids = Vec::new();
    for _ in 0..reader.array_len(false, 12).unwrap().unwrap() {
        ids.push(reader.i32().unwrap());
        reader.string(false).unwrap();
        reader.i32().unwrap();
        reader.nullable_string(false).unwrap();
    }
    ids.sort_unstable();
    ids
}

/// kafkajs asks for metadata once in such a moment, and reads nothing for five minutes where a broker was missing.
#[test]
fn no_client_hears_that_a_broker_left_not_even_in_the_moment_before_the_gateway_knows() {
    let mut stage = Stage::new();
    let mut direct = Raw::connect(stage.cluster.brokers()[0].address()).unwrap();
    let mut through = Raw::connect(stage.fleet.sites()[0].broker_address(4).unwrap()).unwrap();
    assert_eq!((listed(&mut direct), listed(&mut through)), (vec![4, 1001], vec![4, 1001]));
    stage.cluster.broker(1001).unwrap().kill9().unwrap();
    tidegate_tests::wait::until_true("the cluster to miss the broker", PATIENCE, || {
        assert_eq!(listed(&mut through), [4, 1001], "before");
        Ok(listed(&mut direct) == [4])
    })
    .unwrap();
    // The view is renewed every 3 s; this is longer, and as dense as it gets.
    let missed = std::time::Instant::now();
    while missed.elapsed() < Duration::from_secs(6) {
        assert_eq!(listed(&mut through), [4, 1001], "{:?} after", missed.elapsed());
    }
    assert_eq!(listed(&mut direct), [4]);
}
