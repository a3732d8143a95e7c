use super::{Draw, Map, SEEDS, answer, answer_body};
use crate::api::METADATA;
use crate::patch::AbsentBroker;
use crate::patch::metadata::{HEAD_MAX, Progress, patch_head};
use crate::types::BrokerId;
use crate::wire::{WireError, put_uvarint};
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

fn broker(draw: &mut Draw, version: i16) -> MetadataResponseBroker {
    let mut broker = MetadataResponseBroker::default()
        .with_node_id(draw.id().into())
        .with_host(draw.text())
        .with_port(draw.port());
    if version >= 1 {
        broker.rack = draw.maybe(Draw::text);
    }
    if version >= 9 {
        broker.unknown_tagged_fields = draw.tags();
    }
    broker
}

fn topic(draw: &mut Draw, partitions: usize) -> MetadataResponseTopic {
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(draw.i32().into())
            .with_replica_nodes(vec![draw.i32().into(), draw.i32().into()])
    };
    let partitions = (0..partitions).map(partition).collect();
    MetadataResponseTopic::default().with_name(Some(draw.text().into())).with_partitions(partitions)
}

fn message(draw: &mut Draw, version: i16) -> MetadataResponse {
    let mut message = MetadataResponse::default()
        .with_throttle_time_ms(draw.i32())
        .with_brokers(draw.several(|draw| broker(draw, version)))
        .with_cluster_id(draw.maybe(Draw::text))
        .with_controller_id(draw.i32().into())
        .with_topics(draw.several(|draw| topic(draw, 3)));
    if version >= 9 {
        message.unknown_tagged_fields = draw.tags();
    }
    message
}

pub(super) fn payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = message(draw, version);
    answer(draw, METADATA, version, &message)
}

fn done(payload: &[u8], version: i16, directory: &Map) -> (usize, Vec<u8>, Vec<BrokerId>) {
    match patch_head(payload, payload.len(), version, directory) {
        Ok(Progress::Done { consumed, head, unmapped }) => (consumed, head, unmapped),
        other => panic!("{other:?}"),
    }
}

fn whole(payload: &[u8], version: i16, directory: &Map) -> (Vec<u8>, Vec<BrokerId>) {
    let (consumed, head, unmapped) = done(payload, version, directory);
    ([&head, &payload[consumed..]].concat(), unmapped)
}

#[test]
fn brokers_move_to_their_endpoints_and_nothing_else_changes() {
    for (version, seed) in (0..=13).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let mut expected: MetadataResponse = answer_body(&payload, METADATA, version);
        let ids: Vec<_> = expected.brokers.iter().map(|broker| broker.node_id.0).collect();
        let directory = Map::gateway(ids.clone());
        let (patched, unmapped) = whole(&payload, version, &directory);
        expected.brokers.retain_mut(|broker| {
            let Some((host, port)) = directory.host(broker.node_id.0) else { return false };
            (broker.host, broker.port) = (host, port);
            true
        });
        let found: MetadataResponse = answer_body(&patched, METADATA, version);
        assert_eq!(found, expected, "v{version} seed {seed}");
        let left_out: Vec<_> = ids.into_iter().filter(|id| id % 3 == 0).map(BrokerId).collect();
        assert_eq!(unmapped, left_out, "v{version} seed {seed}");
    }
}

#[test]
fn a_directory_of_the_brokers_own_addresses_changes_no_byte() {
    for (version, seed) in (0..=13).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = payload(&mut Draw::new(seed), version);
        let message: MetadataResponse = answer_body(&payload, METADATA, version);
        let nodes = message.brokers.iter().map(|b| (b.node_id.0, &b.host, b.port));
        assert_eq!(whole(&payload, version, &Map::identity(nodes)).0, payload, "v{version} seed {seed}");
    }
}

#[test]
fn every_split_of_the_head_waits_and_then_gives_the_same() {
    for version in 0..=13 {
        let payload = payload(&mut Draw::new(7), version);
        let message: MetadataResponse = answer_body(&payload, METADATA, version);
        let directory = Map::gateway(message.brokers.iter().map(|broker| broker.node_id.0));
        let (consumed, head, unmapped) = done(&payload, version, &directory);
        let complete = Progress::Done { consumed, head, unmapped };
        for cut in 0..=payload.len() {
            let expected = if cut < consumed { &Progress::NeedMore } else { &complete };
            let progress = patch_head(&payload[..cut], payload.len(), version, &directory);
            assert_eq!(progress.as_ref(), Ok(expected), "v{version} cut {cut}");
        }
    }
}

#[test]
fn a_head_that_the_frame_ends_in_is_an_error() {
    for version in 0..=13 {
        let payload = payload(&mut Draw::new(7), version);
        let (consumed, ..) = done(&payload, version, &Map::default());
        for cut in 0..consumed {
            let progress = patch_head(&payload[..cut], cut, version, &Map::default());
            assert!(progress.is_err(), "v{version} cut {cut}: {progress:?}");
        }
    }
}

#[test]
fn what_cannot_fit_into_the_frame_is_refused_before_the_frame_is_there() {
    let count_of_2_31 = [0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff];
    let progress = patch_head(&count_of_2_31, 1000, 0, &Map::default());
    assert!(matches!(progress, Err(WireError::Length { .. })), "{progress:?}");
    let host_of_32_kib = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0, 0, 0, 0];
    let progress = patch_head(&host_of_32_kib, 1000, 0, &Map::default());
    assert!(matches!(progress, Err(WireError::Truncated { .. })), "{progress:?}");
}

#[test]
fn nobody_waits_for_a_head_over_the_bound() {
    let head = |host_size: u32| {
        let mut head = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1];
        put_uvarint(&mut head, host_size + 1);
        head.resize(head.len() + 20, 0);
        head
    };
    let progress = |host_size| patch_head(&head(host_size), usize::MAX, 9, &Map::default());
    assert_eq!(progress(HEAD_MAX as u32 / 2), Ok(Progress::NeedMore));
    assert!(matches!(progress(HEAD_MAX as u32), Err(WireError::Truncated { .. })));
}

#[test]
fn dead_brokers_stay_in_the_list_at_their_endpoint() {
    let rack = |text: &str| Some(text.to_owned());
    for version in 0..=13 {
        let mut draw = Draw::new(3);
        let message = MetadataResponse::default().with_brokers(vec![broker(&mut draw, version)]);
        let present = message.brokers[0].node_id.0;
        let payload = answer(&mut draw, METADATA, version, &message);
        let mut directory = Map::gateway([present, 101, 103]);
        directory.endpoints.insert(present, ("living.example".into(), 1));
        directory.absent = vec![
            AbsentBroker { id: BrokerId(present), rack: None },
            AbsentBroker { id: BrokerId(101), rack: rack("az2") },
            AbsentBroker { id: BrokerId(102), rack: rack("az3") }, // has no endpoint
            AbsentBroker { id: BrokerId(103), rack: None },
        ];
        let (patched, unmapped) = whole(&payload, version, &directory);
        let found: MetadataResponse = answer_body(&patched, METADATA, version);
        let listed: Vec<_> =
            found.brokers.iter().map(|b| (b.node_id.0, b.host.to_string(), b.rack.is_some())).collect();
        assert_eq!(
            listed,
            [
                (present, "living.example".into(), message.brokers[0].rack.is_some()),
                (101, "gw-101.example".into(), version >= 1),
                (103, "gw-103.example".into(), false),
            ],
            "v{version}"
        );
        assert_eq!(unmapped, []);
    }
}

#[test]
fn hosts_and_racks_too_long_to_be_written_count_as_none() {
    let long = "h".repeat(256);
    for version in 0..=13 {
        let mut draw = Draw::new(3);
        let brokers = vec![broker(&mut draw, version), broker(&mut draw, version)];
        let message = MetadataResponse::default().with_brokers(brokers);
        let [kept, dropped] = [0, 1].map(|index: usize| message.brokers[index].node_id.0);
        let payload = answer(&mut draw, METADATA, version, &message);
        let mut directory = Map::default();
        directory.endpoints.insert(kept, ("h".repeat(255), 1));
        directory.endpoints.insert(dropped, (long.clone(), 1));
        directory.endpoints.insert(1000, ("gateway".into(), 1));
        directory.absent = vec![AbsentBroker { id: BrokerId(1000), rack: Some(long.clone()) }];
        let (patched, unmapped) = whole(&payload, version, &directory);
        let found: MetadataResponse = answer_body(&patched, METADATA, version);
        let listed: Vec<_> = found.brokers.iter().map(|broker| broker.node_id.0).collect();
        assert_eq!((listed, unmapped), (vec![kept, 1000], vec![BrokerId(dropped)]), "v{version}");
        assert_eq!(found.brokers[1].rack, None, "v{version}");
    }
}

#[test]
fn an_answer_without_brokers_stays_without() {
    let directory = Map { absent: vec![AbsentBroker { id: BrokerId(1), rack: None }], ..Map::gateway([1]) };
    for version in 0..=13 {
        let payload = answer(&mut Draw::new(1), METADATA, version, &MetadataResponse::default());
        assert_eq!(whole(&payload, version, &directory).0, payload, "v{version}");
    }
}

#[test]
fn the_topics_are_not_touched_however_many() {
    let mut draw = Draw::new(11);
    let message = MetadataResponse::default()
        .with_brokers((0..3).map(|_| broker(&mut draw, 12)).collect())
        .with_topics((0..10_000).map(|_| topic(&mut draw, 10)).collect());
    let mut payload = answer(&mut draw, METADATA, 12, &message);
    let directory = Map::gateway(message.brokers.iter().map(|broker| broker.node_id.0));
    let (consumed, head, unmapped) = done(&payload, 12, &directory);
    assert!(consumed < 2048 && payload.len() > 3_000_000, "{consumed} of {}", payload.len());
    // Whatever stands behind the head, the outcome is the same.
    payload[consumed..].fill(0xff);
    assert_eq!(done(&payload, 12, &directory), (consumed, head, unmapped));
}
