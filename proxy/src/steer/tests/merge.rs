use kafka::fetch::answer::{Answer, NO_BROKER, PartitionAnswer};
use kafka::fetch::request::{FetchRequest, TopicRef};
use kafka::types::{BrokerId, Partition};

use crate::app::testing::{fetch, three, topic};
use crate::steer::exec::own_where_refused;
use crate::steer::merge::{Merged, Outcome, merge, record_bytes};
use crate::steer::plan::{Leg, Server};
use crate::view::View;

const T: TopicRef<'static> = TopicRef::Name("t");
/// The client's own broker leads partitions 0 and 1, broker 2 leads 2 and 3.
const OWN: Server = Server::Broker(BrokerId(1));
const OTHER: Server = Server::Broker(BrokerId(2));
const THIRD: Server = Server::Broker(BrokerId(3));

fn view() -> View {
    let led = |leader| (Some(leader), &[1, 2, 3][..]);
    View::of(three(), vec![topic("t", &[led(1), led(1), led(2), led(2)])])
}

fn said(partition: i32, error: i16, records: &'static [u8]) -> PartitionAnswer<'static> {
    PartitionAnswer {
        error,
        records,
        high_watermark: i64::from(partition) + 100,
        preferred_read_replica: BrokerId(3),
        ..PartitionAnswer::empty(T, Partition(partition))
    }
}

fn answer(partitions: Vec<PartitionAnswer<'static>>) -> Option<Answer<'static>> {
    Some(Answer { throttle_ms: 0, error: 0, session_id: 9, partitions })
}

fn merged(asked: &[i32], outcomes: &[Outcome<'static>]) -> (Answer<'static>, Vec<(usize, Server)>) {
    merged_by(asked, outcomes, true)
}

/// `confirmed`: whether the view was made after the same was said once before.
fn merged_by(
    asked: &[i32],
    outcomes: &[Outcome<'static>],
    confirmed: bool,
) -> (Answer<'static>, Vec<(usize, Server)>) {
    let asked: Vec<_> = asked.iter().map(|p| ("t", *p)).collect();
    let frame = fetch(11, 1, &asked).leak();
    let request = FetchRequest::parse(&frame[4..], 11).expect("our own request");
    let Merged { answer, troubles, .. } = merge(&view(), BrokerId(1), &request, outcomes, confirmed);
    (answer, troubles)
}

#[test]
fn partitions_come_in_the_order_asked_whoever_answered_first_and_point_nowhere() {
    let outcomes: [Outcome<'_>; 2] = [
        (OTHER, &[0, 2], answer(vec![said(3, 0, b"three"), said(2, 0, b"two")])),
        (OWN, &[1, 3], answer(vec![said(0, 0, b"zero"), said(1, 0, b"one")])),
    ];
    let (answer, troubles) = merged(&[2, 0, 3, 1], &outcomes);
    let got: Vec<_> = answer.partitions.iter().map(|p| (p.partition.0, p.records)).collect();
    assert_eq!(got, [(2, &b"two"[..]), (0, b"zero"), (3, b"three"), (1, b"one")]);
    assert!(answer.partitions.iter().all(|p| p.preferred_read_replica == NO_BROKER));
    assert!(answer.partitions.iter().all(|p| p.high_watermark == i64::from(p.partition.0) + 100));
    assert_eq!((answer.error, answer.session_id, troubles), (0, 0, vec![]));
    assert_eq!(record_bytes(&answer), 15);
}

#[test]
fn what_no_leg_brought_is_empty_without_error_and_noted() {
    let outcomes: [Outcome<'_>; 2] =
        [(OTHER, &[0, 1], None), (OWN, &[2, 3], answer(vec![said(1, 0, b"one")]))];
    let (answer, troubles) = merged(&[2, 3, 0, 1], &outcomes);
    let empty = |p| PartitionAnswer::empty(T, Partition(p));
    assert_eq!(answer.partitions[..3], [empty(2), empty(3), empty(0)]);
    assert_eq!(answer.partitions[3].records, b"one");
    assert_eq!(troubles, [(0, OTHER), (1, OTHER), (2, OWN)]);
}

#[test]
fn a_leg_refused_as_a_whole_brings_nothing() {
    let refused = answer(vec![said(2, 0, b"two")]).map(|a| Answer { error: 70, ..a });
    let (answer, troubles) = merged(&[2], &[(OTHER, &[0], refused)]);
    assert_eq!((answer.error, answer.partitions), (0, vec![PartitionAnswer::empty(T, Partition(2))]));
    assert_eq!(troubles, [(0, OTHER)]);
}

/// OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, REPLICA_NOT_AVAILABLE,
/// KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, OFFSET_NOT_AVAILABLE, UNKNOWN_TOPIC_ID: each makes
/// a client spin, stay pinned or lose records.
const TROUBLES: [i16; 9] = [1, 3, 6, 9, 56, 74, 75, 78, 100];

#[test]
fn a_followers_own_trouble_is_hidden_and_noted() {
    for error in TROUBLES {
        // Broker 2 follows in partition 0, the client's own broker in partition 2.
        for (place, follower) in [(0, OTHER), (2, OWN)] {
            let (answer, troubles) =
                merged(&[place], &[(follower, &[0], answer(vec![said(place, error, b"")]))]);
            assert_eq!(answer.partitions, [PartitionAnswer::empty(T, Partition(place))], "error {error}");
            assert_eq!(troubles, [(0, follower)], "error {error}");
        }
    }
}

#[test]
fn a_refusal_of_its_own_broker_is_shown_and_one_of_ours_is_not() {
    let (own, troubles) = merged(&[2], &[(OWN, &[0], answer(vec![said(2, 29, b"")]))]);
    assert_eq!((own.partitions[0].error, troubles), (29, vec![]), "its own broker refuses the client");
    for leader_or_not in [0, 2] {
        let outcome = (OTHER, &[0][..], answer(vec![said(leader_or_not, 29, b"")]));
        let (other, troubles) = merged(&[leader_or_not], &[outcome]);
        assert_eq!((other.partitions[0].error, troubles), (0, vec![(0, OTHER)]), "another refuses us");
    }
}

#[test]
fn a_leaders_errors_are_the_clients_to_see_unless_the_view_is_old() {
    for error in TROUBLES.into_iter().chain([2]) {
        let (first, troubles) = merged_by(&[2], &[(OTHER, &[0], answer(vec![said(2, error, b"")]))], false);
        assert_eq!((first.partitions[0].error, troubles.len()), (0, 1), "not before the view is fresh");
        let (own, troubles) = merged(&[0], &[(OWN, &[0], answer(vec![said(0, error, b"")]))]);
        assert_eq!((own.partitions[0].error, troubles), (error, vec![]), "its own broker's");
        let (other, troubles) = merged(&[2], &[(OTHER, &[0], answer(vec![said(2, error, b"")]))]);
        let no_leader_after_all = error == 6;
        assert_eq!(other.partitions[0].error, if no_leader_after_all { 0 } else { error });
        assert_eq!(troubles.is_empty(), !no_leader_after_all);
    }
}

#[test]
fn the_longest_throttle_of_all_legs_is_told() {
    let slow = |ms| answer(vec![]).map(|a| Answer { throttle_ms: ms, ..a });
    let outcomes: [Outcome<'_>; 3] = [(OWN, &[], slow(5)), (OTHER, &[], slow(70)), (THIRD, &[], slow(1))];
    assert_eq!(merged(&[], &outcomes).0.throttle_ms, 70);
    assert_eq!(merged(&[], &[(OTHER, &[], None)]).0.throttle_ms, 0);
}

#[test]
fn partitions_the_client_may_not_read_are_asked_of_its_own_broker_only() {
    let leg = |from, partitions: &[usize]| Leg { from, partitions: partitions.to_vec() };
    let all = [leg(OTHER, &[0, 2]), leg(OWN, &[1]), leg(THIRD, &[3])];
    assert_eq!(own_where_refused(&all, BrokerId(1), &[true; 4]), all, "all allowed");
    let refused = own_where_refused(&all, BrokerId(1), &[true, false, false, false]);
    assert_eq!(refused, [leg(OTHER, &[0]), leg(OWN, &[1, 2, 3])]);
    let nothing_own = own_where_refused(&all[..1], BrokerId(1), &[false, true, false]);
    assert_eq!(nothing_own, [leg(OWN, &[0, 2])], "a leg of its own is made for them");
}

#[test]
fn several_legs_together_bring_no_more_than_was_asked_for_and_the_first_partition_always_comes() {
    let frame = fetch(11, 1, &[("t", 2), ("t", 0), ("t", 1)]).leak();
    let mut request = FetchRequest::parse(&frame[4..], 11).expect("our own request");
    let aborted = PartitionAnswer { aborted: Some(vec![(1, 2)]), ..said(0, 0, b"zero") };
    let outcomes: [Outcome<'_>; 2] = [
        (OTHER, &[0], answer(vec![said(2, 0, b"first")])),
        (OWN, &[1, 2], answer(vec![aborted, said(1, 0, b"1")])),
    ];
    let mut brought = |max_bytes| {
        request.max_bytes = max_bytes;
        let answer = merge(&view(), BrokerId(1), &request, &outcomes, true).answer;
        answer.partitions.iter().map(|p| (p.records.len(), p.aborted.clone())).collect::<Vec<_>>()
    };
    assert_eq!(brought(100), [(5, None), (4, Some(vec![(1, 2)])), (1, None)]);
    assert_eq!(brought(6), [(5, None), (0, Some(vec![])), (1, None)]);
    assert_eq!(brought(0), [(5, None), (0, Some(vec![])), (0, None)]);
}

#[test]
fn a_leaders_error_that_a_view_must_confirm_asks_for_it_even_beside_records() {
    let frame = fetch(11, 1, &[("t", 2), ("t", 0)]).leak();
    let request = FetchRequest::parse(&frame[4..], 11).expect("our own request");
    let fenced = |from| -> [Outcome<'static>; 2] {
        [(from, &[0], answer(vec![said(2, 74, b"")])), (OWN, &[1], answer(vec![said(0, 0, b"zero")]))]
    };
    let merged = |from, confirmed| merge(&view(), BrokerId(1), &request, &fenced(from), confirmed);
    assert!(merged(OTHER, false).unconfirmed);
    let sure = merged(OTHER, true);
    assert_eq!((sure.answer.partitions[0].error, sure.unconfirmed), (74, false));
    assert!(!merged(THIRD, false).unconfirmed, "a follower's trouble stays hidden");
    let tier = merged(Server::Tier, false);
    assert_eq!(
        (tier.answer.partitions[0].error, tier.unconfirmed),
        (74, false),
        "the tier's word needs no view"
    );
}
