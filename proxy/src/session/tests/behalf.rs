//! Fetches on a client's behalf, over loopback sockets: a client of az1, too old to follow, at broker 2, which leads
//! partition 1; broker 1 in its zone follows.

use std::net::TcpListener;
use std::sync::Arc;

use kafka::fetch::answer::{Answer, PartitionAnswer};
use kafka::fetch::request::{FetchRequest, TopicRef};
use kafka::types::{BrokerId, Partition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::relay::{id_of, read_frame, session, within};
use super::view;
use crate::app::testing;
use crate::session::core::Core;
use crate::view::View;

const VERSION: i16 = 4;
const OFFSET_OUT_OF_RANGE: i16 = 1;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// The session's core, and the socket on which broker 1 is waited for.
fn core() -> (Core, TcpListener) {
    let near = TcpListener::bind("127.0.0.1:0").expect("a port");
    near.set_nonblocking(true).expect("a socket");
    let mut view = view();
    let broker = view.brokers.get_mut(&BrokerId(1)).expect("broker 1");
    (broker.host, broker.port) = ("127.0.0.1".into(), near.local_addr().expect("bound").port());
    (testing::core(view, 2, 2), near)
}

fn asked(payload: &[u8]) -> (i16, i64) {
    let version = i16::from_be_bytes([payload[2], payload[3]]);
    let request = FetchRequest::parse(payload, version).expect("a Fetch");
    (version, request.partitions[0].offset.0)
}

async fn tell(to: &mut TcpStream, question: &[u8], error: i16, records: &[u8]) {
    let said = PartitionAnswer {
        error,
        records,
        preferred_read_replica: BrokerId(3),
        ..PartitionAnswer::empty(TopicRef::Name("t"), Partition(1))
    };
    let answer = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: vec![said] };
    to.write_all(&answer.encode(asked(question).0, id_of(question))).await.expect("the gateway reads");
}

/// Answers the probe for rights, which must be one.
async fn probe(own: &mut TcpStream, error: i16) {
    let question = within(read_frame(own)).await.expect("a probe");
    assert_eq!(asked(&question), (VERSION, 1 << 62), "beyond any log, in the client's own version and name");
    tell(own, &question, error, b"").await;
}

async fn seen(client: &mut TcpStream) -> (i16, Vec<u8>) {
    let payload = within(read_frame(client)).await.expect("an answer");
    assert_eq!(payload[..4], 9i32.to_be_bytes(), "to the client's request");
    let answer = Answer::parse(&payload, VERSION).expect("in the client's version");
    (answer.partitions[0].error, answer.partitions[0].records.to_vec())
}

#[tokio::test]
async fn an_old_client_reads_from_the_follower_in_its_zone_once_its_own_broker_said_it_may() {
    let (core, near) = core();
    let (mut client, mut own, session) = session(core).await;
    let run = tokio::spawn(session.run());
    client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
    probe(&mut own, OFFSET_OUT_OF_RANGE).await;
    let near = tokio::net::TcpListener::from_std(near).expect("a listener");
    let (mut near, _) = within(near.accept()).await.expect("the gateway comes");
    let question = within(read_frame(&mut near)).await.expect("a Fetch");
    assert_eq!(asked(&question), (11, 0), "followers serve consumers from v11 on");
    tell(&mut near, &question, 0, b"a batch").await;
    assert_eq!(seen(&mut client).await, (0, b"a batch".to_vec()));
    // The same connection and the same yes serve the next one.
    client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
    let question = within(read_frame(&mut near)).await.expect("a Fetch");
    tell(&mut near, &question, 0, b"another").await;
    assert_eq!(seen(&mut client).await, (0, b"another".to_vec()));
    drop((client, own));
    let _ = within(run).await;
}

#[tokio::test]
async fn nobody_reads_on_behalf_what_their_own_broker_refuses_them() {
    let (core, near) = core();
    let (mut client, mut own, session) = session(core).await;
    let run = tokio::spawn(session.run());
    client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
    probe(&mut own, TOPIC_AUTHORIZATION_FAILED).await;
    let question = within(read_frame(&mut own)).await.expect("the fetch itself");
    assert_eq!(asked(&question), (VERSION, 0));
    tell(&mut own, &question, TOPIC_AUTHORIZATION_FAILED, b"").await;
    assert_eq!(seen(&mut client).await, (TOPIC_AUTHORIZATION_FAILED, vec![]));
    let nobody = near.accept().expect_err("the other broker was not even dialled");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    drop((client, own));
    let _ = within(run).await;
}

#[tokio::test]
async fn a_follower_that_dies_under_a_fetch_is_replaced_by_the_leader_unseen() {
    let (core, near) = core();
    let (mut client, mut own, session) = session(core).await;
    let run = tokio::spawn(session.run());
    client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
    probe(&mut own, OFFSET_OUT_OF_RANGE).await;
    let near = tokio::net::TcpListener::from_std(near).expect("a listener");
    let (mut dying, _) = within(near.accept()).await.expect("the gateway comes");
    within(read_frame(&mut dying)).await.expect("a Fetch");
    drop((dying, near));
    let question = within(read_frame(&mut own)).await.expect("the leader is asked instead");
    assert_eq!((asked(&question), id_of(&question)), ((VERSION, 0), 9), "the client's own fetch goes on");
    tell(&mut own, &question, 0, b"the leader's").await;
    assert_eq!(seen(&mut client).await, (0, b"the leader's".to_vec()));
    drop((client, own));
    let _ = within(run).await;
}

/// A topic that a rule tiers, and a store that has not been opened yet: another gateway may have moved what the broker lacks.
#[tokio::test]
async fn an_offset_that_a_broker_lacks_is_never_refused_while_the_tier_can_not_be_looked_at() {
    let view = View::of(testing::three(), vec![testing::topic("t", &[(Some(2), &[2]), (Some(2), &[2])])]);
    let mut core = testing::core(view, 2, 2);
    let gateway = Arc::get_mut(&mut core.gateway).expect("nobody else's yet");
    gateway.tier = testing::unopened_tier("t");
    let (mut client, mut own, session) = session(core).await;
    let run = tokio::spawn(session.run());
    client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
    let question = within(read_frame(&mut own)).await.expect("the fetch goes on to the leader");
    tell(&mut own, &question, OFFSET_OUT_OF_RANGE, b"").await;
    assert_eq!(seen(&mut client).await, (0, vec![]), "the first time it is hidden");
    for _ in 0..2 {
        client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
        assert_eq!(seen(&mut client).await, (0, vec![]), "and as long as nobody can look");
    }
    drop(client);
    let _ = within(run).await;
    let mut more = Vec::new();
    within(own.read_to_end(&mut more)).await.expect("the end");
    assert!(more.is_empty(), "the broker was not asked for an answer that would have to be passed on");
}

#[tokio::test]
async fn an_offset_that_a_broker_lacks_is_refused_at_once_where_no_rule_tiers_the_topic() {
    let view = View::of(testing::three(), vec![testing::topic("t", &[(Some(2), &[2]), (Some(2), &[2])])]);
    let mut core = testing::core(view, 2, 2);
    let gateway = Arc::get_mut(&mut core.gateway).expect("nobody else's yet");
    gateway.tier = testing::unopened_tier("others.*");
    let (mut client, mut own, session) = session(core).await;
    let run = tokio::spawn(session.run());
    client.write_all(&testing::fetch(VERSION, 9, &[("t", 1)])).await.expect("a request");
    let question = within(read_frame(&mut own)).await.expect("the fetch");
    tell(&mut own, &question, OFFSET_OUT_OF_RANGE, b"").await;
    assert_eq!(seen(&mut client).await, (OFFSET_OUT_OF_RANGE, vec![]));
    drop((client, own));
    let _ = within(run).await;
}

/// The same fetch as one that goes on in a session (KIP-227), in a version that has them.
fn continued(id: i32) -> Vec<u8> {
    let mut frame = testing::fetch(12, id, &[("t", 1)]);
    let at = FetchRequest::parse(&frame[4..], 12).expect("a Fetch").session_at().expect("it has a session");
    frame[4 + at + 4..4 + at + 8].copy_from_slice(&1i32.to_be_bytes());
    frame
}

#[tokio::test]
async fn only_who_may_read_it_is_told_by_a_flush_that_a_topic_is_there() {
    for (said, flushed) in [(OFFSET_OUT_OF_RANGE, true), (TOPIC_AUTHORIZATION_FAILED, false)] {
        let (core, _near) = core();
        let (mut client, mut own, session) = session(core).await;
        let run = tokio::spawn(session.run());
        client.write_all(&continued(9)).await.expect("a request");
        let question = within(read_frame(&mut own)).await.expect("a probe");
        assert_eq!(asked(&question), (12, 1 << 62));
        tell(&mut own, &question, said, b"").await;
        if !flushed {
            let question = within(read_frame(&mut own)).await.expect("the fetch itself");
            assert_eq!(asked(&question), (12, 0));
            tell(&mut own, &question, said, b"").await;
        }
        let payload = within(read_frame(&mut client)).await.expect("an answer");
        let answer = Answer::parse(&payload, 12).expect("an answer");
        assert_eq!((answer.session_id, answer.partitions.is_empty()), (0, flushed));
        assert!(flushed || answer.partitions[0].error == said);
        drop((client, own));
        let _ = within(run).await;
    }
}
