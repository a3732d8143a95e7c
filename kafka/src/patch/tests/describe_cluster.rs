use super::{Draw, Map, SEEDS, answer, answer_body};
use crate::api::DESCRIBE_CLUSTER;
use crate::patch::AbsentBroker;
use crate::patch::describe_cluster::patch;
use crate::types::BrokerId;
use kafka_protocol::messages::DescribeClusterResponse;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;

fn broker(draw: &mut Draw, version: i16) -> DescribeClusterBroker {
    DescribeClusterBroker::default()
        .with_broker_id(draw.id().into())
        .with_host(draw.text())
        .with_port(draw.port())
        .with_rack(draw.maybe(Draw::text))
        .with_is_fenced(version >= 2 && draw.chance())
        .with_unknown_tagged_fields(draw.tags())
}

fn message(draw: &mut Draw, version: i16) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_throttle_time_ms(draw.i32())
        .with_error_code(draw.i16())
        .with_error_message(draw.maybe(Draw::text))
        .with_cluster_id(draw.text())
        .with_controller_id(draw.i32().into())
        .with_brokers(draw.several(|draw| broker(draw, version)))
        .with_cluster_authorized_operations(draw.i32())
        .with_unknown_tagged_fields(draw.tags())
}

pub(super) fn payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = message(draw, version);
    answer(draw, DESCRIBE_CLUSTER, version, &message)
}

#[test]
fn brokers_move_to_their_endpoints_and_nothing_else_changes() {
    for (version, seed) in (0..=2).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let mut expected: DescribeClusterResponse = answer_body(&payload, DESCRIBE_CLUSTER, version);
        let ids: Vec<_> = expected.brokers.iter().map(|broker| broker.broker_id.0).collect();
        let mut directory = Map::gateway(ids.iter().copied().chain([1000]));
        directory.absent = vec![AbsentBroker { id: BrokerId(1000), rack: None }];
        let patched = patch(&payload, version, &directory).unwrap().unwrap();
        expected.brokers.retain_mut(|broker| {
            let Some((host, port)) = directory.host(broker.broker_id.0) else { return false };
            (broker.host, broker.port) = (host, port);
            true
        });
        let found: DescribeClusterResponse = answer_body(&patched.payload, DESCRIBE_CLUSTER, version);
        assert_eq!(found, expected, "v{version} seed {seed}");
        let left_out: Vec<_> = ids.into_iter().filter(|id| id % 3 == 0).map(BrokerId).collect();
        assert_eq!(patched.unmapped, left_out);
    }
}

#[test]
fn a_directory_of_the_brokers_own_addresses_changes_no_byte() {
    for (version, seed) in (0..=2).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let message: DescribeClusterResponse = answer_body(&payload, DESCRIBE_CLUSTER, version);
        let nodes = message.brokers.iter().map(|b| (b.broker_id.0, &b.host, b.port));
        let patched = patch(&payload, version, &Map::identity(nodes)).unwrap().unwrap();
        assert_eq!(patched.payload, payload, "v{version} seed {seed}");
    }
}

#[test]
fn controllers_keep_their_addresses() {
    for version in 1..=2 {
        let mut draw = Draw::new(5);
        let message = message(&mut draw, version).with_endpoint_type(2);
        let payload = answer(&mut draw, DESCRIBE_CLUSTER, version, &message);
        assert_eq!(patch(&payload, version, &Map::default()), Ok(None));
    }
}
