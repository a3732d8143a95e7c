use super::{Draw, Map, SEEDS, answer, answer_body};
use crate::api::PRODUCE;
use crate::patch::produce::patch;
use crate::types::BrokerId;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};

fn partition(draw: &mut Draw) -> PartitionProduceResponse {
    let error = |draw: &mut Draw| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(draw.i32())
            .with_batch_index_error_message(draw.maybe(Draw::text))
            .with_unknown_tagged_fields(draw.tags())
    };
    let leader = LeaderIdAndEpoch::default().with_leader_id(draw.i32().into()).with_leader_epoch(draw.i32());
    PartitionProduceResponse::default()
        .with_index(draw.i32())
        .with_error_code(draw.i16())
        .with_base_offset(draw.i64())
        .with_log_append_time_ms(draw.i64())
        .with_log_start_offset(draw.i64())
        .with_record_errors(draw.several(error))
        .with_error_message(draw.maybe(Draw::text))
        .with_current_leader(if draw.chance() { leader } else { LeaderIdAndEpoch::default() })
        .with_unknown_tagged_fields(draw.tags())
}

fn topic(draw: &mut Draw, version: i16) -> TopicProduceResponse {
    let topic = TopicProduceResponse::default()
        .with_partition_responses(draw.several(partition))
        .with_unknown_tagged_fields(draw.tags());
    if version >= 13 { topic.with_topic_id(draw.uuid()) } else { topic.with_name(draw.text().into()) }
}

fn endpoint(draw: &mut Draw) -> NodeEndpoint {
    NodeEndpoint::default()
        .with_node_id(draw.id().into())
        .with_host(draw.text())
        .with_port(draw.port())
        .with_rack(draw.maybe(Draw::text))
        .with_unknown_tagged_fields(draw.tags())
}

fn message(draw: &mut Draw, version: i16) -> ProduceResponse {
    ProduceResponse::default()
        .with_responses(draw.several(|draw| topic(draw, version)))
        .with_throttle_time_ms(draw.i32())
        .with_node_endpoints(draw.several(endpoint))
        .with_unknown_tagged_fields(draw.tags())
}

pub(super) fn payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = message(draw, version);
    answer(draw, PRODUCE, version, &message)
}

#[test]
fn endpoints_move_and_leaders_stay() {
    let mut patched_count = 0;
    for (version, seed) in (10..=13).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let mut expected: ProduceResponse = answer_body(&payload, PRODUCE, version);
        let ids: Vec<_> = expected.node_endpoints.iter().map(|node| node.node_id.0).collect();
        let directory = Map::gateway(ids.clone());
        let Some(patched) = patch(&payload, version, &directory).unwrap() else {
            assert!(ids.is_empty(), "v{version} seed {seed}");
            continue;
        };
        patched_count += 1;
        expected.node_endpoints.retain_mut(|node| {
            let Some((host, port)) = directory.host(node.node_id.0) else { return false };
            (node.host, node.port) = (host, port);
            true
        });
        let found: ProduceResponse = answer_body(&patched.payload, PRODUCE, version);
        assert_eq!(found, expected, "v{version} seed {seed}");
        let left_out: Vec<_> = ids.into_iter().filter(|id| id % 3 == 0).map(BrokerId).collect();
        assert_eq!(patched.unmapped, left_out);
    }
    assert!(patched_count > 100, "{patched_count}");
}

#[test]
fn a_directory_of_the_brokers_own_addresses_changes_no_byte() {
    for (version, seed) in (10..=13).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let message: ProduceResponse = answer_body(&payload, PRODUCE, version);
        let nodes = message.node_endpoints.iter().map(|n| (n.node_id.0, &n.host, n.port));
        if let Some(patched) = patch(&payload, version, &Map::identity(nodes)).unwrap() {
            assert_eq!(patched.payload, payload, "v{version} seed {seed}");
        }
    }
}

#[test]
fn versions_without_endpoints_pass_unread() {
    for version in 0..10 {
        assert_eq!(patch(&[], version, &Map::default()), Ok(None));
    }
}
