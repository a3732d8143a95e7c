use super::{Draw, SEEDS, request, request_body};
use crate::api::{CONSUMER_GROUP_HEARTBEAT, JOIN_GROUP};
use crate::patch::rack::{set_heartbeat_rack, set_join_group_rack};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_subscription::TopicPartition;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerProtocolSubscription, JoinGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

/// No rack, an empty one (librdkafka's "none"), or a real one.
fn rack(draw: &mut Draw) -> Option<StrBytes> {
    [None, Some("".into()), Some("mine".into())][draw.below(3)].clone()
}

fn subscription(draw: &mut Draw) -> Bytes {
    let version = draw.below(4) as i16;
    let owned = |draw: &mut Draw| {
        TopicPartition::default().with_topic(draw.text().into()).with_partitions(draw.several(Draw::i32))
    };
    let mut message = ConsumerProtocolSubscription::default()
        .with_topics(draw.several(Draw::text))
        .with_user_data(draw.maybe(|draw| draw.bytes(90)));
    if version >= 1 {
        message.owned_partitions = draw.several(owned);
    }
    if version >= 3 {
        message.generation_id = draw.i32();
        message.rack_id = rack(draw);
    }
    let mut out = BytesMut::new();
    out.put_i16(version);
    message.encode(&mut out, version).unwrap();
    out.freeze()
}

fn join(draw: &mut Draw, version: i16, protocol_type: &'static str) -> JoinGroupRequest {
    let protocol = |draw: &mut Draw| {
        let mut protocol = JoinGroupRequestProtocol::default().with_name(draw.text());
        // A client's own assignor may write whatever it likes.
        protocol.metadata = if draw.below(5) == 0 { draw.bytes(30) } else { subscription(draw) };
        if version >= 6 {
            protocol.unknown_tagged_fields = draw.tags();
        }
        protocol
    };
    let mut message = JoinGroupRequest::default()
        .with_group_id(draw.text().into())
        .with_session_timeout_ms(draw.i32())
        .with_member_id(draw.text())
        .with_protocol_type(protocol_type.into())
        .with_protocols(draw.several(protocol));
    if version >= 1 {
        message.rebalance_timeout_ms = draw.i32();
    }
    if version >= 5 {
        message.group_instance_id = draw.maybe(Draw::text);
    }
    if version >= 8 {
        message.reason = draw.maybe(Draw::text);
    }
    if version >= 6 {
        message.unknown_tagged_fields = draw.tags();
    }
    message
}

pub(super) fn join_payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = join(draw, version, "consumer");
    request(draw, JOIN_GROUP, version, &message)
}

/// The subscription as it should become, by way of the codec.
fn with_zone(metadata: &Bytes) -> Option<Bytes> {
    let mut bytes = metadata.clone();
    let version = bytes.try_get_i16().ok()?;
    if version != 3 {
        return None;
    }
    let message = ConsumerProtocolSubscription::decode(&mut bytes, version).ok()?;
    if message.rack_id.as_ref().is_some_and(|rack| !rack.is_empty()) {
        return None;
    }
    let mut out = BytesMut::new();
    out.put_i16(version);
    message.with_rack_id(Some("az1".into())).encode(&mut out, version).unwrap();
    Some(out.freeze())
}

#[test]
fn members_without_a_rack_join_with_their_zone() {
    let mut changes = 0;
    for (version, seed) in (0..=9).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = join_payload(&mut Draw::new(seed), version);
        let mut expected: JoinGroupRequest = request_body(&payload, JOIN_GROUP, version);
        let mut changed = false;
        for protocol in &mut expected.protocols {
            if let Some(metadata) = with_zone(&protocol.metadata) {
                protocol.metadata = metadata;
                changed = true;
            }
        }
        let patched = set_join_group_rack(&payload, version, "az1");
        assert_eq!(patched.is_some(), changed, "v{version} seed {seed}");
        let Some(patched) = patched else { continue };
        changes += 1;
        let found: JoinGroupRequest = request_body(&patched, JOIN_GROUP, version);
        assert_eq!(found, expected, "v{version} seed {seed}");
        assert_eq!(set_join_group_rack(&patched, version, "az1"), None, "once is enough");
    }
    assert!(changes > 30, "{changes}");
}

#[test]
fn only_consumers_are_given_a_rack() {
    for (version, seed) in (0..=9).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let mut draw = Draw::new(seed);
        let message = join(&mut draw, version, "connect");
        let payload = request(&mut draw, JOIN_GROUP, version, &message);
        assert_eq!(set_join_group_rack(&payload, version, "az1"), None);
    }
}

#[test]
fn a_newer_subscription_keeps_what_we_do_not_know() {
    let body = ConsumerProtocolSubscription::default();
    let subscription = |rack: Option<StrBytes>| {
        let mut out = BytesMut::new();
        out.put_i16(4);
        body.clone().with_rack_id(rack).encode(&mut out, 3).unwrap();
        out.put_slice(b"new fields");
        out.freeze()
    };
    let payload = |rack| {
        let protocol = JoinGroupRequestProtocol::default().with_metadata(subscription(rack));
        let message = JoinGroupRequest::default().with_protocol_type("consumer".into());
        request(&mut Draw::new(1), JOIN_GROUP, 9, &message.with_protocols(vec![protocol]))
    };
    assert_eq!(set_join_group_rack(&payload(None), 9, "az1"), Some(payload(Some("az1".into()))));
}

fn heartbeat(draw: &mut Draw, version: i16) -> ConsumerGroupHeartbeatRequest {
    let mut message = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(draw.text().into())
        .with_member_id(draw.text())
        .with_member_epoch([0, -1, -2, 5][draw.below(4)])
        .with_instance_id(draw.maybe(Draw::text))
        .with_rack_id(rack(draw))
        .with_subscribed_topic_names(draw.maybe(|draw| draw.several(|draw| draw.text().into())))
        .with_unknown_tagged_fields(draw.tags());
    if version >= 1 {
        message.subscribed_topic_regex = draw.maybe(Draw::text);
    }
    message
}

pub(super) fn heartbeat_payload(draw: &mut Draw, version: i16) -> Vec<u8> {
    let message = heartbeat(draw, version);
    request(draw, CONSUMER_GROUP_HEARTBEAT, version, &message)
}

#[test]
fn members_of_new_groups_without_a_rack_join_with_their_zone() {
    let mut changes = 0;
    for (version, seed) in (0..=1).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = heartbeat_payload(&mut Draw::new(seed), version);
        let mut expected: ConsumerGroupHeartbeatRequest =
            request_body(&payload, CONSUMER_GROUP_HEARTBEAT, version);
        let missing = expected.rack_id.as_ref().is_none_or(|rack| rack.is_empty());
        let patched = set_heartbeat_rack(&payload, version, "az1");
        assert_eq!(patched.is_some(), missing && expected.member_epoch == 0, "v{version} seed {seed}");
        let Some(patched) = patched else { continue };
        changes += 1;
        expected.rack_id = Some("az1".into());
        let found: ConsumerGroupHeartbeatRequest = request_body(&patched, CONSUMER_GROUP_HEARTBEAT, version);
        assert_eq!(found, expected, "v{version} seed {seed}");
    }
    assert!(changes > 5, "{changes}");
}

#[test]
fn versions_we_cannot_read_and_zones_we_cannot_write_change_nothing() {
    let join = |seed| join_payload(&mut Draw::new(seed), 9);
    let beat = |seed| heartbeat_payload(&mut Draw::new(seed), 1);
    let long = "z".repeat(256);
    for seed in 0..SEEDS {
        assert_eq!(set_join_group_rack(&join(seed), 10, "az1"), None);
        assert_eq!(set_heartbeat_rack(&beat(seed), 2, "az1"), None);
        for zone in ["", &long] {
            assert_eq!(set_join_group_rack(&join(seed), 9, zone), None);
            assert_eq!(set_heartbeat_rack(&beat(seed), 1, zone), None);
        }
    }
}
