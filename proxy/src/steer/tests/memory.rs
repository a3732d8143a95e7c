use std::time::{Duration, Instant};

use kafka::fetch::request::TopicRef;
use kafka::types::{BrokerId, Partition};

use crate::steer::memory::Memory;

const T: TopicRef<'static> = TopicRef::Name("t");

fn after(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn a_yes_is_believed_for_a_second_and_a_half_for_its_topic_until_the_client_authenticates_anew() {
    let (mut memory, start) = (Memory::default(), Instant::now());
    assert!(!memory.may_read(T, start), "nobody said yes");
    memory.said_yes(T, start);
    assert!(memory.may_read(T, after(start, 1_499)));
    assert!(!memory.may_read(T, after(start, 1_500)));
    assert!(!memory.may_read(TopicRef::Name("u"), start));
    memory.said_yes(T, after(start, 1_000));
    assert!(memory.may_read(T, after(start, 2_499)), "said again");
    memory.forget_rights();
    assert!(!memory.may_read(T, after(start, 1_000)));
}

#[test]
fn trouble_is_one_brokers_with_one_partition_and_passes() {
    let (mut memory, start) = (Memory::default(), Instant::now());
    let troubled = |m: &Memory, p, b, at| m.is_troubled(T, Partition(p), BrokerId(b), at);
    memory.trouble(T, Partition(0), BrokerId(2), start);
    assert!(troubled(&memory, 0, 2, after(start, 9_999)));
    assert!(!troubled(&memory, 0, 3, start) && !troubled(&memory, 1, 2, start));
    assert!(memory.has_trouble(after(start, 9_999)));
    memory.trouble(T, Partition(0), BrokerId(3), start);
    assert!(
        troubled(&memory, 0, 2, start) && troubled(&memory, 0, 3, start),
        "both, or the leader is never asked"
    );
    assert!(!troubled(&memory, 0, 2, after(start, 10_000)) && !memory.has_trouble(after(start, 10_000)));
}

#[test]
fn what_is_remembered_is_bounded_and_room_returns() {
    let (mut memory, start) = (Memory::default(), Instant::now());
    for p in 0..10_000 {
        assert!(memory.may_hint(T, Partition(p), start));
        memory.hinted(T, Partition(p), start);
    }
    assert!(!memory.may_hint(T, Partition(10_000), start), "the rest is served on behalf");
    let later = after(start, 60_000);
    memory.hinted(T, Partition(0), later);
    assert!(memory.may_hint(T, Partition(10_000), later), "old hints make room");
}

#[test]
fn a_client_that_never_uses_its_sessions_is_known_after_two() {
    let mut memory = Memory::default();
    let opened = |m: &mut Memory| {
        m.session_opened(1);
        m.session_granted();
    };
    opened(&mut memory);
    opened(&mut memory);
    assert!(!memory.never_continues(), "one unused grant may be a lost connection of its pool");
    opened(&mut memory);
    assert!(memory.never_continues());
    memory.session_continued();
    assert!(!memory.never_continues(), "it does use them");
    for _ in 0..5 {
        memory.session_opened(1);
    }
    assert!(!memory.never_continues(), "what was not granted cannot be used");
}
