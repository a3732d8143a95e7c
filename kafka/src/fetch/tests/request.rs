use kafka_protocol::messages::fetch_request::{FetchPartition as CodecPartition, FetchRequest as Message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::messages::{fit_request, fit_request_header, request, request_header};
use super::{VERSIONS, decode_request, request_payload, unframed};
use crate::fetch::request::{
    Ask, FetchPartition, FetchRequest, Session, TopicRef, VERSION_FOLLOWERS, VERSION_TOPIC_IDS,
    clear_session, encode,
};

/// The message's partitions in order, each with how its topic is named.
fn listed(message: &Message, version: i16) -> Vec<(Vec<u8>, &CodecPartition)> {
    let topics = message.topics.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
    let name = |t: &kafka_protocol::messages::fetch_request::FetchTopic| match version >= VERSION_TOPIC_IDS {
        true => t.topic_id.as_bytes().to_vec(),
        false => t.topic.as_bytes().to_vec(),
    };
    topics.map(|(t, p)| (name(t), p)).collect()
}

fn name_of(topic: TopicRef<'_>) -> Vec<u8> {
    match topic {
        TopicRef::Name(name) => name.as_bytes().to_vec(),
        TopicRef::Id(id) => id.0.to_vec(),
    }
}

fn assert_same_partition(here: &FetchPartition<'_>, (topic, there): &(Vec<u8>, &CodecPartition)) {
    assert_eq!(name_of(here.topic), *topic);
    assert_eq!(here.partition.0, there.partition);
    assert_eq!(here.current_leader_epoch.0, there.current_leader_epoch);
    assert_eq!(here.offset.0, there.fetch_offset);
    assert_eq!(here.last_fetched_epoch.0, there.last_fetched_epoch);
    assert_eq!(here.max_bytes, there.partition_max_bytes);
}

fn session_of(epoch: i32) -> Session {
    match epoch {
        0 => Session::Open,
        e if e > 0 => Session::Continue,
        _ => Session::None,
    }
}

/// What a question of the gateway's own asks for: as little as the broker can send, and no session.
fn least(mut message: Message, version: i16) -> Message {
    (message.max_wait_ms, message.min_bytes, message.max_bytes) = (0, 0, 1);
    if version >= 7 {
        (message.session_id, message.session_epoch) = (0, -1);
    }
    message
}

proptest! {
    #[test]
    fn the_view_says_what_the_codec_decodes(
        message in request(), header in request_header(), version in VERSIONS,
    ) {
        let message = fit_request(message, version);
        let payload = request_payload(&fit_request_header(header, version), &message, version);
        let view = FetchRequest::parse(&payload, version).expect("a valid request");
        let replica = if version >= 15 { message.replica_state.replica_id } else { message.replica_id };
        prop_assert_eq!(view.replica_id, replica.0);
        prop_assert_eq!(view.is_consumer(), replica.0 == -1);
        prop_assert_eq!(
            (view.max_wait_ms, view.min_bytes, view.max_bytes, view.isolation_level),
            (message.max_wait_ms, message.min_bytes, message.max_bytes, message.isolation_level)
        );
        let session = if version >= 7 { session_of(message.session_epoch) } else { Session::None };
        prop_assert_eq!(view.session, session);
        prop_assert_eq!(view.rack, message.rack_id.as_str());
        let expected = listed(&message, version);
        prop_assert_eq!(view.partitions.len(), expected.len());
        view.partitions.iter().zip(&expected).for_each(|(a, b)| assert_same_partition(a, b));
    }

    #[test]
    fn a_peek_asks_for_the_same_partitions_without_wait_session_or_more_than_a_byte(
        message in request(), header in request_header(), version in VERSIONS, zone in "[a-z0-9-]{1,128}",
    ) {
        let (message, header) = (fit_request(message, version), fit_request_header(header, version));
        let payload = request_payload(&header, &message, version);
        let view = FetchRequest::parse(&payload, version).expect("a valid request");
        let mut expected = least(message.clone(), version);
        prop_assert_eq!(&decode_request(&view.peek(&payload, None), version), &(header.clone(), expected.clone()));
        if version >= VERSION_FOLLOWERS && message.rack_id.is_empty() {
            expected.rack_id = zone.clone().into();
        }
        prop_assert_eq!(decode_request(&view.peek(&payload, Some(&zone)), version), (header, expected));
    }

    #[test]
    fn a_rights_probe_asks_for_the_same_partitions_beyond_any_log(
        message in request(), header in request_header(), version in VERSIONS,
    ) {
        let (message, header) = (fit_request(message, version), fit_request_header(header, version));
        let payload = request_payload(&header, &message, version);
        let view = FetchRequest::parse(&payload, version).expect("a valid request");
        let mut expected = least(message, version);
        for p in expected.topics.iter_mut().flat_map(|t| &mut t.partitions) {
            // With an epoch the broker would look for a divergence (KIP-595) and answer no error.
            (p.fetch_offset, p.current_leader_epoch, p.last_fetched_epoch) = (1 << 62, -1, -1);
        }
        prop_assert_eq!(decode_request(&view.rights_probe(&payload), version), (header, expected));
    }

    #[test]
    fn clearing_the_session_changes_nothing_else(
        message in request(), header in request_header(), version in VERSIONS,
    ) {
        let (message, header) = (fit_request(message, version), fit_request_header(header, version));
        let payload = request_payload(&header, &message, version);
        let view = FetchRequest::parse(&payload, version).expect("a valid request");
        let mut cleared = payload.clone();
        if let Some(at) = view.session_at() {
            clear_session(&mut cleared, at);
        }
        let mut expected = message;
        if version >= 7 {
            (expected.session_id, expected.session_epoch) = (0, -1);
        }
        prop_assert_eq!(decode_request(&cleared, version), (header, expected));
    }

    #[test]
    fn a_fetch_of_our_own_asks_for_what_the_client_asked_in_any_version_that_names_topics_alike(
        message in request(), header in request_header(), version in VERSIONS, other in VERSIONS,
    ) {
        prop_assume!((version >= VERSION_TOPIC_IDS) == (other >= VERSION_TOPIC_IDS));
        let message = fit_request(message, version);
        let payload = request_payload(&fit_request_header(header, version), &message, version);
        let view = FetchRequest::parse(&payload, version).expect("a valid request");
        let ask = Ask {
            version: other, correlation_id: 77, max_wait_ms: 500, min_bytes: 1, max_bytes: 9000, isolation_level: 1,
        };
        let frame = encode(ask, "tidegate", &view.partitions.iter().collect::<Vec<_>>());
        let (header, sent): (_, Message) = decode_request(unframed(&frame), other);
        prop_assert_eq!(
            (header.correlation_id, header.request_api_version, header.client_id.as_deref()),
            (77, other, Some("tidegate"))
        );
        let consumer = Message::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(500).with_min_bytes(1).with_max_bytes(9000).with_isolation_level(1)
            .with_session_id(0).with_session_epoch(-1)
            .with_topics(sent.topics.clone());
        prop_assert_eq!(&sent, &consumer, "sessionless, rackless, as a consumer");
        let (asked, wanted) = (listed(&sent, other), listed(&message, version));
        prop_assert_eq!(asked.len(), wanted.len());
        for ((topic, sent), (name, wanted)) in asked.into_iter().zip(wanted) {
            prop_assert_eq!(topic, name);
            prop_assert_eq!(
                (sent.partition, sent.fetch_offset, sent.partition_max_bytes),
                (wanted.partition, wanted.fetch_offset, wanted.partition_max_bytes)
            );
            let epoch = if other >= 9 { wanted.current_leader_epoch } else { -1 };
            let last = if other >= 12 { wanted.last_fetched_epoch } else { -1 };
            prop_assert_eq!((sent.current_leader_epoch, sent.last_fetched_epoch), (epoch, last));
            prop_assert_eq!(sent.log_start_offset, -1, "consumers have no log");
        }
    }

    #[test]
    fn a_request_cut_anywhere_or_with_a_byte_too_many_is_refused(
        message in request(), header in request_header(), version in VERSIONS, cut in any::<Index>(),
    ) {
        let mut payload =
            request_payload(&fit_request_header(header, version), &fit_request(message, version), version);
        prop_assert!(FetchRequest::parse(&payload[..cut.index(payload.len())], version).is_err());
        payload.push(0);
        prop_assert!(FetchRequest::parse(&payload, version).is_err());
    }

    #[test]
    fn a_mutated_request_never_panics_and_what_can_be_read_can_be_changed(
        message in request(), header in request_header(), version in VERSIONS,
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload =
            request_payload(&fit_request_header(header, version), &fit_request(message, version), version);
        for (at, value) in &changes {
            let at = at.index(payload.len());
            payload[at] = *value;
        }
        change_all(&payload, version);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), version in VERSIONS) {
        change_all(&bytes, version);
    }
}

/// Does to a request whatever can be done to it, if it can be read.
fn change_all(payload: &[u8], version: i16) {
    let Ok(view) = FetchRequest::parse(payload, version) else { return };
    assert!(view.partitions.len() * 16 <= payload.len(), "more partitions than bytes");
    let changed = [view.rights_probe(payload), view.peek(payload, Some("az1")), view.peek(payload, None)];
    for payload in changed {
        let again = FetchRequest::parse(&payload, version).expect("what was changed can be read");
        assert_eq!(again.partitions.len(), view.partitions.len());
        assert_eq!(again.session, Session::None);
    }
}
