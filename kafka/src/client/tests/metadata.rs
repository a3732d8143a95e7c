//! Metadata in every version, held against kafka-protocol's codec, which was made from Kafka's schemas.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{self as codec, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::fake::{Fake, Reply, dialer, offering_metadata};
use crate::client::metadata::{
    Broker, Cluster, MetadataError, PartitionInfo, Topic, Topics, decode, fetch, request,
};
use crate::client::{Connection, Security};
use crate::code::Code;
use crate::types::{BrokerId, LeaderEpoch, Partition, TopicId};
use crate::wire::WireError;

const VERSIONS: std::ops::RangeInclusive<i16> = 4..=13;
const ID: &str = "0102030405060708090a0b0c0d0e0f10";

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_owned())
}

fn ids<T>(ids: &[i32], wrap: impl Fn(i32) -> T) -> Vec<T> {
    ids.iter().map(|id| wrap(*id)).collect()
}

/// Two brokers, one with a rack; a topic with two partitions, one of them in trouble.
fn answer() -> MetadataResponse {
    let broker = |id, host, rack: Option<&str>| {
        MetadataResponseBroker::default()
            .with_node_id(codec::BrokerId(id))
            .with_host(text(host))
            .with_port(9_092)
            .with_rack(rack.map(text))
    };
    let partition = |index, error, leader: i32, isr: &[i32], offline: &[i32]| {
        MetadataResponsePartition::default()
            .with_error_code(error)
            .with_partition_index(index)
            .with_leader_id(codec::BrokerId(leader))
            .with_leader_epoch(40 + index)
            .with_replica_nodes(ids(&[1, 1_002], codec::BrokerId))
            .with_isr_nodes(ids(isr, codec::BrokerId))
            .with_offline_replicas(ids(offline, codec::BrokerId))
    };
    let topic = MetadataResponseTopic::default()
        .with_name(Some(codec::TopicName(text("orders"))))
        .with_topic_id(ID.parse().unwrap())
        .with_partitions(vec![partition(0, 0, 1, &[1, 1_002], &[]), partition(1, 5, -1, &[], &[1])]);
    MetadataResponse::default()
        .with_brokers(vec![broker(1, "b1", Some("az1")), broker(1_002, "b2.example.com", None)])
        .with_cluster_id(Some(text("cluster")))
        .with_controller_id(codec::BrokerId(1_002))
        .with_topics(vec![topic])
}

pub(super) fn encoded(version: i16) -> Bytes {
    encode(&answer(), version)
}

fn encode(answer: &MetadataResponse, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    answer.encode(&mut out, version).unwrap();
    out.freeze()
}

/// What [`answer`] means in `version`: older ones know neither ids, epochs nor offline replicas.
fn expected(version: i16) -> Cluster {
    let broker = |id, host: &str, rack: Option<&str>| Broker {
        id: BrokerId(id),
        host: host.to_owned(),
        port: 9_092,
        rack: rack.map(str::to_owned),
    };
    let partition = |index, error, leader, isr: &[i32], offline: &[i32]| PartitionInfo {
        index: Partition(index),
        error: Code(error),
        leader: BrokerId(leader),
        epoch: LeaderEpoch(if version >= 7 { 40 + index } else { -1 }),
        replicas: ids(&[1, 1_002], BrokerId),
        isr: ids(isr, BrokerId),
        offline: if version >= 5 { ids(offline, BrokerId) } else { Vec::new() },
    };
    Cluster {
        id: Some("cluster".to_owned()),
        controller: Some(BrokerId(1_002)),
        brokers: vec![broker(1, "b1", Some("az1")), broker(1_002, "b2.example.com", None)],
        topics: vec![Topic {
            name: "orders".to_owned(),
            id: if version >= 10 { topic_id() } else { TopicId::default() },
            error: Code::NONE,
            rights: None,
            partitions: vec![partition(0, 0, 1, &[1, 1_002], &[]), partition(1, 5, -1, &[], &[1])],
        }],
    }
}

fn topic_id() -> TopicId {
    TopicId(std::array::from_fn(|i| i as u8 + 1))
}

#[test]
fn every_version_reads_as_the_codec_wrote_it() {
    for version in VERSIONS {
        assert_eq!(decode(&encoded(version), version).unwrap(), expected(version), "version {version}");
    }
}

#[test]
fn an_answer_cut_off_anywhere_is_a_typed_error() {
    for version in VERSIONS {
        let whole = encoded(version);
        for cut in 0..whole.len() {
            let outcome = decode(&whole[..cut], version);
            assert!(matches!(outcome, Err(MetadataError::Malformed(_))), "version {version}, {cut} bytes");
        }
        let longer = [&whole[..], &[0]].concat();
        let trailing = decode(&longer, version);
        assert!(matches!(trailing, Err(MetadataError::Malformed(WireError::Trailing { left: 1, .. }))));
    }
}

#[test]
fn a_topic_that_nobody_has_by_that_id_has_no_name() {
    let topic = MetadataResponseTopic::default()
        .with_name(None)
        .with_error_code(100)
        .with_topic_id(ID.parse().unwrap());
    let cluster = decode(&encode(&MetadataResponse::default().with_topics(vec![topic]), 12), 12).unwrap();
    let topic = &cluster.topics[0];
    assert_eq!((topic.name.as_str(), topic.id, topic.error), ("", topic_id(), Code::UNKNOWN_TOPIC_ID));
    assert_eq!((cluster.id, cluster.controller), (None, None));
}

#[test]
fn a_refusal_of_the_whole_is_an_error_and_not_an_empty_cluster() {
    let refused = MetadataResponse::default().with_error_code(129);
    let outcome = decode(&encode(&refused, 13), 13);
    assert!(matches!(outcome, Err(MetadataError::Refused(Code::REBOOTSTRAP_REQUIRED))), "{outcome:?}");
}

#[test]
fn a_port_that_no_host_has_is_refused() {
    for port in [-1, 65_536, i32::MAX] {
        let broker = MetadataResponseBroker::default().with_node_id(codec::BrokerId(3)).with_port(port);
        let answer = MetadataResponse::default().with_brokers(vec![broker]);
        let outcome = decode(&encode(&answer, 9), 9);
        assert!(matches!(outcome, Err(MetadataError::Port { broker: BrokerId(3), port: p }) if p == port));
    }
}

#[test]
fn every_request_reads_as_meant_and_creates_no_topic() {
    let names = ["a".to_owned(), "b".to_owned()];
    for version in VERSIONS {
        let read = |topics, rights| {
            let mut body = Bytes::from(request(topics, version, rights));
            let request = MetadataRequest::decode(&mut body, version).unwrap();
            assert!(body.is_empty() && !request.allow_auto_topic_creation, "version {version}");
            assert_eq!(request.include_topic_authorized_operations, rights && version >= 8);
            assert!(!request.include_cluster_authorized_operations);
            request.topics
        };
        assert_eq!(read(Topics::None, true), Some(Vec::new()));
        assert_eq!(read(Topics::All, false), None);
        let asked = read(Topics::Names(&names), true).unwrap();
        let asked: Vec<_> = asked.iter().map(|t| t.name.as_ref().unwrap().0.to_string()).collect();
        assert_eq!(asked, names);
    }
}

#[test]
fn topics_are_asked_for_by_id() {
    let topic_ids = [topic_id(), topic_id()];
    for version in 12..=13 {
        let mut body = Bytes::from(request(Topics::Ids(&topic_ids), version, false));
        let asked = MetadataRequest::decode(&mut body, version).unwrap().topics.unwrap();
        assert_eq!((body.len(), asked.len()), (0, 2));
        for topic in asked {
            assert_eq!((topic.name, topic.topic_id), (None, ID.parse().unwrap()));
        }
    }
}

/// A broker that knows Metadata up to `max`, and the versions in which it was asked.
async fn broker(max: i16) -> (Fake, Arc<Mutex<Vec<i16>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let fake = Fake::plain(move || {
        let seen = seen.clone();
        offering_metadata(max, move |request| {
            assert_eq!(request.client_id.as_deref(), Some("tester"));
            seen.lock().unwrap().push(request.version);
            Reply::Body(encoded(request.version).to_vec())
        })
    })
    .await;
    (fake, asked)
}

#[tokio::test]
async fn the_highest_version_that_both_sides_know_is_used() {
    for (theirs, used) in [(4, 4), (11, 11), (12, 12), (13, 13), (99, 13)] {
        let (fake, asked) = broker(theirs).await;
        let dialer = dialer(Security::default());
        let mut connection = Connection::connect(&dialer, &fake.host(), fake.port()).await.unwrap();
        assert_eq!(fetch(&mut connection, Topics::All).await.unwrap(), expected(used));
        assert_eq!(*asked.lock().unwrap(), [used]);
    }
}

#[tokio::test]
async fn a_broker_too_old_for_the_question_is_told_and_not_asked() {
    let topic_ids = [topic_id()];
    for (theirs, topics) in [(11, Topics::Ids(&topic_ids)), (3, Topics::All)] {
        let (fake, asked) = broker(theirs).await;
        let dialer = dialer(Security::default());
        let mut connection = Connection::connect(&dialer, &fake.host(), fake.port()).await.unwrap();
        let error = fetch(&mut connection, topics).await.unwrap_err();
        assert!(matches!(error, MetadataError::Version { .. }), "{error}");
        assert!(asked.lock().unwrap().is_empty() && !connection.is_poisoned());
    }
}
