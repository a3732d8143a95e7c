//! Whole sessions over loopback sockets.

use std::time::Duration;

use kafka::api::{FETCH, PRODUCE};
use kafka::client::Stream;
use kafka::fetch::answer::{Answer, PartitionAnswer};
use kafka::fetch::request::{FetchRequest, TopicRef};
use kafka::types::{BrokerId, Partition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{OFFSET_COMMIT, answer, framed, produce, request, view};
use crate::app::testing;
use crate::session::Session;
use crate::session::core::Core;
use crate::session::fault::Fault;
use crate::session::stream::ClientStream;

/// Long enough for anything here on a busy machine; reached only when a promise is broken.
const DEADLINE: Duration = Duration::from_secs(20);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let here = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("a connection");
    (here, listener.accept().await.expect("the same one").0)
}

/// The client's and the broker's ends of a session that has yet to run.
pub(super) async fn session(core: Core) -> (TcpStream, TcpStream, Session) {
    let (client, accepted) = pair().await;
    let (upstream, broker) = pair().await;
    (client, broker, Session::new(core, ClientStream::Plain(accepted), Stream::Plain(upstream)))
}

pub(super) async fn read_frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let len = from.read_i32().await.ok()?;
    let mut payload = vec![0; len as usize];
    from.read_exact(&mut payload).await.ok()?;
    Some(payload)
}

pub(super) fn id_of(payload: &[u8]) -> i32 {
    i32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]])
}

pub(super) fn commit(id: i32) -> Vec<u8> {
    request(OFFSET_COMMIT, 8, id, &id.to_be_bytes())
}

pub(super) fn committed(id: i32) -> Vec<u8> {
    answer(OFFSET_COMMIT, 8, id, &[0; 20])
}

/// A broker that answers each commit once it has `lag` more in hand, and the rest when the client is done.
pub(super) fn broker(mut socket: TcpStream, lag: usize) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let (mut waiting, mut seen) = (std::collections::VecDeque::new(), 0);
        while let Some(payload) = read_frame(&mut socket).await {
            seen += 1;
            waiting.push_back(id_of(&payload));
            if waiting.len() > lag {
                let id = waiting.pop_front().expect("one is there");
                socket.write_all(&committed(id)).await.expect("the gateway reads");
            }
        }
        for id in waiting {
            socket.write_all(&committed(id)).await.expect("the gateway reads");
        }
        seen
    })
}

pub(super) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("done in time")
}

/// Sends `n` commits at once and then no more; returns whatever comes back.
async fn pipeline(client: TcpStream, n: i32) -> Vec<u8> {
    let (mut from, mut to) = client.into_split();
    let sent = tokio::spawn(async move {
        for id in 0..n {
            to.write_all(&commit(id)).await.expect("the gateway reads");
        }
        to.shutdown().await.expect("half closed");
    });
    let mut seen = Vec::new();
    from.read_to_end(&mut seen).await.expect("answers, then the end");
    sent.await.expect("all sent");
    seen
}

#[tokio::test]
async fn a_client_that_pipelines_and_half_closes_gets_every_answer_in_order() {
    for (n, lag) in [(1, 0), (1_000, 0), (1_000, 999), (5_000, 500)] {
        let (client, socket, session) = session(testing::core(view(), 1, 1)).await;
        let served = broker(socket, lag);
        let run = tokio::spawn(session.run());
        let seen = within(pipeline(client, n)).await;
        assert!(seen == (0..n).flat_map(committed).collect::<Vec<_>>(), "{n} requests, lag {lag}");
        assert_eq!(within(served).await.expect("a broker"), n as usize);
        assert!(within(run).await.expect("a session").is_ok());
    }
}

/// More requests than may be under way come in one read, and their answers are there when the relay looks: it must
/// still hear of the next request.
#[tokio::test]
async fn a_full_queue_that_empties_at_once_does_not_make_the_relay_deaf() {
    let (mut client, mut broker, session) = session(testing::core(view(), 1, 1)).await;
    let n = crate::session::core::IN_FLIGHT_MAX as i32 + 76;
    broker.write_all(&(0..n).flat_map(committed).collect::<Vec<_>>()).await.expect("answers, in advance");
    client.write_all(&(0..n).flat_map(commit).collect::<Vec<_>>()).await.expect("requests");
    let ClientStream::Plain(accepted) = &session.client else { panic!("a plain connection") };
    within(accepted.readable()).await.expect("the requests are there");
    within(session.upstream.tcp().readable()).await.expect("the answers too");
    let run = tokio::spawn(session.run());
    for id in 0..n {
        let payload = within(read_frame(&mut broker)).await.expect("a request");
        assert_eq!(id_of(&payload), id);
        within(read_frame(&mut client)).await.expect("its answer");
    }
    client.write_all(&commit(n)).await.expect("one more");
    let payload = within(read_frame(&mut broker)).await.expect("it gets through");
    assert_eq!(id_of(&payload), n);
    drop((client, broker));
    let _ = within(run).await;
}

#[tokio::test]
async fn a_produce_without_acks_reaches_the_broker_though_the_client_is_gone() {
    let (mut client, mut socket, session) = session(testing::core(view(), 1, 1)).await;
    let run = tokio::spawn(session.run());
    let sent = request(PRODUCE, 3, 1, &produce(0, &[1; 300_000]));
    client.write_all(&sent).await.expect("a request");
    client.shutdown().await.expect("half closed");
    let mut seen = Vec::new();
    within(socket.read_to_end(&mut seen)).await.expect("the request, then the end");
    assert!(seen == sent);
    assert!(within(run).await.expect("a session").is_ok());
}

#[tokio::test]
async fn an_answer_to_another_request_ends_the_connection_unseen() {
    let (mut client, mut broker, session) = session(testing::core(view(), 1, 1)).await;
    let run = tokio::spawn(session.run());
    client.write_all(&commit(1)).await.expect("a request");
    within(read_frame(&mut broker)).await.expect("the request");
    broker.write_all(&committed(2)).await.expect("an answer");
    assert!(matches!(within(run).await.expect("a session"), Err(Fault::Answer(_))));
    let mut seen = Vec::new();
    let _ = within(client.read_to_end(&mut seen)).await;
    assert!(seen.is_empty(), "a client takes a wrong correlation id badly");
}

#[tokio::test]
async fn a_broker_that_ends_the_connection_ends_the_clients() {
    let (mut client, mut broker, session) = session(testing::core(view(), 1, 1)).await;
    let run = tokio::spawn(session.run());
    client.write_all(&[commit(1), commit(2)].concat()).await.expect("requests");
    within(read_frame(&mut broker)).await.expect("a request");
    within(read_frame(&mut broker)).await.expect("another");
    broker.write_all(&committed(1)).await.expect("one answer");
    drop(broker);
    let mut seen = Vec::new();
    within(client.read_to_end(&mut seen)).await.expect("the answer, then the end");
    assert_eq!(seen, committed(1));
    assert!(within(run).await.expect("a session").is_ok());
}

/// What the leader says to a peek: nothing against it, and one batch that nobody wants.
fn peeked(payload: &[u8]) -> Vec<u8> {
    let peek = FetchRequest::parse(payload, 11).expect("a Fetch");
    assert_eq!((peek.max_wait_ms, peek.max_bytes, peek.rack), (0, 1, "az1"), "it asks for next to nothing");
    let said = PartitionAnswer {
        records: b"one batch",
        high_watermark: 44,
        last_stable_offset: 44,
        ..PartitionAnswer::empty(TopicRef::Name("t"), Partition(1))
    };
    Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: vec![said] }.encode(11, id_of(payload))
}

/// The client of az1 asks broker 2, which leads partition 1; broker 1 in its zone follows.
#[tokio::test]
async fn a_hint_among_pipelined_requests_is_answered_in_its_turn_after_the_leader_agreed() {
    let (mut client, mut broker, session) = session(testing::core(view(), 2, 2)).await;
    let run = tokio::spawn(session.run());
    let fetch = testing::fetch(11, 2, &[("t", 1)]);
    client.write_all(&[commit(1), fetch, commit(3)].concat()).await.expect("requests");
    let first = within(read_frame(&mut broker)).await.expect("a request");
    assert_eq!(id_of(&first), 1);
    broker.write_all(&committed(1)).await.expect("an answer");
    let peek = within(read_frame(&mut broker)).await.expect("a peek");
    assert_eq!(i16::from_be_bytes([peek[0], peek[1]]), FETCH);
    broker.write_all(&peeked(&peek)).await.expect("an answer");
    let third = within(read_frame(&mut broker)).await.expect("the third");
    assert_eq!(id_of(&third), 3);
    broker.write_all(&committed(3)).await.expect("an answer");
    assert_eq!(framed(&within(read_frame(&mut client)).await.expect("the first")), committed(1));
    let hint = within(read_frame(&mut client)).await.expect("the second");
    let hint = Answer::parse(&hint, 11).expect("a Fetch answer");
    let p = &hint.partitions[0];
    assert_eq!((hint.error, hint.session_id, p.error), (0, 0, 0));
    assert_eq!((p.preferred_read_replica, p.high_watermark, p.records), (BrokerId(1), 44, &b""[..]));
    assert_eq!(framed(&within(read_frame(&mut client)).await.expect("the third")), committed(3));
    drop(client);
    assert!(within(run).await.expect("a session").is_ok());
}

/// An answer is due until its last byte: whatever waits for its turn must not cut in when the broker pauses.
#[tokio::test]
async fn a_hint_waits_for_the_rest_of_an_answer_that_comes_in_parts() {
    let (mut client, mut broker, session) = session(testing::core(view(), 2, 2)).await;
    let run = tokio::spawn(session.run());
    client.write_all(&[commit(1), testing::fetch(11, 2, &[("t", 1)])].concat()).await.expect("requests");
    within(read_frame(&mut broker)).await.expect("a request");
    let long = answer(OFFSET_COMMIT, 8, 1, &[7; 100_000]);
    let (part, rest) = long.split_at(50_000);
    broker.write_all(part).await.expect("half an answer");
    let mut seen = vec![0; part.len()];
    within(client.read_exact(&mut seen)).await.expect("the half comes through");
    broker.write_all(rest).await.expect("the other half");
    let peek = within(read_frame(&mut broker)).await.expect("only then the peek");
    broker.write_all(&peeked(&peek)).await.expect("an answer");
    seen.resize(long.len(), 0);
    within(client.read_exact(&mut seen[part.len()..])).await.expect("the rest");
    assert!(seen == long);
    let hint = within(read_frame(&mut client)).await.expect("the hint");
    assert_eq!(Answer::parse(&hint, 11).expect("whole").partitions[0].preferred_read_replica, BrokerId(1));
    drop(client);
    assert!(within(run).await.expect("a session").is_ok());
}

#[tokio::test]
async fn a_client_that_half_closed_gets_an_answer_that_comes_in_parts() {
    let (mut client, mut broker, session) = session(testing::core(view(), 1, 1)).await;
    let run = tokio::spawn(session.run());
    client.write_all(&commit(1)).await.expect("a request");
    client.shutdown().await.expect("half closed");
    within(read_frame(&mut broker)).await.expect("the request");
    let long = answer(OFFSET_COMMIT, 8, 1, &[7; 100_000]);
    let (part, rest) = long.split_at(50_000);
    broker.write_all(part).await.expect("half an answer");
    let mut seen = vec![0; part.len()];
    within(client.read_exact(&mut seen)).await.expect("the half comes through");
    broker.write_all(rest).await.expect("the other half");
    within(client.read_to_end(&mut seen)).await.expect("the rest, then the end");
    assert!(seen == long);
    assert!(within(run).await.expect("a session").is_ok());
}

/// A kernel accepts connections for a stopped process, so a client could wait there for its own timeout.
#[tokio::test]
async fn a_broker_that_goes_down_before_it_answered_anything_ends_the_session_and_a_slow_leader_does_not() {
    let down = |session: &Session| session.core.gateway.cluster.signals.of(BrokerId(1)).down.clone();
    let (mut client, mut broker, fresh) = session(testing::core(view(), 1, 1)).await;
    let rings = down(&fresh);
    let run = tokio::spawn(fresh.run());
    client.write_all(&commit(1)).await.expect("a request");
    within(read_frame(&mut broker)).await.expect("it gets there");
    rings.notify_waiters();
    let fault = within(run).await.expect("a session").expect_err("it says why");
    assert!(matches!(fault, Fault::Gone), "{fault}");

    let (mut client, mut broker, served) = session(testing::core(view(), 1, 1)).await;
    let rings = down(&served);
    let run = tokio::spawn(served.run());
    for id in [1, 2] {
        client.write_all(&commit(id)).await.expect("a request");
        within(read_frame(&mut broker)).await.expect("it gets there");
        if id == 2 {
            rings.notify_waiters();
        }
        broker.write_all(&committed(id)).await.expect("an answer");
        assert_eq!(framed(&within(read_frame(&mut client)).await.expect("it comes")), committed(id));
    }
    drop((client, broker));
    let _ = within(run).await;
}

/// Broker 2 leads partition 1, which broker 1 in the client's zone follows. It follows in partition 2, which nobody in
/// that zone has; partition 7 is unknown.
#[tokio::test]
async fn beside_a_hint_a_followers_trouble_is_hidden_and_what_the_view_does_not_explain_is_shown() {
    // 1 beside the others: without a tier, an offset that a follower lacks is its trouble like any other.
    for error in [78, 1] {
        beside_a_hint(error).await;
    }
}

async fn beside_a_hint(error: i16) {
    let partitions: [(Option<i32>, &[i32]); 3] = [(Some(1), &[1]), (Some(2), &[1, 2]), (Some(3), &[2, 3])];
    let view = crate::view::View::of(testing::three(), vec![testing::topic("t", &partitions)]);
    let (mut client, mut broker, session) = session(testing::core(view, 2, 2)).await;
    let run = tokio::spawn(session.run());
    client.write_all(&testing::fetch(11, 2, &[("t", 1), ("t", 2), ("t", 7)])).await.expect("a request");
    let peek = within(read_frame(&mut broker)).await.expect("a peek");
    let said =
        |p, error| PartitionAnswer { error, ..PartitionAnswer::empty(TopicRef::Name("t"), Partition(p)) };
    let partitions = vec![said(1, 0), said(2, error), said(7, 3)];
    let told = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions };
    broker.write_all(&told.encode(11, id_of(&peek))).await.expect("an answer");
    let seen = within(read_frame(&mut client)).await.expect("the hint");
    let seen = Answer::parse(&seen, 11).expect("a Fetch answer");
    let seen: Vec<_> = seen.partitions.iter().map(|p| (p.error, p.preferred_read_replica.0)).collect();
    assert_eq!(seen, [(0, 1), (0, -1), (3, -1)], "error {error}");
    drop(client);
    assert!(within(run).await.expect("a session").is_ok());
}
