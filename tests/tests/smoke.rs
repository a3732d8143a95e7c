//! The test bed keeps its own promises: clusters start, break and heal on command, and leave nothing behind.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::{Cluster, Java};

#[test]
fn a_three_broker_cluster_serves_records_and_outlives_its_controller() {
    let mut cluster = Cluster::builder().brokers(3).racks(["az1", "az2", "az3"]).start().unwrap();
    let java = Java::resident().unwrap();
    let admin = java.admin(&cluster.bootstrap());
    admin.create_topic_on("t", &[&[1, 2, 3], &[2, 3, 1]]).unwrap();
    let producer = java.producer(json!({"bootstrap.servers": cluster.bootstrap()})).unwrap();
    let acks = producer.send(json!({"topic": "t", "partition": 0, "count": 100, "size": 64})).unwrap();
    assert_eq!(acks[99], Ok((0, 99)));

    cluster.broker(1).unwrap().kill9().unwrap();
    admin.wait_partition("t", 0, |p| p.leader == 2).unwrap();
    let acks = producer.send(json!({"topic": "t", "partition": 0, "first": 100, "count": 1})).unwrap();
    assert_eq!(acks, [Ok((0, 100))]);
    cluster.broker(1).unwrap().restart().unwrap();
    cluster.wait_ready().unwrap();

    let props =
        json!({"bootstrap.servers": cluster.bootstrap(), "group.id": "g", "auto.offset.reset": "earliest"});
    let consumer = java.subscribe(props, &["t"]).unwrap();
    let records = consumer.records(101, Duration::from_secs(60)).unwrap();
    assert_eq!(records.iter().map(|r| r.1).collect::<Vec<_>>(), (0..=100).collect::<Vec<_>>());
    consumer.close().unwrap();
}
