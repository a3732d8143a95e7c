use super::{Draw, Map, SEEDS, answer, answer_body};
use crate::api::{SHARE_ACKNOWLEDGE, SHARE_FETCH};
use crate::patch::Patched;
use crate::patch::share::{patch_acknowledge, patch_fetch};
use crate::types::BrokerId;
use crate::wire::Reader;
use kafka_protocol::messages::share_acknowledge_response as ack;
use kafka_protocol::messages::share_fetch_response as fetch;
use kafka_protocol::messages::{ShareAcknowledgeResponse, ShareFetchResponse};

fn fetched(draw: &mut Draw) -> fetch::PartitionData {
    let acquired = |draw: &mut Draw| {
        fetch::AcquiredRecords::default()
            .with_first_offset(draw.i64())
            .with_last_offset(draw.i64())
            .with_delivery_count(draw.i16())
            .with_unknown_tagged_fields(draw.tags())
    };
    let leader = fetch::LeaderIdAndEpoch::default().with_leader_id(draw.i32()).with_leader_epoch(draw.i32());
    fetch::PartitionData::default()
        .with_partition_index(draw.i32())
        .with_error_code(draw.i16())
        .with_error_message(draw.maybe(Draw::text))
        .with_acknowledge_error_code(draw.i16())
        .with_acknowledge_error_message(draw.maybe(Draw::text))
        .with_current_leader(leader.with_unknown_tagged_fields(draw.tags()))
        .with_records(draw.maybe(|draw| draw.bytes(500)))
        .with_acquired_records(draw.several(acquired))
        .with_unknown_tagged_fields(draw.tags())
}

fn fetch_message(draw: &mut Draw) -> ShareFetchResponse {
    let topic = |draw: &mut Draw| {
        fetch::ShareFetchableTopicResponse::default()
            .with_topic_id(draw.uuid())
            .with_partitions(draw.several(fetched))
            .with_unknown_tagged_fields(draw.tags())
    };
    let endpoint = |draw: &mut Draw| {
        fetch::NodeEndpoint::default()
            .with_node_id(draw.id().into())
            .with_host(draw.text())
            .with_port(draw.port())
            .with_rack(draw.maybe(Draw::text))
            .with_unknown_tagged_fields(draw.tags())
    };
    ShareFetchResponse::default()
        .with_throttle_time_ms(draw.i32())
        .with_error_code(draw.i16())
        .with_error_message(draw.maybe(Draw::text))
        .with_acquisition_lock_timeout_ms(draw.i32())
        .with_responses(draw.several(topic))
        .with_node_endpoints(draw.several(endpoint))
        .with_unknown_tagged_fields(draw.tags())
}

fn acknowledge_message(draw: &mut Draw) -> ShareAcknowledgeResponse {
    let partition = |draw: &mut Draw| {
        let leader = ack::LeaderIdAndEpoch::default().with_leader_id(draw.i32());
        ack::PartitionData::default()
            .with_partition_index(draw.i32())
            .with_error_code(draw.i16())
            .with_error_message(draw.maybe(Draw::text))
            .with_current_leader(leader.with_unknown_tagged_fields(draw.tags()))
            .with_unknown_tagged_fields(draw.tags())
    };
    let topic = |draw: &mut Draw| {
        ack::ShareAcknowledgeTopicResponse::default()
            .with_topic_id(draw.uuid())
            .with_partitions(draw.several(partition))
            .with_unknown_tagged_fields(draw.tags())
    };
    let endpoint = |draw: &mut Draw| {
        ack::NodeEndpoint::default()
            .with_node_id(draw.id().into())
            .with_host(draw.text())
            .with_port(draw.port())
            .with_rack(draw.maybe(Draw::text))
            .with_unknown_tagged_fields(draw.tags())
    };
    ShareAcknowledgeResponse::default()
        .with_throttle_time_ms(draw.i32())
        .with_error_message(draw.maybe(Draw::text))
        .with_responses(draw.several(topic))
        .with_node_endpoints(draw.several(endpoint))
        .with_unknown_tagged_fields(draw.tags())
}

pub(super) fn fetch_payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = fetch_message(draw);
    let payload = answer(draw, SHARE_FETCH, 1, &message);
    match version {
        0 => [&payload[..top(&payload)], &payload[top(&payload) + 4..]].concat(),
        _ => payload, // v2 adds nothing to the answer
    }
}

pub(super) fn acknowledge_payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = acknowledge_message(draw);
    let payload = answer(draw, SHARE_ACKNOWLEDGE, 1, &message);
    if version >= 2 { with_lock_timeout(&payload) } else { payload }
}

/// Where the lock timeout stands, or would stand: behind header, throttle time, error code and message.
fn top(payload: &[u8]) -> usize {
    let mut reader = Reader::new(payload);
    reader.skip(4).unwrap();
    reader.skip_tags(true).unwrap();
    reader.skip(4 + 2).unwrap();
    reader.string_bytes(true).unwrap();
    reader.position()
}

/// A v1 answer to ShareAcknowledge as v2, which the codec lacks, has it.
fn with_lock_timeout(payload: &[u8]) -> Vec<u8> {
    let (front, back) = payload.split_at(top(payload));
    [front, &[0, 0, 0x75, 0x30], back].concat()
}

fn expect_left_out(patched: &Patched, ids: &[i32]) {
    let left_out: Vec<_> = ids.iter().filter(|id| **id % 3 == 0).map(|id| BrokerId(*id)).collect();
    assert_eq!(patched.unmapped, left_out);
}

#[test]
fn share_fetch_endpoints_move_and_records_stay() {
    for (version, seed) in (1..=2).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = fetch_payload(&mut Draw::new(seed), version);
        let mut expected: ShareFetchResponse = answer_body(&payload, SHARE_FETCH, 1);
        let ids: Vec<_> = expected.node_endpoints.iter().map(|node| node.node_id.0).collect();
        let directory = Map::gateway(ids.clone());
        let patched = patch_fetch(&payload, version, &directory).unwrap();
        assert_eq!(patched.is_none(), ids.is_empty(), "v{version} seed {seed}");
        let Some(patched) = patched else { continue };
        expected.node_endpoints.retain_mut(|node| {
            let Some((host, port)) = directory.host(node.node_id.0) else { return false };
            (node.host, node.port) = (host, port);
            true
        });
        let found: ShareFetchResponse = answer_body(&patched.payload, SHARE_FETCH, 1);
        assert_eq!(found, expected, "v{version} seed {seed}");
        expect_left_out(&patched, &ids);
    }
}

#[test]
fn share_acknowledge_endpoints_move_in_both_layouts() {
    for seed in 0..SEEDS {
        let payload = acknowledge_payload(&mut Draw::new(seed), 1);
        let mut expected: ShareAcknowledgeResponse = answer_body(&payload, SHARE_ACKNOWLEDGE, 1);
        let ids: Vec<_> = expected.node_endpoints.iter().map(|node| node.node_id.0).collect();
        let directory = Map::gateway(ids.clone());
        let Some(patched) = patch_acknowledge(&payload, 1, &directory).unwrap() else {
            assert!(ids.is_empty(), "seed {seed}");
            continue;
        };
        expected.node_endpoints.retain_mut(|node| {
            let Some((host, port)) = directory.host(node.node_id.0) else { return false };
            (node.host, node.port) = (host, port);
            true
        });
        let found: ShareAcknowledgeResponse = answer_body(&patched.payload, SHARE_ACKNOWLEDGE, 1);
        assert_eq!(found, expected, "seed {seed}");
        expect_left_out(&patched, &ids);
        let newer = patch_acknowledge(&with_lock_timeout(&payload), 2, &directory).unwrap().unwrap();
        assert_eq!(newer.payload, with_lock_timeout(&patched.payload), "seed {seed}");
    }
}

#[test]
fn a_directory_of_the_brokers_own_addresses_changes_no_byte() {
    for seed in 0..SEEDS {
        let message = fetch_message(&mut Draw::new(seed));
        let nodes = message.node_endpoints.iter().map(|n| (n.node_id.0, &n.host, n.port));
        let directory = Map::identity(nodes);
        for version in 0..=2 {
            let payload = fetch_payload(&mut Draw::new(seed), version);
            let patched = patch_fetch(&payload, version, &directory).unwrap();
            assert_eq!(patched.map_or(payload.clone(), |patched| patched.payload), payload, "seed {seed}");
        }
        let message = acknowledge_message(&mut Draw::new(seed));
        let nodes = message.node_endpoints.iter().map(|n| (n.node_id.0, &n.host, n.port));
        let directory = Map::identity(nodes);
        for version in 1..=2 {
            let payload = acknowledge_payload(&mut Draw::new(seed), version);
            let patched = patch_acknowledge(&payload, version, &directory).unwrap();
            assert_eq!(patched.map_or(payload.clone(), |patched| patched.payload), payload, "seed {seed}");
        }
    }
}
