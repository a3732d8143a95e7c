//! Random messages of the codec's: drawn for all versions at once, then fitted to one.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState,
};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch,
    NodeEndpoint, PartitionData, SnapshotId,
};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::StrBytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::fetch::request::{VERSION_FOLLOWERS, VERSION_TOPIC_IDS};

/// Names of one to 200 bytes, so that compact lengths of one and of two bytes both occur.
fn text() -> impl Strategy<Value = StrBytes> {
    let length = prop_oneof![1usize..12, 120usize..200];
    length.prop_map(|n| StrBytes::from("topic-of-a-random-length-".repeat(8)[..n].to_owned()))
}

fn blob(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

/// Tags that no schema knows, of one and of two bytes. 127 is the number under which endpoints are hidden.
fn tags() -> impl Strategy<Value = BTreeMap<i32, Bytes>> {
    btree_map(prop_oneof![20i32..127, 128i32..900], blob(150), 0..3)
}

/// An error code: mostly none, else one of those that steering tells apart, or any.
fn error() -> impl Strategy<Value = i16> {
    prop_oneof![4 => Just(0i16), 3 => proptest::sample::select(vec![1i16, 3, 6, 29, 74, 78]), 1 => any::<i16>()]
}

/// A topic: its name, and the bytes of its id.
fn topic() -> impl Strategy<Value = (StrBytes, [u8; 16])> {
    (text(), any::<[u8; 16]>())
}

pub(super) fn request_header() -> impl Strategy<Value = RequestHeader> {
    (any::<i32>(), option::of(text()), tags()).prop_map(|(id, client, tags)| {
        RequestHeader::default()
            .with_request_api_key(crate::api::FETCH)
            .with_correlation_id(id)
            .with_client_id(client)
            .with_unknown_tagged_fields(tags)
    })
}

/// The header as it is in this version.
pub(super) fn fit_request_header(mut header: RequestHeader, version: i16) -> RequestHeader {
    header.request_api_version = version;
    if version < 12 {
        header.unknown_tagged_fields.clear();
    }
    header
}

pub(super) fn response_header() -> impl Strategy<Value = ResponseHeader> {
    (any::<i32>(), tags()).prop_map(|(id, tags)| {
        ResponseHeader::default().with_correlation_id(id).with_unknown_tagged_fields(tags)
    })
}

/// The header as it is in this version.
pub(super) fn fit_response_header(mut header: ResponseHeader, version: i16) -> ResponseHeader {
    if version < 12 {
        header.unknown_tagged_fields.clear();
    }
    header
}

prop_compose! {
    fn fetch_partition()(
        (partition, epoch, offset, last) in (any::<i32>(), any::<i32>(), any::<i64>(), any::<i32>()),
        (log_start, max, directory, high_watermark) in
            (any::<i64>(), any::<i32>(), any::<[u8; 16]>(), any::<i64>()),
        tags in tags(),
    ) -> FetchPartition {
        FetchPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(epoch)
            .with_fetch_offset(offset)
            .with_last_fetched_epoch(last)
            .with_log_start_offset(log_start)
            .with_partition_max_bytes(max)
            .with_replica_directory_id(from_bytes(directory))
            .with_high_watermark(high_watermark)
            .with_unknown_tagged_fields(tags)
    }
}

/// A UUID of whatever crate the codec takes its from.
fn from_bytes<T: std::str::FromStr<Err: std::fmt::Debug>>(bytes: [u8; 16]) -> T {
    format!("{:032x}", u128::from_be_bytes(bytes)).parse().expect("32 hex digits are a UUID")
}

prop_compose! {
    fn fetch_topic()(
        (name, id) in topic(), partitions in vec(fetch_partition(), 0..4), tags in tags(),
    ) -> FetchTopic {
        FetchTopic::default()
            .with_topic(name.into())
            .with_topic_id(from_bytes(id))
            .with_partitions(partitions)
            .with_unknown_tagged_fields(tags)
    }
}

prop_compose! {
    fn forgotten()((name, id) in topic(), partitions in vec(any::<i32>(), 0..4), tags in tags()) -> ForgottenTopic {
        ForgottenTopic::default()
            .with_topic(name.into())
            .with_topic_id(from_bytes(id))
            .with_partitions(partitions)
            .with_unknown_tagged_fields(tags)
    }
}

/// Consumers more often than brokers, and rackless more often than not.
pub(super) fn request() -> impl Strategy<Value = FetchRequest> {
    let replica = prop_oneof![Just((-1, -1i64)), (0i32..1000, any::<i64>())];
    let waits = (any::<i32>(), any::<i32>(), any::<i32>(), any::<i8>());
    let session = (any::<i32>(), prop_oneof![Just(-1), Just(0), any::<i32>()]);
    let rack = prop_oneof![Just(StrBytes::default()), text()];
    let lists = (vec(fetch_topic(), 0..4), vec(forgotten(), 0..3));
    (replica, waits, session, rack, lists, option::of(text()), tags()).prop_map(
        |((replica, replica_epoch), waits, session, rack, (topics, forgotten), cluster, tags)| {
            let state =
                ReplicaState::default().with_replica_id(replica.into()).with_replica_epoch(replica_epoch);
            FetchRequest::default()
                .with_cluster_id(cluster)
                .with_replica_id(replica.into())
                .with_replica_state(state)
                .with_max_wait_ms(waits.0)
                .with_min_bytes(waits.1)
                .with_max_bytes(waits.2)
                .with_isolation_level(waits.3)
                .with_session_id(session.0)
                .with_session_epoch(session.1)
                .with_topics(topics)
                .with_forgotten_topics_data(forgotten)
                .with_rack_id(rack)
                .with_unknown_tagged_fields(tags)
        },
    )
}

/// The request with what this version has no place for left out.
pub(super) fn fit_request(mut request: FetchRequest, version: i16) -> FetchRequest {
    let fresh = FetchRequest::default();
    if version < 15 {
        request.replica_state = fresh.replica_state;
    } else {
        request.replica_id = fresh.replica_id;
    }
    if version < 7 {
        (request.session_id, request.session_epoch) = (fresh.session_id, fresh.session_epoch);
        request.forgotten_topics_data.clear();
    }
    if version < VERSION_FOLLOWERS {
        request.rack_id = fresh.rack_id;
    }
    if version < 12 {
        request.cluster_id = None;
        request.unknown_tagged_fields.clear();
    }
    for topic in &mut request.topics {
        match version >= VERSION_TOPIC_IDS {
            true => topic.topic = Default::default(),
            false => topic.topic_id = Default::default(),
        }
        if version < 12 {
            topic.unknown_tagged_fields.clear();
        }
        topic.partitions.iter_mut().for_each(|p| fit_fetch_partition(p, version));
    }
    for topic in &mut request.forgotten_topics_data {
        match version >= VERSION_TOPIC_IDS {
            true => topic.topic = Default::default(),
            false => topic.topic_id = Default::default(),
        }
        if version < 12 {
            topic.unknown_tagged_fields.clear();
        }
    }
    request
}

fn fit_fetch_partition(p: &mut FetchPartition, version: i16) {
    let fresh = FetchPartition::default();
    if version < 5 {
        p.log_start_offset = fresh.log_start_offset;
    }
    if version < 9 {
        p.current_leader_epoch = fresh.current_leader_epoch;
    }
    if version < 12 {
        p.last_fetched_epoch = fresh.last_fetched_epoch;
        p.unknown_tagged_fields.clear();
    }
    if version < 17 {
        p.replica_directory_id = fresh.replica_directory_id;
    }
    if version < 18 {
        p.high_watermark = fresh.high_watermark;
    }
}

prop_compose! {
    fn partition_data()(
        (index, error, watermark, stable, log_start) in
            (any::<i32>(), error(), any::<i64>(), any::<i64>(), any::<i64>()),
        aborted in option::of(vec((any::<i64>(), any::<i64>(), tags()), 0..3)),
        (replica, records) in (any::<i32>(), option::of(blob(400))),
        diverging in option::of((0i32..100, any::<i64>(), tags())),
        leader in option::of((0i32..100, any::<i32>())),
        snapshot in option::of((any::<i64>(), 0i32..9)),
        tags in tags(),
    ) -> PartitionData {
        let aborted = aborted.map(|list| list.into_iter().map(|(producer, first, tags)| {
            AbortedTransaction::default()
                .with_producer_id(producer.into())
                .with_first_offset(first)
                .with_unknown_tagged_fields(tags)
        }).collect());
        let diverging = diverging.map(|(epoch, end, tags)| {
            EpochEndOffset::default().with_epoch(epoch).with_end_offset(end).with_unknown_tagged_fields(tags)
        });
        let leader = leader.map(|(id, epoch)| {
            LeaderIdAndEpoch::default().with_leader_id(id.into()).with_leader_epoch(epoch)
        });
        let snapshot = snapshot.map(|(end, epoch)| SnapshotId::default().with_end_offset(end).with_epoch(epoch));
        PartitionData::default()
            .with_partition_index(index)
            .with_error_code(error)
            .with_high_watermark(watermark)
            .with_last_stable_offset(stable)
            .with_log_start_offset(log_start)
            .with_aborted_transactions(aborted)
            .with_preferred_read_replica(replica.into())
            .with_records(records)
            .with_diverging_epoch(diverging.unwrap_or_default())
            .with_current_leader(leader.unwrap_or_default())
            .with_snapshot_id(snapshot.unwrap_or_default())
            .with_unknown_tagged_fields(tags)
    }
}

prop_compose! {
    fn answer_topic()(
        (name, id) in topic(), partitions in vec(partition_data(), 0..4), tags in tags(),
    ) -> FetchableTopicResponse {
        FetchableTopicResponse::default()
            .with_topic(name.into())
            .with_topic_id(from_bytes(id))
            .with_partitions(partitions)
            .with_unknown_tagged_fields(tags)
    }
}

prop_compose! {
    fn node()(id in any::<i32>(), host in text(), port in any::<i32>(), rack in option::of(text())) -> NodeEndpoint {
        NodeEndpoint::default().with_node_id(id.into()).with_host(host).with_port(port).with_rack(rack)
    }
}

prop_compose! {
    pub(super) fn answer()(
        (throttle, error, session) in (any::<i32>(), error(), any::<i32>()),
        topics in vec(answer_topic(), 0..4),
        nodes in vec(node(), 0..3),
        tags in tags(),
    ) -> FetchResponse {
        FetchResponse::default()
            .with_throttle_time_ms(throttle)
            .with_error_code(error)
            .with_session_id(session)
            .with_responses(topics)
            .with_node_endpoints(nodes)
            .with_unknown_tagged_fields(tags)
    }
}

/// The answer with what this version has no place for left out.
pub(super) fn fit_answer(mut answer: FetchResponse, version: i16) -> FetchResponse {
    if version < 7 {
        (answer.error_code, answer.session_id) = (0, 0);
    }
    if version < 12 {
        answer.unknown_tagged_fields.clear();
    }
    if version < 16 {
        answer.node_endpoints.clear();
    }
    for topic in &mut answer.responses {
        match version >= VERSION_TOPIC_IDS {
            true => topic.topic = Default::default(),
            false => topic.topic_id = Default::default(),
        }
        if version < 12 {
            topic.unknown_tagged_fields.clear();
        }
        topic.partitions.iter_mut().for_each(|p| fit_partition_data(p, version));
    }
    answer
}

fn fit_partition_data(p: &mut PartitionData, version: i16) {
    let fresh = PartitionData::default();
    if version < 5 {
        p.log_start_offset = fresh.log_start_offset;
    }
    if version < VERSION_FOLLOWERS {
        p.preferred_read_replica = fresh.preferred_read_replica;
    }
    if version < 12 {
        p.diverging_epoch = fresh.diverging_epoch;
        p.current_leader = fresh.current_leader;
        p.snapshot_id = fresh.snapshot_id;
        p.unknown_tagged_fields.clear();
        p.aborted_transactions.iter_mut().flatten().for_each(|a| a.unknown_tagged_fields.clear());
    }
}
