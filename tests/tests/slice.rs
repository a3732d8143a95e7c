//! A new user's first minute: an unmodified client through a gateway of its zone reads in its zone.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::{Cluster, Java, gateway::Fleet};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];

#[test]
fn every_record_arrives_once_in_order_and_almost_none_of_it_crosses_a_zone() {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).start().unwrap();
    let mut fleet = Fleet::start(&cluster, &ZONES, "").unwrap();
    let java = Java::resident().unwrap();
    let direct = java.admin(&cluster.bootstrap());
    direct.create_topic_on("t", &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]).unwrap();
    let first = fleet.site("az1").unwrap().address();
    let producer = java.producer(json!({"bootstrap.servers": first})).unwrap();
    for partition in 0..3 {
        let acks = producer
            .send(json!({"topic": "t", "partition": partition, "count": 2000, "size": 1000}))
            .unwrap();
        assert!(acks.iter().all(Result::is_ok), "partition {partition}");
    }
    for zone in ZONES {
        let props = json!({
            "bootstrap.servers": fleet.site(zone).unwrap().address(),
            "group.id": format!("g-{zone}"), "auto.offset.reset": "earliest",
        });
        let consumer = java.subscribe(props, &["t"]).unwrap();
        let mut records = consumer.records(6000, Duration::from_secs(60)).unwrap();
        records.sort_by_key(|r| (r.0, r.1));
        let expected: Vec<_> = (0..3).flat_map(|p| (0..2000).map(move |o| (p, o))).collect();
        assert_eq!(records.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), expected, "{zone}");
        consumer.close().unwrap();
    }
    let (mut all, mut crossed) = (0.0, 0.0);
    for broker in ZONES {
        for gateway in ZONES {
            let labels = [
                ("direction", "broker_to_gateway"),
                ("api", "Fetch"),
                ("gateway_zone", gateway),
                ("broker_zone", broker),
            ];
            let bytes = fleet.metric("tidegate_relayed_bytes_total", &labels).unwrap();
            all += bytes;
            crossed += if broker == gateway { 0.0 } else { bytes };
        }
    }
    println!("{all} bytes fetched, {crossed} crossed");
    assert!(all > 18_000_000.0, "three consumers of 6 MB: {all}");
    assert!(crossed / all < 0.02, "{crossed} of {all} bytes crossed a zone");
}
