//! History moves to a real S3 server, brokers drop their copy, and nobody can tell.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::gateway::Fleet;
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::{Cluster, Java, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];
/// How long brokers may keep what the tier is to take over.
const TRIM_LIMIT: Duration = Duration::from_secs(90);

const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {time: 1s}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

struct Stage {
    cluster: Cluster,
    _server: Server,
    fleet: Fleet,
}

/// A gateway in each of `zones`, in front of brokers in three, and an S3 server.
fn stage(zones: &[&str]) -> Stage {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).start().unwrap();
    let server = Server::start(Maker::S3Proxy).unwrap();
    let bucket = server.bucket().unwrap();
    let sections = Server::yaml(&bucket) + TIERING;
    let fleet = Fleet::start_env(&cluster, zones, &sections, &Server::env()).unwrap();
    Stage { cluster, _server: server, fleet }
}

impl Stage {
    /// Waits until the brokers' own log of a partition starts at `offset` or later.
    fn wait_trimmed(&self, topic: &str, partition: i32, offset: i64) {
        let admin = Java::resident().unwrap().admin(&self.cluster.bootstrap());
        let trimmed = || Ok(admin.offsets(topic, partition)?.0 >= offset);
        wait::until_true("brokers to drop what the tier holds", TRIM_LIMIT, trimmed).unwrap();
    }

    /// Bytes that all gateways have got from the store.
    fn fetched(&mut self) -> f64 {
        self.fleet.metric("tidegate_store_bytes_total", &[("op", "get")]).unwrap()
    }
}

#[test]
fn history_that_brokers_dropped_is_read_whole_and_in_order_through_every_gateway() {
    let mut stage = stage(&ZONES);
    let java = Java::resident().unwrap();
    let direct = java.admin(&stage.cluster.bootstrap());
    direct.create_topic_on("orders.eu", &[&[1, 2, 3], &[2, 3, 1]]).unwrap();
    let through = stage.fleet.site("az1").unwrap().address();
    let producer = java.producer(json!({"bootstrap.servers": through})).unwrap();
    for partition in 0..2 {
        let acks = producer
            .send(json!({"topic": "orders.eu", "partition": partition, "count": 10_000, "size": 1000}))
            .unwrap();
        assert!(acks.iter().all(Result::is_ok), "partition {partition}");
    }
    for partition in 0..2 {
        stage.wait_trimmed("orders.eu", partition, 5_000);
    }
    for zone in ZONES {
        let address = stage.fleet.site(zone).unwrap().address();
        assert_eq!(java.admin(&address).offsets("orders.eu", 0).unwrap(), (0, 10_000), "{zone}");
        let props = json!({
            "bootstrap.servers": address, "group.id": format!("g-{zone}"), "auto.offset.reset": "earliest",
        });
        let consumer = java.subscribe(props, &["orders.eu"]).unwrap();
        let mut records = consumer.records(20_000, Duration::from_secs(60)).unwrap();
        records.sort_by_key(|r| r.0);
        let expected: Vec<_> = (0..2).flat_map(|p| (0..10_000).map(move |o| (p, o))).collect();
        assert_eq!(records.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), expected, "{zone}");
        consumer.close().unwrap();
    }
    let from_tier = stage.fleet.metric("tidegate_fetch_served_total", &[("from", "tier")]).unwrap();
    assert!(from_tier > 10.0, "{from_tier} fetches were served from the tier");
}

/// Gateways of a zone share brokers by rendezvous hash, so all consumers of a partition there meet in one gateway and in its cache.
#[test]
fn a_zone_with_two_gateways_fetches_the_history_once_whoever_reads_it() {
    let mut stage = stage(&["az1", "az1"]);
    let java = Java::resident().unwrap();
    let direct = java.admin(&stage.cluster.bootstrap());
    // Leaders 1, 2 and 3: two gateways share them in some way.
    direct.create_topic_on("orders.us", &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]).unwrap();
    let addresses: Vec<_> = stage.fleet.sites().iter().map(|site| site.address()).collect();
    let producer = java.producer(json!({"bootstrap.servers": stage.cluster.bootstrap()})).unwrap();
    for partition in 0..3 {
        let batch = json!({"topic": "orders.us", "partition": partition, "count": 8_000, "size": 1000});
        assert!(producer.send(batch).unwrap().iter().all(Result::is_ok), "partition {partition}");
    }
    (0..3).for_each(|partition| stage.wait_trimmed("orders.us", partition, 8_000));
    let before = stage.fetched();
    let open = |n: usize| {
        let props = json!({"bootstrap.servers": addresses[n % 2], "client.id": "app,zone=az1"});
        java.assign(props, &[("orders.us", 0), ("orders.us", 1), ("orders.us", 2)]).unwrap()
    };
    let consumers: Vec<_> = (0..4).map(open).collect();
    for consumer in &consumers {
        consumer.records(24_000, Duration::from_secs(90)).unwrap();
    }
    let (fetched, history) = (stage.fetched() - before, 24_000.0 * 1000.0);
    println!("{fetched} bytes from the store for four readers of {history}");
    assert!(fetched > history, "all of it is cold: {fetched}");
    assert!(fetched < history * 1.5, "a block was fetched by both gateways: {fetched} for {history}");
}
