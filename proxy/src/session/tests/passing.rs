use kafka::api::{API_VERSIONS, PRODUCE};
use kafka::fetch::answer::Answer;
use kafka::header::LENGTH_PREFIX;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{OFFSET_COMMIT, Pieces, Slow, answer, core, down, drive, produce, request, up, view};
use crate::app::testing;
use crate::reason::Reason;
use crate::session::lane::Lane;

const HEARTBEAT: i16 = 12;
/// An API that no table knows yet.
const UNHEARD_OF: i16 = 1234;

/// A request that goes on as it is, and its answer that does too.
fn passing(kind: usize, id: i32, body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (key, version) = [(OFFSET_COMMIT, 8), (HEARTBEAT, 4), (UNHEARD_OF, 3), (PRODUCE, 3)][kind % 4];
    let asked = if key == PRODUCE { produce(-1, body) } else { body.to_vec() };
    (request(key, version, id, &asked), answer(key, version, id, body))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![8 => 0usize..3_000, 1 => 250_000usize..600_000];
    (length, any::<u8>()).prop_map(|(n, b)| vec![b; n])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_passes_is_byte_for_byte_the_same_both_ways_whatever_the_split(
        messages in vec((0usize..4, body()), 1..9),
        cuts in vec(any::<Index>(), 0..20), answer_cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut core = core();
        let frames: Vec<_> =
            messages.iter().enumerate().map(|(id, (kind, body))| passing(*kind, id as i32, body)).collect();
        let asked: Vec<u8> = frames.iter().flat_map(|(request, _)| request.clone()).collect();
        let told: Vec<u8> = frames.iter().flat_map(|(_, answer)| answer.clone()).collect();
        prop_assert!(up(&mut core, &asked, &cuts).expect("requests") == asked, "requests changed");
        prop_assert_eq!(core.due.len(), frames.len());
        prop_assert!(down(&mut core, &told, &answer_cuts).expect("answers") == told, "answers changed");
        prop_assert!(core.due.is_empty());
    }
}

#[test]
fn a_produce_without_acks_expects_no_answer() {
    let mut core = core();
    let silent = request(PRODUCE, 3, 1, &produce(0, &[9; 5_000]));
    let asked = [silent.clone(), request(OFFSET_COMMIT, 8, 2, b"x"), silent].concat();
    assert_eq!(up(&mut core, &asked, &[]).expect("requests"), asked);
    assert_eq!(core.due.iter().map(|d| d.correlation_id.map(|c| c.0)).collect::<Vec<_>>(), [Some(2)]);
    let told = answer(OFFSET_COMMIT, 8, 2, b"y");
    assert_eq!(down(&mut core, &told, &[]).expect("answers"), told);
}

#[test]
fn an_api_versions_too_new_for_us_becomes_one_that_no_broker_knows() {
    for version in [6, 99, i16::MAX] {
        let mut core = core();
        let asked = request(API_VERSIONS, version, 5, b"\x07client\x041.0\x00");
        let mut expected = asked.clone();
        expected[LENGTH_PREFIX + 2..LENGTH_PREFIX + 4].copy_from_slice(&i16::MAX.to_be_bytes());
        assert_eq!(up(&mut core, &asked, &[]).expect("a request"), expected, "v{version}");
        // UNSUPPORTED_VERSION, and the one range that matters, in the layout of v0 (KIP-511).
        let told = answer(API_VERSIONS, version, 5, &[0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
        assert_eq!(down(&mut core, &told, &[]).expect("an answer"), told, "v{version}");
    }
    let known = request(API_VERSIONS, 3, 5, b"\x07client\x041.0\x00");
    assert_eq!(up(&mut core(), &known, &[]).expect("a request"), known);
}

#[test]
fn every_byte_is_in_the_ledger_on_both_legs_under_its_api() {
    let mut core = core();
    let asked = request(OFFSET_COMMIT, 8, 2, &[1; 300_000]);
    let told = answer(OFFSET_COMMIT, 8, 2, &[2; 700]);
    up(&mut core, &asked, &[]).expect("a request");
    down(&mut core, &told, &[]).expect("an answer");
    let mut entries: Vec<_> =
        core.gateway.ledger.entries().into_iter().map(|e| (e.direction, e.api, e.bytes)).collect();
    entries.sort_unstable();
    let (up, down) = (asked.len() as u64, told.len() as u64);
    let api = "OffsetCommit";
    assert_eq!(
        entries,
        [
            ("broker_to_gateway", api, down),
            ("client_to_gateway", api, up),
            ("gateway_to_broker", api, up),
            ("gateway_to_client", api, down)
        ]
    );
}

/// platformatic asks for a session with each fetch and never uses one: that would push everybody else's out of the
/// broker's cache.
#[test]
fn a_client_that_never_uses_its_sessions_gets_no_more_of_them() {
    let mut core = core();
    let mut opening = crate::app::testing::fetch(11, 3, &[("t", 0)]);
    let epoch_at = LENGTH_PREFIX + 8 + 2 + "consumer".len() + 4 + 12 + 1 + 4;
    assert_eq!(opening[epoch_at..epoch_at + 4], [0xff; 4], "the session's epoch");
    opening[epoch_at..epoch_at + 4].fill(0);
    let mut sessionless = opening.clone();
    sessionless[epoch_at..epoch_at + 4].fill(0xff);
    let granted = Answer { throttle_ms: 0, error: 0, session_id: 77, partitions: vec![] }.encode(11, 3);
    for _ in 0..2 {
        assert_eq!(up(&mut core, &opening, &[]).expect("a request"), opening);
        assert_eq!(down(&mut core, &granted, &[]).expect("an answer"), granted);
    }
    assert_eq!(up(&mut core, &opening, &[]).expect("a request"), sessionless);
}

/// A client of az2, where no gateway lives, at the gateway in az1.
#[test]
fn what_a_client_without_a_gateway_in_its_zone_reads_counts_as_crossing_wherever_the_broker_is() {
    for (own, partition, forwards) in [(1, 0, true), (1, 1, true), (2, 1, false)] {
        let mut core = testing::core(view(), own, own);
        (core.zone, core.rule) = (testing::zone("az2"), Some(config::Rule::ClientIdTag));
        let asked = testing::fetch(11, 1, &[("t", partition)]);
        let (mut lane, mut broker) = (Lane::default(), Slow::default());
        drive(&mut lane, &mut Pieces::of(&asked, &[]), &mut broker, |b| core.request(b)).expect("a request");
        assert_eq!(lane.held.is_none(), forwards, "partition {partition} at broker {own}");
        let counted: &[_] = if forwards { &[("cross_zone", "no_gateway", 1)] } else { &[] };
        let seen: Vec<_> =
            core.gateway.counters.served_counts().into_iter().filter(|(_, _, n)| *n > 0).collect();
        assert_eq!(seen, counted);
    }
}

#[test]
fn a_client_in_a_zone_where_nothing_is_counts_once_however_often_it_says_so() {
    let mut core = core();
    for _ in 0..3 {
        core.settle_zone(None, Some("az77"));
        assert_eq!((core.zone.as_str(), core.rule), ("az1", Some(config::Rule::Gateway)));
    }
    assert_eq!(core.gateway.rejects.seen(), [(Reason::UnknownZone, 1)]);
    core.settle_zone(None, Some("az2"));
    assert_eq!(
        (core.zone.as_str(), core.rule),
        ("az2", Some(config::Rule::Rack)),
        "a better one is still heeded"
    );
}
