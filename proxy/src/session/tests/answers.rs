use kafka::api::{FETCH, METADATA, SHARE_FETCH};
use kafka::fetch::answer::{Answer, PartitionAnswer, tags_at};
use kafka::fetch::request::TopicRef;
use kafka::types::{BrokerId, CorrelationId, Partition};
use kafka::wire::{put_nullable_string, put_string, put_uvarint};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Pieces, Slow, answer, core, down, drive, framed, view};
use crate::app::testing::{self, topic_id};
use crate::reason::Reason;
use crate::session::core::{Core, Inbound};
use crate::session::lane::Lane;

/// A Metadata v1 answer whose brokers stand at these addresses, with `rest` for controller and topics.
fn metadata(address: impl Fn(i32) -> (String, i32), rest: &[u8]) -> Vec<u8> {
    let mut body = 3i32.to_be_bytes().to_vec();
    for id in 1..=3 {
        let (host, port) = address(id);
        body.extend_from_slice(&id.to_be_bytes());
        put_string(&mut body, &host, false);
        body.extend_from_slice(&port.to_be_bytes());
        put_nullable_string(&mut body, Some(&format!("az{id}")), false);
    }
    body.extend_from_slice(rest);
    answer(METADATA, 1, 6, &body)
}

fn internal(id: i32) -> (String, i32) {
    (format!("broker-{id}.internal"), 9092)
}

fn at_the_gateway(id: i32) -> (String, i32) {
    ("gw.example".to_owned(), 29_100 + id)
}

fn expecting(mut core: Core, id: i32, key: i16, version: i16) -> Core {
    core.expect(Some(CorrelationId(id)), key, version);
    core
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn metadata_names_the_gateway_and_its_topics_are_untouched_whatever_the_split(
        length in prop_oneof![0usize..500, 300_000usize..700_000], cuts in vec(any::<Index>(), 0..20),
    ) {
        let rest: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let mut core = expecting(core(), 6, METADATA, 1);
        let seen = down(&mut core, &metadata(internal, &rest), &cuts).expect("an answer");
        prop_assert!(seen == metadata(at_the_gateway, &rest));
        prop_assert!(core.due.is_empty());
    }
}

#[test]
fn a_large_metadata_answer_streams_once_its_brokers_are_read() {
    let whole = metadata(internal, &[7; 3 << 20]);
    let mut core = expecting(core(), 6, METADATA, 1);
    let (mut lane, mut client) = (Lane::default(), Slow::default());
    // Not even the number of brokers is there at first: how much more is asked for must not be all of it.
    let mut pieces = Pieces([&whole[..10], &whole[10..20_000]].map(<[u8]>::to_vec).into());
    drive(&mut lane, &mut pieces, &mut client, |b| core.answer(b)).expect("a front");
    assert!(client.sent > 19_000, "only {} of 20,000 bytes went on", client.sent);
    assert!(lane.is_idle(), "bytes are kept back");
}

fn partition(index: i32, error: i16, records: usize, version: i16) -> PartitionAnswer<'static> {
    let topic = if version >= 13 { TopicRef::Id(topic_id("t")) } else { TopicRef::Name("t") };
    PartitionAnswer {
        error,
        records: vec![0xab; records].leak(),
        high_watermark: 1000,
        ..PartitionAnswer::empty(topic, Partition(index))
    }
}

/// A Fetch answer of partition 0, led by broker 1, and partition 1, led by broker 2.
fn fetched(version: i16, errors: [i16; 2], records: usize, session_id: i32) -> Vec<u8> {
    let partitions = (0..2).map(|i| partition(i, errors[i as usize], records, version)).collect();
    Answer { throttle_ms: 0, error: 0, session_id, partitions }.encode(version, 6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_fetch_answer_without_trouble_passes_byte_for_byte_whatever_the_split(
        version in 4i16..=18, records in prop_oneof![0usize..2_000, 20_000usize..400_000],
        cuts in vec(any::<Index>(), 0..20), session in any::<i32>(),
    ) {
        let mut core = expecting(core(), 6, FETCH, version);
        core.steering = Some(Box::default());
        let told = fetched(version, [0, 0], records, if version >= 7 { session } else { 0 });
        prop_assert!(down(&mut core, &told, &cuts).expect("an answer") == told);
        prop_assert!(core.due.is_empty());
    }

    #[test]
    fn a_followers_trouble_is_hidden_and_a_leaders_error_shown_whatever_the_split(
        version in 11i16..=18, error in proptest::sample::select(vec![1i16, 3, 6, 9, 74, 75, 78, 100]),
        records in prop_oneof![Just(0usize), Just(30_000)], cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut core = expecting(core(), 6, FETCH, version);
        core.steering = Some(Box::default());
        // The session's broker, 1, leads partition 0 and follows in partition 1.
        let told = fetched(version, [error, error], records, 0);
        let seen = down(&mut core, &told, &cuts).expect("an answer");
        prop_assert!(seen == fetched(version, [error, 0], records, 0));
        let memory = &core.steering.as_ref().expect("still there").memory;
        let topic = partition(1, 0, 0, version).topic;
        prop_assert!(memory.is_troubled(topic, Partition(1), BrokerId(1), std::time::Instant::now()));
    }
}

#[test]
fn a_refusal_of_rights_is_never_hidden() {
    let mut core = expecting(core(), 6, FETCH, 12);
    core.steering = Some(Box::default());
    let told = fetched(12, [29, 29], 0, 0);
    assert_eq!(down(&mut core, &told, &[]).expect("an answer"), told);
}

/// The answer's frame with one leader endpoint at its end.
fn with_endpoint(frame: &[u8], host: &str, port: i32) -> Vec<u8> {
    let mut node = vec![2];
    node.extend_from_slice(&2i32.to_be_bytes());
    put_string(&mut node, host, true);
    node.extend_from_slice(&port.to_be_bytes());
    node.extend_from_slice(&[0, 0]);
    let payload = &frame[4..frame.len() - 1];
    framed(&[payload, &[1, 0, node.len() as u8], &node].concat())
}

#[test]
fn leader_endpoints_are_rewritten_in_a_short_fetch_answer_and_hidden_in_a_long_one() {
    for version in 16..=18 {
        let bare = fetched(version, [0, 6], 100, 0);
        let mut core = expecting(testing::core(view(), 2, 2), 6, FETCH, version);
        let seen = down(&mut core, &with_endpoint(&bare, "broker-2.internal", 9092), &[]).expect("an answer");
        assert_eq!(seen, with_endpoint(&bare, "gw.example", 29_102), "v{version}");
        let long = with_endpoint(&fetched(version, [0, 6], 20_000, 0), "broker-2.internal", 9092);
        let mut core = expecting(testing::core(view(), 2, 2), 6, FETCH, version);
        let seen = down(&mut core, &long, &[]).expect("an answer");
        let tags = 4 + tags_at(&long[4..], version).expect("an answer");
        assert_eq!(seen[..tags], long[..tags]);
        assert_eq!(seen[tags..tags + 3], [1, 0x7f, long[tags + 2]], "an unknown tag of the same size");
        assert!(seen[tags + 3..].iter().all(|b| *b == 0), "no address is left");
        assert_eq!(seen.len(), long.len());
    }
}

#[test]
fn a_fetch_answer_that_contradicts_its_schema_ends_the_connection() {
    for (version, records) in [(11, 50_000), (12, 50_000), (17, 50_000), (17, 10)] {
        let told = fetched(version, [0, 0], records, 0);
        let shorter = framed(&told[4..told.len() - 1]);
        let longer = framed(&[&told[4..], &[0]].concat());
        for frame in [shorter, longer] {
            let mut core = expecting(core(), 6, FETCH, version);
            let fault = down(&mut core, &frame, &[]).expect_err("refused");
            assert_eq!(fault.reason(), Reason::Answer, "v{version}");
        }
    }
}

/// A ShareFetch v1 answer of one partition with this many bytes of records, and an endpoint at this address.
fn shared(records: usize, host: &str, port: i32) -> Vec<u8> {
    let mut body = vec![0; 4 + 2];
    body.extend_from_slice(&[0, 0, 0, 0x75, 0x30, 2]);
    body.extend_from_slice(&topic_id("t").0);
    body.extend_from_slice(&[2, 0, 0, 0, 0]);
    body.extend_from_slice(&[0; 3 + 3 + 8 + 1]);
    put_uvarint(&mut body, records as u32 + 1);
    body.resize(body.len() + records, 0xab);
    body.extend_from_slice(&[1, 0, 0]);
    body.extend_from_slice(&[2, 0, 0, 0, 2]);
    put_string(&mut body, host, true);
    body.extend_from_slice(&port.to_be_bytes());
    body.extend_from_slice(&[0, 0, 0]);
    answer(SHARE_FETCH, 1, 6, &body)
}

#[test]
fn share_endpoints_are_rewritten_in_a_short_answer_and_hidden_in_a_long_one_that_streams() {
    let mut core = expecting(testing::core(view(), 2, 2), 6, SHARE_FETCH, 1);
    let seen = down(&mut core, &shared(100, "broker-2.internal", 9092), &[]).expect("an answer");
    assert_eq!(seen, shared(100, "gw.example", 29_102));

    let long = shared(3 << 20, "broker-2.internal", 9092);
    let mut core = expecting(testing::core(view(), 2, 2), 6, SHARE_FETCH, 1);
    let (mut lane, mut client) = (Lane::default(), Slow::default());
    let mut pieces = Pieces([&long[..100], &long[100..20_000]].map(<[u8]>::to_vec).into());
    drive(&mut lane, &mut pieces, &mut client, |b| core.answer(b)).expect("a front");
    assert_eq!(client.sent, 20_000, "it streams");
    let mut pieces = Pieces::of(&long[20_000..], &[]);
    drive(&mut lane, &mut pieces, &mut client, |b| core.answer(b)).expect("the rest");
    assert!(core.due.is_empty() && matches!(core.inbound, Inbound::Front));
    // Behind the records stand what was acquired and two sections of tags, then the endpoints.
    let tail = long.len() - (1 + 4 + 1 + "broker-2.internal".len() + 4 + 1 + 1 + 1);
    assert_eq!(client.taken[..tail], long[..tail]);
    let hidden = &client.taken[tail..];
    assert_eq!(hidden[..4], [1, 1, 0x7f, hidden.len() as u8 - 4], "no endpoints, and one unknown tag");
    assert!(hidden[4..].iter().all(|b| *b == 0), "no address is left");
    assert_eq!(client.taken.len(), long.len());
}
