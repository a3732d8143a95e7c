use kafka_protocol::messages::BrokerId as CodecBroker;
use kafka_protocol::messages::fetch_response::{
    FetchResponse as Message, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData, SnapshotId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::messages::{answer, fit_answer, fit_response_header, response_header};
use super::{VERSIONS, answer_payload, decode_answer, unframed};
use crate::fetch::answer::{Answer, PartitionAnswer, tags_at};
use crate::fetch::request::{TopicRef, VERSION_FOLLOWERS, VERSION_TOPIC_IDS};
use crate::types::{BrokerId, Partition, TopicId};

fn topic_ref(topic: &FetchableTopicResponse, version: i16) -> TopicRef<'_> {
    match version >= VERSION_TOPIC_IDS {
        true => TopicRef::Id(TopicId(*topic.topic_id.as_bytes())),
        false => TopicRef::Name(topic.topic.as_str()),
    }
}

fn listed(message: &Message, version: i16) -> Vec<(TopicRef<'_>, &PartitionData)> {
    let topics = message.responses.iter();
    topics.flat_map(|t| t.partitions.iter().map(move |p| (topic_ref(t, version), p))).collect()
}

fn assert_same_partition(here: &PartitionAnswer<'_>, (topic, there): &(TopicRef<'_>, &PartitionData)) {
    assert_eq!((here.topic, here.partition.0, here.error), (*topic, there.partition_index, there.error_code));
    assert_eq!(
        (here.high_watermark, here.last_stable_offset, here.log_start_offset),
        (there.high_watermark, there.last_stable_offset, there.log_start_offset)
    );
    let aborted = there.aborted_transactions.as_ref();
    let aborted =
        aborted.map(|list| list.iter().map(|a| (a.producer_id.0, a.first_offset)).collect::<Vec<_>>());
    assert_eq!(here.aborted, aborted);
    assert_eq!(here.preferred_read_replica.0, there.preferred_read_replica.0);
    assert_eq!(here.records, there.records.as_deref().unwrap_or_default());
}

/// What is left of an answer that was read in `from` and written in `to`: leader hints, snapshots and unknown tags
/// go, records are never null, topics without partitions vanish, and `to` has no place for some of the rest.
fn survives(mut message: Message, to: i16) -> Message {
    message.responses.retain(|t| !t.partitions.is_empty());
    message.node_endpoints.clear();
    message.unknown_tagged_fields.clear();
    for topic in &mut message.responses {
        topic.unknown_tagged_fields.clear();
        for p in &mut topic.partitions {
            (p.current_leader, p.snapshot_id) = (LeaderIdAndEpoch::default(), SnapshotId::default());
            p.unknown_tagged_fields.clear();
            p.records.get_or_insert_default();
            p.aborted_transactions.iter_mut().flatten().for_each(|a| a.unknown_tagged_fields.clear());
        }
    }
    merge_neighbours(&mut message);
    fit_answer(message, to)
}

/// Neighbours of one name are written as one topic.
fn merge_neighbours(message: &mut Message) {
    message.responses.dedup_by(|b, a| {
        let same = (&a.topic, a.topic_id) == (&b.topic, b.topic_id);
        if same {
            a.partitions.append(&mut b.partitions);
        }
        same
    });
}

proptest! {
    #[test]
    fn the_view_says_what_the_codec_decodes(
        message in answer(), header in response_header(), version in VERSIONS,
    ) {
        let message = fit_answer(message, version);
        let payload = answer_payload(&fit_response_header(header, version), &message, version);
        let view = Answer::parse(&payload, version).expect("a valid answer");
        prop_assert_eq!(
            (view.throttle_ms, view.error, view.session_id),
            (message.throttle_time_ms, message.error_code, message.session_id)
        );
        let expected = listed(&message, version);
        prop_assert_eq!(view.partitions.len(), expected.len());
        view.partitions.iter().zip(&expected).for_each(|(a, b)| assert_same_partition(a, b));
    }

    #[test]
    fn an_answer_on_behalf_says_the_same_in_any_version_that_names_topics_alike(
        message in answer(), header in response_header(), from in VERSIONS, to in VERSIONS,
    ) {
        prop_assume!((from >= VERSION_TOPIC_IDS) == (to >= VERSION_TOPIC_IDS));
        let message = fit_answer(message, from);
        let payload = answer_payload(&fit_response_header(header, from), &message, from);
        let frame = Answer::parse(&payload, from).expect("a valid answer").encode(to, 4711);
        let (header, told): (_, Message) = decode_answer(unframed(&frame), to);
        prop_assert_eq!(header.correlation_id, 4711);
        // What an older answer lacks reads as the schema's default; log start is -1 by ours, which says the same.
        let mut expected = survives(message, to);
        for p in expected.responses.iter_mut().flat_map(|t| &mut t.partitions) {
            if from < 5 {
                p.log_start_offset = -1;
            }
            if from < VERSION_FOLLOWERS {
                p.preferred_read_replica = CodecBroker(-1);
            }
        }
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn the_answers_tags_start_where_the_topics_end(
        message in answer(), header in response_header(), version in 12i16..=18,
    ) {
        let mut message = fit_answer(message, version);
        let payload = answer_payload(&fit_response_header(header, version), &message, version);
        let at = tags_at(&payload, version).expect("a valid answer");
        message.node_endpoints.clear();
        message.unknown_tagged_fields.clear();
        let untagged = [&payload[..at], &[0]].concat();
        prop_assert_eq!(decode_answer::<Message>(&untagged, version).1, message);
    }

    #[test]
    fn an_answer_cut_anywhere_or_with_a_byte_too_many_is_refused(
        message in answer(), header in response_header(), version in VERSIONS, cut in any::<Index>(),
    ) {
        let header = fit_response_header(header, version);
        let mut payload = answer_payload(&header, &fit_answer(message, version), version);
        prop_assert!(Answer::parse(&payload[..cut.index(payload.len())], version).is_err());
        payload.push(0);
        prop_assert!(Answer::parse(&payload, version).is_err());
    }

    #[test]
    fn a_mutated_answer_never_panics_and_what_can_be_read_can_be_written(
        message in answer(), header in response_header(), version in VERSIONS,
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let header = fit_response_header(header, version);
        let mut payload = answer_payload(&header, &fit_answer(message, version), version);
        for (at, value) in &changes {
            let at = at.index(payload.len());
            payload[at] = *value;
        }
        read_and_write(&payload, version);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), version in VERSIONS) {
        read_and_write(&bytes, version);
    }
}

fn read_and_write(payload: &[u8], version: i16) {
    if version >= 12 {
        let _ = tags_at(payload, version);
    }
    let Ok(view) = Answer::parse(payload, version) else { return };
    assert!(view.partitions.len() * 24 <= payload.len(), "more partitions than bytes");
    let frame = view.encode(version, 1);
    assert_eq!(Answer::parse(unframed(&frame), version), Ok(view));
}

#[test]
fn a_hint_points_elsewhere_without_records_or_error_and_keeps_the_watermark() {
    let said = PartitionAnswer {
        high_watermark: 90,
        last_stable_offset: 80,
        log_start_offset: 5,
        aborted: Some(vec![(1, 2)]),
        records: b"a batch",
        ..PartitionAnswer::empty(TopicRef::Name("t"), Partition(3))
    };
    let hint = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: vec![said.hint(BrokerId(2))] };
    for version in VERSIONS.filter(|v| (VERSION_FOLLOWERS..VERSION_TOPIC_IDS).contains(v)) {
        let frame = hint.encode(version, 1);
        let (_, told): (_, Message) = decode_answer(unframed(&frame), version);
        let p = &told.responses[0].partitions[0];
        assert_eq!((p.partition_index, p.error_code, p.high_watermark), (3, 0, 90));
        assert_eq!((p.last_stable_offset, p.log_start_offset), (80, -1));
        assert_eq!(p.preferred_read_replica, CodecBroker(2));
        // librdkafka takes null for a protocol error.
        assert_eq!(p.records.as_deref(), Some(&[][..]), "zero-length, never null");
    }
}
