//! The drivers keep their own promises, on Kafka itself: what one client writes every other reads back, and
//! none keeps quiet about a reset. Without this, a silent driver would make every steering test green.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::clients::{Driver, Fault, Reading, Writing};
use tidegate_tests::{Cluster, Java};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_client_reads_what_every_other_wrote_and_tells_of_a_reset() {
    let cluster = Cluster::builder().brokers(1).start().unwrap();
    every_client_reads_what_every_other_wrote(&cluster.bootstrap());
    every_client_tells_of_a_reset(&cluster.bootstrap());
}

fn every_client_reads_what_every_other_wrote(bootstrap: &str) {
    let admin = Java::resident().unwrap().admin(bootstrap);
    admin.create_topic("t", 2, 1).unwrap();
    let mut written = Vec::new();
    for driver in Driver::ALL.into_iter().filter(|driver| *driver != Driver::Java) {
        let mut writing = Writing::new(bootstrap, "t", &[0, 1], 200).with_keys();
        if driver == Driver::Franz {
            // Its default is snappy, which kafkajs cannot read.
            writing.props = json!({"uncompressed": true});
        }
        written.push(driver.spawn_producer(&writing).unwrap().complete(LIMIT).unwrap());
        assert_eq!(written.last().unwrap().records(), 200, "{driver}");
    }
    let readers = Driver::ALL.map(|driver| {
        let reading = Reading::group(bootstrap, "t", &format!("all-{driver}")).with_keys();
        (driver, driver.spawn_consumer(&reading).unwrap())
    });
    for (driver, reader) in readers {
        reader.wait_records(200 * written.len() as u64, LIMIT).unwrap();
        let read = reader.finish(LIMIT).unwrap();
        read.check().unwrap_or_else(|error| panic!("{driver}: {error}"));
        written.iter().for_each(|wrote| read.check_holds(wrote).unwrap_or_else(|e| panic!("{driver}: {e}")));
    }
}

/// The group's offset is beyond the log end, so that the broker itself answers OFFSET_OUT_OF_RANGE. sarama is
/// left out: it looks before its first fetch and starts elsewhere without a word.
fn every_client_tells_of_a_reset(bootstrap: &str) {
    let readers = Driver::ALL.map(|driver| {
        let group = format!("far-{driver}");
        commit_far_beyond_the_end(bootstrap, &group);
        (driver, driver.spawn_consumer(&Reading::group(bootstrap, "t", &group)).unwrap())
    });
    for (driver, reader) in readers.into_iter().filter(|(driver, _)| *driver != Driver::Sarama) {
        let told = |fault: &Fault| matches!(fault, Fault::Reset(_));
        reader.wait_fault(told, LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
    }
}

fn commit_far_beyond_the_end(bootstrap: &str, group: &str) {
    let props = json!({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "none"});
    let consumer = Java::resident().unwrap().assign(props, &[("t", 0)]).unwrap();
    consumer.call("seek", json!({"topic": "t", "partition": 0, "offset": 1_000_000_000})).unwrap();
    consumer.commit().unwrap();
    consumer.close().unwrap();
}
