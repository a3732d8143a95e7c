use kafka_protocol::messages::fetch_response::FetchResponse as Message;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::messages::{answer, fit_answer, fit_response_header, response_header};
use super::{VERSIONS, answer_payload, decode_answer};
use crate::fetch::request::{TopicRef, VERSION_TOPIC_IDS};
use crate::fetch::walk::{PartitionHead, Policy, Walker};
use crate::types::Partition;
use crate::wire::WireError;

/// The number under which the endpoints are hidden.
const HIDDEN: i32 = 127;

/// Hides two errors and the session, and writes down what it was asked.
#[derive(Debug, Default, PartialEq)]
struct Hide {
    sessions: Vec<i32>,
    partitions: Vec<(Vec<u8>, PartitionHead)>,
}

fn hidden(error: i16) -> i16 {
    if error == 1 || error == 6 { 0 } else { error }
}

impl Policy for Hide {
    fn session(&mut self, session_id: i32) -> i32 {
        self.sessions.push(session_id);
        session_id / 2
    }

    fn partition(&mut self, topic: TopicRef<'_>, head: PartitionHead) -> i16 {
        let name = match topic {
            TopicRef::Name(name) => name.as_bytes().to_vec(),
            TopicRef::Id(id) => id.0.to_vec(),
        };
        self.partitions.push((name, head));
        hidden(head.error)
    }
}

/// What a client decodes from the walked answer.
fn expected(mut message: Message, endpoints: usize, version: i16) -> Message {
    if version >= 7 {
        message.session_id /= 2;
    }
    for p in message.responses.iter_mut().flat_map(|t| &mut t.partitions) {
        // Null records are a protocol error to librdkafka unless there is an error code.
        if hidden(p.error_code) != p.error_code {
            p.records.get_or_insert_default();
        }
        p.error_code = hidden(p.error_code);
    }
    if !message.node_endpoints.is_empty() {
        message.node_endpoints.clear();
        message.unknown_tagged_fields.insert(HIDDEN, vec![0; endpoints].into());
    }
    message
}

/// How many bytes the endpoints take inside their tag.
fn endpoints_len(message: &Message, version: i16) -> usize {
    let bare = message.clone().with_node_endpoints(Vec::new());
    let size = |m: &Message| answer_payload(&Default::default(), m, version).len();
    let tagged = size(message) - size(&bare);
    // The tag's number takes one byte, its size one or two.
    if tagged >= 2 + 128 { tagged - 3 } else { tagged.saturating_sub(2) }
}

/// Feeds the payload in these pieces, as a lane does: what isn't settled stands in front of what comes next.
fn walk(payload: &[u8], version: i16, cuts: &[usize]) -> Result<(Vec<u8>, Hide, Walker), WireError> {
    let (mut walker, mut policy, mut out, mut carry) =
        (Walker::new(version), Hide::default(), vec![], vec![]);
    let mut edges = cuts.to_vec();
    edges.extend([0, payload.len()]);
    edges.sort_unstable();
    for piece in edges.windows(2) {
        let mut buffer = [&carry[..], &payload[piece[0]..piece[1]]].concat();
        assert!(!walker.is_done() || buffer.is_empty(), "done before the end");
        let n = walker.feed(&mut buffer, &mut policy)?;
        assert!(n <= buffer.len());
        out.extend_from_slice(&buffer[..n]);
        carry = buffer.split_off(n);
        let before = carry.clone();
        assert_eq!(walker.feed(&mut carry, &mut policy), Ok(0), "a cut field is not settled by asking again");
        assert_eq!(carry, before, "what isn't settled isn't touched");
    }
    out.extend_from_slice(&carry);
    Ok((out, policy, walker))
}

fn indices(cuts: &[Index], len: usize) -> Vec<usize> {
    cuts.iter().map(|i| i.index(len + 1)).collect()
}

proptest! {
    #[test]
    fn whatever_the_split_a_client_sees_the_same_answer_with_only_the_policys_changes(
        message in answer(), header in response_header(), version in VERSIONS, cuts in vec(any::<Index>(), 0..24),
    ) {
        let (message, header) = (fit_answer(message, version), fit_response_header(header, version));
        let payload = answer_payload(&header, &message, version);
        let (out, policy, walker) = walk(&payload, version, &indices(&cuts, payload.len())).expect("a valid answer");
        prop_assert!(walker.is_done());
        prop_assert_eq!(out.len(), payload.len());
        let endpoints = endpoints_len(&message, version);
        prop_assert_eq!(decode_answer::<Message>(&out, version), (header, expected(message.clone(), endpoints, version)));
        // Each partition was judged once, in its place.
        let topics = message.responses.iter().flat_map(|t| t.partitions.iter().map(move |p| (t, p)));
        let judged: Vec<_> = topics.map(|(t, p)| {
            let by_id = version >= VERSION_TOPIC_IDS;
            let name = if by_id { t.topic_id.as_bytes().to_vec() } else { t.topic.as_bytes().to_vec() };
            let (partition, error, high_watermark) = (Partition(p.partition_index), p.error_code, p.high_watermark);
            (name, PartitionHead { partition, error, high_watermark })
        }).collect();
        prop_assert_eq!(policy.partitions, judged);
        let sessions = if version >= 7 { vec![message.session_id] } else { vec![] };
        prop_assert_eq!(policy.sessions, sessions);
    }

    #[test]
    fn byte_by_byte_is_no_different(message in answer(), version in VERSIONS) {
        let payload = answer_payload(&Default::default(), &fit_answer(message, version), version);
        let every: Vec<_> = (0..payload.len()).collect();
        let (whole, _, _) = walk(&payload, version, &[]).expect("a valid answer");
        let (bytewise, _, walker) = walk(&payload, version, &every).expect("a valid answer");
        prop_assert_eq!(whole, bytewise);
        prop_assert!(walker.is_done());
    }

    #[test]
    fn an_answer_is_done_exactly_at_its_end(message in answer(), version in VERSIONS, cut in any::<Index>()) {
        let mut payload = answer_payload(&Default::default(), &fit_answer(message, version), version);
        let cut = cut.index(payload.len());
        let (_, _, walker) = walk(&payload[..cut], version, &[]).expect("a cut answer is not malformed");
        prop_assert!(!walker.is_done(), "done at {} of {}", cut, payload.len());
        payload.push(0);
        let trailing = matches!(walk(&payload, version, &[]), Err(WireError::Trailing { left: 1, .. }));
        prop_assert!(trailing, "a byte behind the end passed");
    }

    #[test]
    fn mutated_answers_never_panic_and_keep_their_length(
        message in answer(), version in VERSIONS, cuts in vec(any::<Index>(), 0..8),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload = answer_payload(&Default::default(), &fit_answer(message, version), version);
        for (at, value) in &changes {
            let at = at.index(payload.len());
            payload[at] = *value;
        }
        whole_and_split_agree(&payload, version, &indices(&cuts, payload.len()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..300), version in VERSIONS, cuts in vec(any::<Index>(), 0..8),
    ) {
        whole_and_split_agree(&bytes, version, &indices(&cuts, bytes.len()));
    }
}

fn whole_and_split_agree(payload: &[u8], version: i16, cuts: &[usize]) {
    let whole = walk_anything(payload, version, &[]);
    let split = walk_anything(payload, version, cuts);
    assert_eq!(whole, split);
    if let Some((out, _)) = whole {
        assert_eq!(out.len(), payload.len());
    }
}

/// As [`walk`], but bytes behind a complete answer are an error like any other.
fn walk_anything(payload: &[u8], version: i16, cuts: &[usize]) -> Option<(Vec<u8>, Hide)> {
    let (mut walker, mut policy, mut out, mut carry) =
        (Walker::new(version), Hide::default(), vec![], vec![]);
    let mut edges = cuts.to_vec();
    edges.extend([0, payload.len()]);
    edges.sort_unstable();
    for piece in edges.windows(2) {
        let mut buffer = [&carry[..], &payload[piece[0]..piece[1]]].concat();
        let n = walker.feed(&mut buffer, &mut policy).ok()?;
        out.extend_from_slice(&buffer[..n]);
        carry = buffer.split_off(n);
    }
    out.extend_from_slice(&carry);
    Some((out, policy))
}

/// Nothing in Kafka writes 0 in two bytes; whoever does must not get addresses past us by it.
#[test]
fn endpoints_under_a_tag_number_of_needless_length_are_hidden_too() {
    let front = answer_payload(&Default::default(), &Message::default(), 16);
    let front = &front[..front.len() - 1];
    let payload = [front, &[1, 0x80, 0x00, 4], b"host"].concat();
    let (out, _, walker) = walk(&payload, 16, &[]).expect("a readable answer");
    assert!(walker.is_done());
    let (_, told): (_, Message) = decode_answer(&out, 16);
    assert_eq!(told.unknown_tagged_fields.get(&HIDDEN).map(|b| &b[..]), Some(&[0; 4][..]));
}
