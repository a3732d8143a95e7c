use super::share::fetch_payload;
use super::{Draw, SEEDS, answer_body};
use crate::api::SHARE_FETCH;
use crate::patch::share_walk::Walker;
use crate::wire::{Reader, WireError, put_uvarint};
use kafka_protocol::messages::ShareFetchResponse;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Feeds the payload in these pieces, as a lane does: what isn't settled stands in front of what comes next.
fn walk(payload: &[u8], version: i16, cuts: &[usize]) -> Result<(Vec<u8>, bool), WireError> {
    let (mut walker, mut out, mut carry) = (Walker::new(version, payload.len()), vec![], vec![]);
    let mut edges = cuts.to_vec();
    edges.extend([0, payload.len()]);
    edges.sort_unstable();
    for piece in edges.windows(2) {
        let mut buffer = [&carry[..], &payload[piece[0]..piece[1]]].concat();
        let n = walker.feed(&mut buffer)?;
        out.extend_from_slice(&buffer[..n]);
        carry = buffer.split_off(n);
        let before = carry.clone();
        assert_eq!(walker.feed(&mut carry), Ok(0), "a cut field is not settled by asking again");
        assert_eq!(carry, before, "what isn't settled isn't touched");
    }
    out.extend_from_slice(&carry);
    Ok((out, walker.is_done()))
}

fn indices(cuts: &[Index], len: usize) -> Vec<usize> {
    cuts.iter().map(|i| i.index(len + 1)).collect()
}

/// A v0 answer as v1 has it, for the codec: with a lock timeout of 0.
fn as_v1(payload: &[u8], version: i16) -> Vec<u8> {
    let mut r = Reader::new(payload);
    r.skip(4).and_then(|()| r.skip_tags(true)).and_then(|()| r.skip(6)).expect("a header");
    r.string_bytes(true).expect("a message");
    let (front, back) = payload.split_at(r.position());
    if version == 0 { [front, &[0; 4], back].concat() } else { payload.to_vec() }
}

/// What a client makes of the walked answer, but for the tag that hides.
fn expected(payload: &[u8], version: i16) -> ShareFetchResponse {
    let mut message: ShareFetchResponse = answer_body(&as_v1(payload, version), SHARE_FETCH, 1);
    for p in message.responses.iter_mut().flat_map(|t| &mut t.partitions) {
        if p.error_code != 0 || p.acknowledge_error_code != 0 {
            (p.current_leader.leader_id, p.current_leader.leader_epoch) = (-1, -1);
        }
    }
    if !message.node_endpoints.is_empty() {
        message.node_endpoints.clear();
        message.unknown_tagged_fields.clear();
    }
    message
}

proptest! {
    #[test]
    fn whatever_the_split_a_client_sees_the_same_answer_without_endpoints(
        seed in any::<u64>(), version in 0i16..=2, cuts in vec(any::<Index>(), 0..24),
    ) {
        let payload = fetch_payload(&mut Draw::new(seed), version);
        let (out, done) = walk(&payload, version, &indices(&cuts, payload.len())).expect("a valid answer");
        prop_assert!(done);
        prop_assert_eq!(out.len(), payload.len());
        let mut seen: ShareFetchResponse = answer_body(&as_v1(&out, version), SHARE_FETCH, 1);
        let before: ShareFetchResponse = answer_body(&as_v1(&payload, version), SHARE_FETCH, 1);
        if !before.node_endpoints.is_empty() {
            prop_assert_eq!(seen.unknown_tagged_fields.len(), 1);
            prop_assert!(seen.unknown_tagged_fields.values().all(|b| b.iter().all(|b| *b == 0)), "no address is left");
            seen.unknown_tagged_fields.clear();
        }
        prop_assert_eq!(seen, expected(&payload, version));
    }

    #[test]
    fn mutated_answers_never_panic_and_keep_their_length_whatever_the_split(
        seed in any::<u64>(), version in 0i16..=2, cuts in vec(any::<Index>(), 0..8),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload = fetch_payload(&mut Draw::new(seed), version);
        for (at, value) in &changes {
            let at = at.index(payload.len());
            payload[at] = *value;
        }
        whole_and_split_agree(&payload, version, &indices(&cuts, payload.len()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..300), version in 0i16..=2, cuts in vec(any::<Index>(), 0..8),
    ) {
        whole_and_split_agree(&bytes, version, &indices(&cuts, bytes.len()));
    }
}

fn whole_and_split_agree(payload: &[u8], version: i16, cuts: &[usize]) {
    let whole = walk(payload, version, &[]).ok();
    assert_eq!(whole, walk(payload, version, cuts).ok());
    assert!(whole.is_none_or(|(out, _)| out.len() == payload.len()));
}

#[test]
fn byte_by_byte_is_no_different_and_a_cut_answer_is_not_done() {
    for (version, seed) in (0..=2).flat_map(|version| (0..SEEDS).map(move |seed| (version, seed))) {
        let payload = fetch_payload(&mut Draw::new(seed), version);
        let every: Vec<_> = (0..payload.len()).collect();
        let whole = walk(&payload, version, &[]);
        assert_eq!(whole, walk(&payload, version, &every), "v{version} seed {seed}");
        let mut walker = Walker::new(version, payload.len());
        let mut cut = payload[..payload.len() - 1].to_vec();
        walker.feed(&mut cut).expect("a cut answer is not malformed");
        assert!(!walker.is_done(), "v{version} seed {seed}");
        let mut longer = [&payload[..], &[0]].concat();
        let fed = Walker::new(version, payload.len()).feed(&mut longer);
        assert!(matches!(fed, Err(WireError::Trailing { left: 1, .. })), "v{version} seed {seed}: {fed:?}");
    }
}

/// An answer without topics whose endpoints are one node with a host of `host` bytes.
fn with_host(host: usize) -> Vec<u8> {
    let mut payload = vec![0, 0, 0, 9, 0];
    payload.extend([0; 4 + 2]);
    payload.extend([0, 0, 0, 0x75, 0x30, 1]);
    payload.extend([2, 0, 0, 0, 1]);
    put_uvarint(&mut payload, host as u32 + 1);
    payload.extend(vec![b'h'; host]);
    payload.extend([0, 0, 0x23, 0x84, 0, 0, 0]);
    payload
}

/// Where the hidden field's own size grows by a byte, one length can't be had with a tag number of one byte.
#[test]
fn endpoints_of_every_length_are_hidden_at_that_length() {
    for host in (0..400).chain(16_200..16_500) {
        let payload = with_host(host);
        let (out, done) = walk(&payload, 1, &[]).expect("a valid answer");
        assert!(done && out.len() == payload.len(), "host of {host}");
        let seen: ShareFetchResponse = answer_body(&out, SHARE_FETCH, 1);
        assert!(seen.node_endpoints.is_empty() && seen.unknown_tagged_fields.len() == 1, "host of {host}");
        let zero = |hidden: &bytes::Bytes| hidden.iter().all(|b| *b == 0);
        assert!(seen.unknown_tagged_fields.values().all(zero), "host of {host}: no address is left");
    }
}

#[test]
fn endpoints_that_cannot_be_are_refused() {
    let mut payload = with_host(0);
    let count = payload.len() - 13;
    payload.truncate(count + 5);
    assert!(walk(&payload, 1, &[]).is_err());
}
