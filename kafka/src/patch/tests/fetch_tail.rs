use super::{Draw, Map, SEEDS};
use crate::api::FETCH;
use crate::patch::endpoints::patch_tags;
use crate::types::BrokerId;
use crate::wire::Reader;
use bytes::Bytes;
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::NodeEndpoint;
use kafka_protocol::protocol::{Decodable, Encodable};

fn message(draw: &mut Draw) -> FetchResponse {
    let endpoint = |draw: &mut Draw| {
        NodeEndpoint::default()
            .with_node_id(draw.id().into())
            .with_host(draw.text())
            .with_port(draw.port())
            .with_rack(draw.maybe(Draw::text))
            .with_unknown_tagged_fields(draw.tags())
    };
    FetchResponse::default()
        .with_node_endpoints(draw.several(endpoint))
        .with_unknown_tagged_fields(draw.tags())
}

/// What a Fetch answer has before its tags when it has no topics.
const FRONT: usize = 4 + 2 + 4 + 1;

/// The tags at the end of a Fetch answer.
pub(super) fn section(draw: &mut Draw) -> Vec<u8> {
    let mut body = Vec::new();
    message(draw).encode(&mut body, 16).unwrap();
    body.split_off(FRONT)
}

#[test]
fn endpoints_at_the_end_of_a_fetch_answer_move_and_other_tags_stay() {
    for (version, seed) in (16..=18).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let mut expected = message(&mut Draw::new(seed));
        let mut body = Vec::new();
        expected.encode(&mut body, version).unwrap();
        let ids: Vec<_> = expected.node_endpoints.iter().map(|node| node.node_id.0).collect();
        let directory = Map::gateway(ids.clone());
        let (front, section) = body.split_at(FRONT);
        let Some(patched) = patch_tags(section, &directory).unwrap() else {
            assert!(ids.is_empty(), "seed {seed}");
            continue;
        };
        expected.node_endpoints.retain_mut(|node| {
            let Some((host, port)) = directory.host(node.node_id.0) else { return false };
            (node.host, node.port) = (host, port);
            true
        });
        let mut bytes = Bytes::from([front, &patched.payload].concat());
        assert_eq!(FetchResponse::decode(&mut bytes, version).unwrap(), expected, "seed {seed}");
        assert!(bytes.is_empty());
        let left_out: Vec<_> = ids.into_iter().filter(|id| id % 3 == 0).map(BrokerId).collect();
        assert_eq!(patched.unmapped, left_out);
    }
    assert_eq!(crate::api::lookup(FETCH).and_then(|api| api.understood), Some(18));
}

#[test]
fn a_directory_of_the_brokers_own_addresses_changes_no_byte() {
    for seed in 0..SEEDS {
        let message = message(&mut Draw::new(seed));
        let section = section(&mut Draw::new(seed));
        let nodes = message.node_endpoints.iter().map(|n| (n.node_id.0, &n.host, n.port));
        if let Some(patched) = patch_tags(&section, &Map::identity(nodes)).unwrap() {
            assert_eq!(patched.payload, section, "seed {seed}");
        }
    }
}

#[test]
fn endpoints_that_do_not_fill_their_tag_are_refused() {
    // One tag, number 0, 3 bytes: an empty array and two bytes that belong to nothing.
    assert!(patch_tags(&[1, 0, 3, 1, 0, 0], &Map::default()).is_err());
    // The same under a number that is not ours.
    assert_eq!(patch_tags(&[1, 7, 3, 1, 0, 0], &Map::default()), Ok(None));
    let mut whole = Reader::new(&[1, 7, 3, 1, 0, 0]);
    assert_eq!((whole.skip_tags(true), whole.remaining()), (Ok(()), 0));
}
