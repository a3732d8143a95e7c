use std::convert::Infallible;

use super::{OFFSET_COMMIT, Pieces, Slow, core, drive, request};
use crate::app::testing::fetch;
use crate::session::lane::{Lane, Step};

/// Partition 1 is led by broker 2, and a replica in the client's zone could serve it: the gateway answers.
fn held_fetch() -> Vec<u8> {
    fetch(11, 2, &[("t", 1)])
}

fn core_at_2() -> crate::session::core::Core {
    crate::app::testing::core(super::view(), 2, 2)
}

#[test]
fn a_held_frame_is_taken_out_and_what_is_behind_it_waits_and_then_passes() {
    let mut core = core_at_2();
    let (before, behind) = (request(OFFSET_COMMIT, 8, 1, b"a"), request(OFFSET_COMMIT, 8, 3, b"b"));
    let asked = [&before[..], &held_fetch(), &behind].concat();
    let (mut lane, mut broker) = (Lane::default(), Slow::default());
    let mut client = Pieces::of(&asked, &[]);
    drive(&mut lane, &mut client, &mut broker, |b| core.request(b)).expect("requests");
    assert_eq!(lane.held.take().as_deref(), Some(&held_fetch()[..]));
    assert_eq!(broker.taken, before);
    assert_eq!(core.due.len(), 1, "the gateway's own answer is not the broker's to give");
    drive(&mut lane, &mut client, &mut broker, |b| core.request(b)).expect("requests");
    assert_eq!(broker.taken, [before, behind].concat());
    assert!(lane.is_idle() && lane.ended);
}

/// Its answer would never come from bytes that stand in a TLS buffer, and the held frame waits for that answer.
#[test]
fn what_stands_before_a_held_frame_is_flushed_before_its_answer_is_waited_for() {
    let mut core = core_at_2();
    let before = request(OFFSET_COMMIT, 8, 1, b"a");
    let asked = [&before[..], &held_fetch(), &request(OFFSET_COMMIT, 8, 3, b"b")].concat();
    let (mut lane, mut broker) = (Lane::default(), Slow::default());
    drive(&mut lane, &mut Pieces::of(&asked, &[]), &mut broker, |b| core.request(b)).expect("requests");
    assert!(lane.held.is_some());
    assert_eq!(broker.sent, before.len());
}

#[test]
fn a_lane_waits_for_as_much_as_the_parser_wants_however_it_comes() {
    // Frames of five bytes, each wanted whole, each replaced by its first byte twice.
    let bytes: Vec<u8> = (0..60u8).collect();
    for size in [1, 2, 3, 7, 60] {
        let mut calls = 0;
        let (mut lane, mut out) = (Lane::default(), Slow::default());
        let mut from = Pieces(bytes.chunks(size).map(<[u8]>::to_vec).collect());
        let parser = |b: &mut [u8]| {
            calls += 1;
            let step = if b.len() < 5 { Step::NeedMore(5) } else { Step::Replace(5, vec![b[0], b[0]]) };
            Ok::<_, Infallible>(step)
        };
        let mut parser = parser;
        drive(&mut lane, &mut from, &mut out, |b| Ok(parser(b).expect("infallible"))).expect("bytes");
        let expected: Vec<u8> = (0..60).step_by(5).flat_map(|b| [b, b]).collect();
        assert_eq!(out.taken, expected, "pieces of {size}");
        assert!(calls <= 24, "{calls} calls: it asks again only when there is enough");
        assert!(lane.is_idle());
    }
}

#[test]
fn a_frame_that_ends_in_its_middle_reaches_the_broker_as_far_as_it_came() {
    let mut core = core();
    let cut = &request(OFFSET_COMMIT, 8, 1, &[1; 500])[..200];
    let (mut lane, mut broker) = (Lane::default(), Slow::default());
    drive(&mut lane, &mut Pieces::of(cut, &[]), &mut broker, |b| core.request(b)).expect("requests");
    assert_eq!(broker.taken, cut);
    assert!(lane.ended);
}
