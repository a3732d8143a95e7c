//! Nothing but addresses tells a gateway from the broker behind it: every API, every version, byte for byte.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use kafka::api;
use serde_json::json;
use tidegate_tests::raw::{Raw, request};
use tidegate_tests::schema::Schemas;
use tidegate_tests::transparency::{Addresses, Ask, Outcome, Scene, compare, listed};
use tidegate_tests::{Cluster, Fleet, Java, Version};

/// APIs that only look, so that they may be asked about things that exist.
const READS: [i16; 17] = [1, 2, 3, 9, 10, 15, 16, 23, 32, 35, 60, 61, 65, 66, 69, 75, 77];

/// APIs that a broker refuses for a partition it does not lead, naming the leader's address in new versions.
const LED: [i16; 4] = [api::PRODUCE, api::FETCH, api::LIST_OFFSETS, api::OFFSET_FOR_LEADER_EPOCH];

struct Stage {
    cluster: Cluster,
    fleet: Fleet,
    scenes: Vec<(&'static str, Scene)>,
}

/// Two brokers; topic `here` on the first, `elsewhere` on the second; a group that has committed.
fn stage(version: Version) -> Stage {
    let cluster = Cluster::builder()
        .version(version)
        .brokers(2)
        .racks(["az1", "az2"])
        .property("auto.create.topics.enable", "false")
        .start()
        .unwrap();
    let java = Java::resident().unwrap();
    let admin = java.admin(&cluster.bootstrap());
    admin.create_topic_on("here", &[&[1]]).unwrap();
    admin.create_topic_on("elsewhere", &[&[2]]).unwrap();
    let props = json!({"bootstrap.servers": cluster.bootstrap(), "enable.idempotence": false});
    let producer = java.producer(props).unwrap();
    assert_eq!(producer.send(json!({"topic": "here", "size": 100})).unwrap(), [Ok((0, 0))]);
    let props = json!({
        "bootstrap.servers": cluster.bootstrap(), "group.id": "readers", "auto.offset.reset": "earliest",
    });
    let reader = java.subscribe(props, &["here"]).unwrap();
    reader.records(1, Duration::from_secs(30)).unwrap();
    reader.commit().unwrap();
    reader.close().unwrap();
    let log = cluster.brokers()[0].log_dir().join("here-0/00000000000000000000.log");
    let batch = fs::read(log).unwrap();
    let scene = |topic: &str, topic_id, group: &str| Scene {
        topic: topic.into(),
        topic_id,
        group: group.into(),
        batch: batch.clone(),
    };
    let id = |topic: &str| admin.topic_id(topic).unwrap();
    let scenes = vec![
        ("missing", scene("no-such-topic", [0x5a; 16], "no-such-group")),
        ("here", scene("here", id("here"), "readers")),
        ("elsewhere", scene("elsewhere", id("elsewhere"), "readers")),
    ];
    let fleet = Fleet::start(&cluster, &["az1"], "zones: {reads: as_is}").unwrap();
    Stage { cluster, fleet, scenes }
}

fn belongs(scene: &str, key: i16) -> bool {
    match scene {
        "here" => READS.contains(&key),
        "elsewhere" => LED.contains(&key),
        _ => true,
    }
}

fn every_answer_is_the_brokers_but_for_addresses(version: Version) {
    let stage = stage(version);
    let site = &stage.fleet.sites()[0];
    let direct = stage.cluster.brokers()[0].address();
    let through = site.broker_address(1).unwrap();
    let told = |b: &tidegate_tests::cluster::Broker| (b.address(), site.broker_address(b.id()).unwrap());
    let addresses: Addresses = stage.cluster.brokers().iter().map(told).collect();
    let schemas = Schemas::of(stage.cluster.dist()).unwrap();
    let asks = Ask::all(&schemas, &listed(&direct).unwrap());

    let (mut answered, mut faults) = (0, Vec::new());
    let mut changed: BTreeMap<&str, usize> = BTreeMap::new();
    for (scene_name, scene) in &stage.scenes {
        for ask in asks.iter().filter(|a| belongs(scene_name, a.key)) {
            let outcomes = (ask.send(&direct, scene).unwrap(), ask.send(&through, scene).unwrap());
            let fault = match outcomes {
                (Outcome::Answer(d), Outcome::Answer(t)) => match compare(ask, &d, &t, &addresses) {
                    Ok(n) => {
                        answered += 1;
                        *changed.entry(ask.request.api_name()).or_default() += n;
                        continue;
                    }
                    Err(e) => format!("{e:#}"),
                },
                (d, t) if d == t => format!("both {d:?}: asks nothing"),
                (d, t) => format!("{d:?} became {t:?}"),
            };
            faults.push(format!("{ask} ({scene_name}): {fault}"));
        }
    }
    assert!(faults.is_empty(), "{} of {answered} differ:\n{}", faults.len(), faults.join("\n"));
    let changed: BTreeSet<&str> = changed.into_iter().filter(|(_, n)| *n > 0).map(|(name, _)| name).collect();
    let mut wanted = BTreeSet::from(["Metadata", "FindCoordinator", "DescribeCluster"]);
    if !matches!(version, Version::V2 | Version::V3) {
        wanted.extend(["Produce", "Fetch"]);
    }
    assert!(changed.is_superset(&wanted), "addresses were changed only in {changed:?}");
    assert!(answered > 250, "only {answered} answers compared");
    eprintln!("{}: {answered} answers compared", version.number());
}

#[test]
fn every_answer_of_the_newest_kafka_is_the_brokers_but_for_addresses() {
    every_answer_is_the_brokers_but_for_addresses(Version::Newest);
}

#[test]
fn what_the_gateway_does_not_know_reaches_the_broker() {
    let stage = stage(Version::Newest);
    let direct = stage.cluster.brokers()[0].address();
    let through = stage.fleet.sites()[0].broker_address(1).unwrap();
    let outcome = |address: &str, payload: &[u8]| {
        let mut raw = Raw::connect(address).unwrap();
        raw.send(payload).unwrap();
        raw.recv().ok()
    };
    // An answer for ApiVersions, a closed connection for the others: as the broker wants it.
    for (key, version) in [(api::API_VERSIONS, 99), (api::METADATA, 99), (api::FETCH, 99), (999, 0), (-1, 0)]
    {
        let payload = request(2, key, version, 5, "newer", &[1, 2, 3]);
        let (d, t) = (outcome(&direct, &payload), outcome(&through, &payload));
        assert_eq!(d, t, "key {key} version {version}");
        assert_eq!(d.is_some(), key == api::API_VERSIONS, "key {key}");
    }
}

#[test]
fn every_answer_of_kafka_4_4_is_the_brokers_but_for_addresses() {
    every_answer_is_the_brokers_but_for_addresses(Version::NewestBroker);
}

#[test]
fn every_answer_of_kafka_3_9_is_the_brokers_but_for_addresses() {
    every_answer_is_the_brokers_but_for_addresses(Version::V3);
}

#[test]
fn every_answer_of_kafka_2_8_is_the_brokers_but_for_addresses() {
    every_answer_is_the_brokers_but_for_addresses(Version::V2);
}
