//! Kafka Streams builds its state from topics whose records brokers have dropped, and builds it anew from there where it lost its own.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::apps::{App, Streams};
use tidegate_tests::gateway::Fleet;
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::{Cluster, Java, wait};

/// How long anybody may take to get over anything.
const PATIENCE: Duration = Duration::from_secs(90);
/// As `Tables.java` names them.
const TOPICS: [&str; 2] = ["orders.table", "orders.global"];
const KEYS: u64 = 2000;
/// Every key is written twice: the later value is the one that counts.
const RECORDS: u64 = 2 * KEYS;
const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {time: 1s}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

#[test]
fn streams_restores_its_tables_from_what_only_the_tier_has() {
    let cluster = Cluster::builder().racks(["az1"]).start().unwrap();
    let server = Server::start(Maker::S3Proxy).unwrap();
    let sections = Server::yaml(&server.bucket().unwrap()) + TIERING;
    let mut fleet = Fleet::start_env(&cluster, &["az1"], &sections, &Server::env()).unwrap();
    let (gateway, java) = (fleet.sites()[0].address(), Java::resident().unwrap());
    let admin = java.admin(&cluster.bootstrap());
    let producer = java.producer(json!({"bootstrap.servers": gateway})).unwrap();
    for topic in TOPICS {
        admin.create_topic(topic, 1, 1).unwrap();
        // The first value is the key alone: `Tables.java` counts those that are the key and letters.
        for size in [0, 1000] {
            let sent = producer.send(json!({"topic": topic, "count": KEYS, "size": size}));
            assert!(sent.unwrap().iter().all(Result::is_ok));
        }
    }
    for topic in TOPICS {
        let trimmed = || Ok(admin.offsets(topic, 0)?.0 == RECORDS as i64);
        wait::until_true("brokers to drop all of it", PATIENCE, trimmed).unwrap();
    }

    let mut first = Streams::start(App::Tables, &gateway, cluster.dir(), "first").unwrap();
    first.wait_running(PATIENCE).unwrap();
    let read = || Ok(admin.group_offsets("tables")?.get("orders.table-0") == Some(&(RECORDS as i64)));
    wait::until_true("the table to be read", PATIENCE, read).unwrap();
    assert_eq!(first.restored(), RECORDS, "the global table alone was restored");
    assert_eq!(first.finish(PATIENCE).unwrap(), 2 * KEYS, "entries of both tables");

    // The same application without its state.
    let from_tier = fleet.metric("tidegate_fetch_served_total", &[("from", "tier")]).unwrap();
    let mut second = Streams::start(App::Tables, &gateway, cluster.dir(), "second").unwrap();
    second.wait_running(PATIENCE).unwrap();
    wait::until_true("both to be restored", PATIENCE, || Ok(second.restored() == 2 * RECORDS)).unwrap();
    assert_eq!(second.finish(PATIENCE).unwrap(), 2 * KEYS, "entries of both tables");
    assert!(fleet.metric("tidegate_fetch_served_total", &[("from", "tier")]).unwrap() > from_tier);
}
