//! A new user's first minute: an unmodified client through a gateway of its zone reads in its zone.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;
use tidegate_tests::{Cluster, Java, gateway::Fleet, wait};

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

/// Bytes that gateways of `zone` (all where `None`) fetched for clients of az3, in all and from brokers of other zones.
fn fetched_for_az3(fleet: &mut Fleet, zone: Option<&str>) -> (f64, f64) {
    let (mut all, mut crossed) = (0.0, 0.0);
    for gateway in ZONES.into_iter().filter(|z| zone.is_none_or(|only| only == *z)) {
        for broker in ZONES {
            let labels = [
                ("direction", "broker_to_gateway"),
                ("api", "Fetch"),
                ("client_zone", "az3"),
                ("gateway_zone", gateway),
                ("broker_zone", broker),
            ];
            let bytes = fleet.metric("tidegate_relayed_bytes_total", &labels).unwrap();
            all += bytes;
            crossed += if broker == gateway { 0.0 } else { bytes };
        }
    }
    (all, crossed)
}

/// Waits until the gateway of az1 knows whether that of az3 lives.
fn wait_known(fleet: &mut Fleet, alive: bool) {
    wait::until_true("the others to notice", Duration::from_secs(30), || {
        let status = fleet.gateway("az1")?.status()?;
        let members = status["fleet"].as_array().cloned().unwrap_or_default();
        Ok(members.iter().any(|m| m["zone"] == "az3" && m["alive"] == alive))
    })
    .unwrap();
}

#[test]
fn a_client_whose_zone_has_no_living_gateway_costs_one_crossing_and_goes_home_when_one_returns() {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).start().unwrap();
    // Connections are looked at four times in this time.
    let mut fleet = Fleet::start(&cluster, &ZONES, "limits: {idle: 20s}").unwrap();
    let java = Java::resident().unwrap();
    java.admin(&cluster.bootstrap()).create_topic_on("t", &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]).unwrap();
    let first = fleet.site("az1").unwrap().address();
    let producer = java.producer(json!({"bootstrap.servers": first})).unwrap();
    let write = || {
        for partition in 0..3 {
            let batch = json!({"topic": "t", "partition": partition, "count": 2000, "size": 1000});
            assert!(producer.send(batch).unwrap().iter().all(Result::is_ok), "partition {partition}");
        }
    };
    write();
    fleet.gateway("az3").unwrap().kill9().unwrap();
    wait_known(&mut fleet, false);
    let consumer = java
        .subscribe(
            json!({
                "bootstrap.servers": first, "client.id": "app,zone=az3", "group.id": "g",
                "auto.offset.reset": "earliest", "metadata.max.age.ms": 2000,
            }),
            &["t"],
        )
        .unwrap();
    consumer.records(6000, Duration::from_secs(60)).unwrap();
    let (all, crossed) = fetched_for_az3(&mut fleet, None);
    println!("{all} bytes fetched for az3, {crossed} of them from another zone than the gateway's");
    assert!(all > 6_000_000.0, "{all}");
    assert!(
        crossed / all < 0.02,
        "{crossed} of {all} bytes crossed on their way to the gateway, and cross again"
    );
    let counted =
        fleet.metric("tidegate_fetch_served_total", &[("from", "cross_zone"), ("reason", "no_gateway")]);
    assert!(counted.unwrap() > 0.0, "and count as crossing");

    fleet.gateway("az3").unwrap().restart().unwrap();
    wait_known(&mut fleet, true);
    wait::until_true("reads at home", Duration::from_secs(60), || {
        write();
        consumer.records(6000, Duration::from_secs(60))?;
        Ok(fetched_for_az3(&mut fleet, Some("az3")).0 > 6_000_000.0)
    })
    .unwrap();
}
