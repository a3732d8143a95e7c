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

fn stage() -> Stage {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).start().unwrap();
    let server = Server::start(Maker::S3Proxy).unwrap();
    let bucket = server.bucket().unwrap();
    let sections = Server::yaml(&bucket) + TIERING;
    let fleet = Fleet::start_env(&cluster, &ZONES, &sections, &Server::env()).unwrap();
    Stage { cluster, _server: server, fleet }
}

impl Stage {
    /// Waits until the brokers' own log of a partition starts at `offset` or later.
    fn wait_trimmed(&self, topic: &str, partition: i32, offset: i64) {
        let admin = Java::resident().unwrap().admin(&self.cluster.bootstrap());
        let trimmed = || Ok(admin.offsets(topic, partition)?.0 >= offset);
        wait::until_true("brokers to drop what the tier holds", TRIM_LIMIT, trimmed).unwrap();
    }
}

#[test]
fn history_that_brokers_dropped_is_read_whole_and_in_order_through_every_gateway() {
    let mut stage = stage();
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
