//! Connections that nobody uses end, and none that somebody waits on. Time is real and short: what must not end is
//! held against what must, which began later.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::relay::{broker, commit, committed, id_of, read_frame, session, within};
use super::{framed, view};
use crate::app::testing;
use crate::reason::Reason;
use crate::session::Session;
use crate::session::fault::Fault;
use crate::session::idle::Watch;

const IDLE: Duration = Duration::from_millis(80);
/// As good as never, in these tests.
const LONG: Duration = Duration::from_secs(600);

async fn watched(handshake: Duration, idle: Duration) -> (TcpStream, TcpStream, Session) {
    let (client, broker, mut session) = session(testing::core(view(), 1, 1)).await;
    session.watch = Watch::new(handshake, idle);
    (client, broker, session)
}

/// One request and its answer.
async fn exchange(client: &mut TcpStream, id: i32) {
    client.write_all(&commit(id)).await.expect("a request");
    assert_eq!(framed(&within(read_frame(client)).await.expect("an answer")), committed(id));
}

/// The client's end sees a sound end, and the session says why.
async fn ends(mut client: TcpStream, session: tokio::task::JoinHandle<Result<(), Fault>>) -> Fault {
    let mut rest = Vec::new();
    within(client.read_to_end(&mut rest)).await.expect("an end in good order");
    assert!(rest.is_empty());
    within(session).await.expect("a session").expect_err("it says why")
}

#[tokio::test]
async fn a_connection_on_which_nothing_happens_ends_and_says_so() {
    let (mut client, socket, session) = watched(IDLE, IDLE).await;
    let served = broker(socket, 0);
    let run = tokio::spawn(session.run());
    for id in 0..3 {
        exchange(&mut client, id).await;
    }
    let fault = ends(client, run).await;
    assert_eq!(fault.reason(), Reason::Idle);
    assert_eq!(within(served).await.expect("a broker"), 3, "the broker's end went with it");
}

#[tokio::test]
async fn a_connection_that_never_asks_anything_ends_after_the_time_for_the_handshake() {
    for sent in [&b""[..], &commit(1)[..6]] {
        let (mut client, _socket, session) = watched(IDLE, LONG).await;
        let run = tokio::spawn(session.run());
        client.write_all(sent).await.expect("less than a header");
        assert_eq!(ends(client, run).await.reason(), Reason::FirstRequestTimeout, "{} bytes", sent.len());
    }
}

#[tokio::test]
async fn an_answer_that_is_due_is_waited_for_however_long_it_takes() {
    let (mut client, mut socket, waiting) = watched(IDLE, IDLE).await;
    let waiting = tokio::spawn(waiting.run());
    client.write_all(&commit(1)).await.expect("a request");
    within(read_frame(&mut socket)).await.expect("it gets there");
    for _ in 0..3 {
        // Began later, and has ended: so the other one had its time, too.
        let (later, _socket, mut idle) = watched(IDLE, IDLE).await;
        idle.core.rule = Some(config::Rule::Gateway);
        assert_eq!(ends(later, tokio::spawn(idle.run())).await.reason(), Reason::Idle);
    }
    assert!(!waiting.is_finished());
    socket.write_all(&committed(1)).await.expect("an answer");
    assert_eq!(framed(&within(read_frame(&mut client)).await.expect("it comes")), committed(1));
    drop((client, socket));
    let _ = within(waiting).await;
}

/// Partition 0 is led by broker 1; the client is in az2, where a gateway has come back.
#[tokio::test]
async fn a_client_that_is_away_from_its_zones_gateway_is_sent_home_between_two_answers() {
    for (zone, goes) in [("az2", true), ("az3", false)] {
        let mut core = testing::core(view(), 1, 1);
        testing::set_peers(&core.gateway, [testing::peer("gw2", "az2")]);
        (core.zone, core.rule) = (testing::zone(zone), Some(config::Rule::ClientIdTag));
        let (mut client, mut socket, mut session) = session(core).await;
        session.watch = Watch::new(IDLE, IDLE);
        let run = tokio::spawn(session.run());
        client.write_all(&commit(1)).await.expect("a request");
        within(read_frame(&mut socket)).await.expect("it gets there");
        // Two rings later another session has ended for being idle.
        let (later, _socket, mut idle) = watched(IDLE, IDLE).await;
        idle.core.rule = Some(config::Rule::Gateway);
        ends(later, tokio::spawn(idle.run())).await;
        assert!(!run.is_finished(), "an answer is due");
        socket.write_all(&committed(1)).await.expect("an answer");
        assert_eq!(framed(&within(read_frame(&mut client)).await.expect("it comes")), committed(1));
        let mut rest = Vec::new();
        within(client.read_to_end(&mut rest)).await.expect("an end");
        assert_eq!(
            within(run).await.expect("a session").is_ok(),
            goes,
            "{zone}: to go home, or for being idle"
        );
    }
}

#[tokio::test]
async fn a_request_that_stops_in_its_middle_keeps_no_connection() {
    let (mut client, mut socket, session) = watched(IDLE, IDLE).await;
    let run = tokio::spawn(session.run());
    let whole = commit(1);
    client.write_all(&whole[..whole.len() - 1]).await.expect("most of a request");
    assert_eq!(ends(client, run).await.reason(), Reason::Idle);
    let mut seen = Vec::new();
    within(socket.read_to_end(&mut seen)).await.expect("what came, then the end");
    assert_eq!(seen, whole[..whole.len() - 1]);
}

/// The broker answers more than sockets take, and the client reads none of it.
#[tokio::test]
async fn a_client_that_takes_no_more_of_its_answer_keeps_no_connection() {
    let (mut client, mut socket, session) = watched(IDLE, IDLE).await;
    let run = tokio::spawn(session.run());
    client.write_all(&commit(1)).await.expect("a request");
    let asked = within(read_frame(&mut socket)).await.expect("the request");
    let long = super::answer(super::OFFSET_COMMIT, 8, id_of(&asked), &vec![7; 64 << 20]);
    let sent = tokio::spawn(async move { socket.write_all(&long).await });
    let fault = within(run).await.expect("a session").expect_err("it ends");
    assert_eq!(fault.reason(), Reason::Idle);
    assert!(within(sent).await.expect("a broker").is_err(), "the broker's end is closed under its answer");
    drop(client);
}
