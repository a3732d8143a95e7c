use super::{Draw, Map, SEEDS, answer, answer_body};
use crate::api::FIND_COORDINATOR;
use crate::patch::find_coordinator::patch;
use crate::types::BrokerId;
use kafka_protocol::messages::FindCoordinatorResponse;
use kafka_protocol::messages::find_coordinator_response::Coordinator;

fn single(draw: &mut Draw, version: i16) -> FindCoordinatorResponse {
    let mut message = FindCoordinatorResponse::default()
        .with_throttle_time_ms(draw.i32())
        .with_node_id(draw.id().into())
        .with_host(draw.text())
        .with_port(draw.port());
    if version >= 1 {
        message.error_message = draw.maybe(Draw::text);
    }
    if draw.chance() {
        let failed = message.with_node_id((-1).into()).with_host("".into()).with_port(-1);
        message = failed.with_error_code(16);
    }
    message
}

fn listed(draw: &mut Draw) -> Coordinator {
    let coordinator = Coordinator::default().with_key(draw.text()).with_unknown_tagged_fields(draw.tags());
    if draw.chance() {
        return coordinator.with_node_id((-1).into()).with_port(-1).with_error_code(15);
    }
    let message = draw.maybe(Draw::text);
    let coordinator = coordinator.with_node_id(draw.id().into()).with_error_message(message);
    coordinator.with_host(draw.text()).with_port(draw.port())
}

pub(super) fn payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let mut message = if version >= 4 {
        FindCoordinatorResponse::default().with_coordinators(draw.several(listed))
    } else {
        single(draw, version)
    };
    if version >= 3 {
        message.unknown_tagged_fields = draw.tags();
    }
    answer(draw, FIND_COORDINATOR, version, &message)
}

/// The coordinators of either shape.
fn ids(message: &FindCoordinatorResponse, version: i16) -> Vec<i32> {
    if version >= 4 {
        message.coordinators.iter().map(|coordinator| coordinator.node_id.0).collect()
    } else {
        vec![message.node_id.0]
    }
}

fn expect(message: &mut FindCoordinatorResponse, version: i16, directory: &Map) {
    if version >= 4 {
        for at in &mut message.coordinators {
            match directory.host(at.node_id.0) {
                _ if at.node_id.0 < 0 => {}
                Some((host, port)) => (at.host, at.port) = (host, port),
                None => {
                    (at.node_id, at.host, at.port) = ((-1).into(), "".into(), -1);
                    (at.error_code, at.error_message) = (15, None);
                }
            }
        }
    } else if message.node_id.0 >= 0 {
        match directory.host(message.node_id.0) {
            Some((host, port)) => (message.host, message.port) = (host, port),
            None => {
                (message.node_id, message.host, message.port) = ((-1).into(), "".into(), -1);
                message.error_code = 15;
                if version >= 1 {
                    message.error_message = None;
                }
            }
        }
    }
}

#[test]
fn coordinators_move_to_their_endpoints_or_are_not_available_yet() {
    let mut seen = [0; 3];
    for (version, seed) in (0..=6).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let mut expected: FindCoordinatorResponse = answer_body(&payload, FIND_COORDINATOR, version);
        let named: Vec<_> = ids(&expected, version).into_iter().filter(|id| *id >= 0).collect();
        let directory = Map::gateway(named.clone());
        let Some(patched) = patch(&payload, version, &directory).unwrap() else {
            assert!(named.is_empty(), "v{version} seed {seed}");
            seen[0] += 1;
            continue;
        };
        expect(&mut expected, version, &directory);
        let found: FindCoordinatorResponse = answer_body(&patched.payload, FIND_COORDINATOR, version);
        assert_eq!(found, expected, "v{version} seed {seed}");
        let left_out: Vec<_> = named.iter().filter(|id| *id % 3 == 0).map(|id| BrokerId(*id)).collect();
        seen[if left_out.is_empty() { 1 } else { 2 }] += 1;
        assert_eq!(patched.unmapped, left_out);
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

#[test]
fn a_directory_of_the_brokers_own_addresses_changes_no_byte() {
    for (version, seed) in (0..=6).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let message: FindCoordinatorResponse = answer_body(&payload, FIND_COORDINATOR, version);
        let listed = message.coordinators.iter().map(|at| (at.node_id.0, &at.host, at.port));
        let single = [(message.node_id.0, &message.host, message.port)];
        let directory = Map::identity(listed.chain(single));
        if let Some(patched) = patch(&payload, version, &directory).unwrap() {
            assert_eq!(patched.payload, payload, "v{version} seed {seed}");
        }
    }
}
