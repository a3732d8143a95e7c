//! A session whose turn to leave has come ends between two answers: nothing that went to the broker stays unanswered,
//! whatever the client has under way, and nothing further is taken.

use std::collections::VecDeque;
use std::time::Duration;

use kafka::api::{PRODUCE, SASL_AUTHENTICATE, SASL_HANDSHAKE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::relay::{commit, committed, id_of, read_frame, session, within};
use super::{answer, framed, produce, request, view};
use crate::app::testing;
use crate::life::drain::Spread;
use crate::session::Session;

/// A session and the order to leave, which is yet to be given.
async fn leaving() -> (TcpStream, TcpStream, Session, impl FnOnce()) {
    let core = testing::core(view(), 1, 1);
    let drain = core.gateway.drain.clone();
    let (client, broker, session) = session(core).await;
    let order = {
        let drain = drain.clone();
        move || drain.begin(Spread::of(Duration::from_secs(60), 0))
    };
    (client, broker, session.leaving(drain.leave()), order)
}

async fn reads_nothing_more(client: &mut TcpStream) {
    let mut rest = Vec::new();
    within(client.read_to_end(&mut rest)).await.expect("an end in good order");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_session_with_nothing_under_way_ends_at_its_turn() {
    let (mut client, _socket, session, order) = leaving().await;
    let run = tokio::spawn(session.run());
    client.write_all(&commit(1)[..6]).await.expect("less than a header");
    order();
    reads_nothing_more(&mut client).await;
    drop(client);
    assert!(within(run).await.expect("a session").is_ok());
}

#[tokio::test]
async fn an_answer_that_is_due_is_waited_for_and_no_further_request_is_taken() {
    let (mut client, mut socket, session, order) = leaving().await;
    let run = tokio::spawn(session.run());
    client.write_all(&commit(1)).await.expect("a request");
    within(read_frame(&mut socket)).await.expect("it gets there");
    order();
    // Another session that began to leave later has left: this one had its time.
    let (mut other, _socket, session, order) = leaving().await;
    order();
    let other_run = tokio::spawn(session.run());
    reads_nothing_more(&mut other).await;
    assert!(!run.is_finished());
    client.write_all(&commit(2)).await.expect("the socket takes it");
    socket.write_all(&committed(1)).await.expect("an answer");
    assert_eq!(framed(&within(read_frame(&mut client)).await.expect("it comes")), committed(1));
    reads_nothing_more(&mut client).await;
    drop((client, other));
    assert!(within(run).await.expect("a session").is_ok());
    assert!(within(other_run).await.expect("a session").is_ok());
    assert!(within(read_frame(&mut socket)).await.is_none(), "the second request went nowhere");
}

#[tokio::test]
async fn a_client_that_is_proving_who_it_is_is_not_sent_away_in_the_middle() {
    let (mut client, mut socket, session, order) = leaving().await;
    let run = tokio::spawn(session.run());
    let steps = [(SASL_HANDSHAKE, 1, &b"\0\x05PLAIN"[..]), (SASL_AUTHENTICATE, 0, &b"\0\0\0\x05\0u\0pw"[..])];
    let mut order = Some(order);
    for (id, (key, version, body)) in (1..).zip(steps) {
        client.write_all(&request(key, version, id, body)).await.expect("a request");
        within(read_frame(&mut socket)).await.expect("it gets there");
        socket.write_all(&answer(key, version, id, &[0; 10])).await.expect("an answer");
        within(read_frame(&mut client)).await.expect("it comes");
        // Its turn comes between the two.
        if let Some(order) = order.take() {
            order();
        }
    }
    // It has been given its time, and has nothing under way.
    reads_nothing_more(&mut client).await;
    drop(client);
    assert!(within(run).await.expect("a session").is_ok());
}

/// A broker that keeps five requests in hand as long as more come. Returns how many came.
fn slow_broker(socket: TcpStream) -> JoinHandle<usize> {
    let (mut from, mut to) = socket.into_split();
    let (sender, mut came) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(len) = from.read_i32().await {
            let mut payload = vec![0; len as usize];
            from.read_exact(&mut payload).await.expect("a whole request");
            let _ = sender.send(id_of(&payload));
        }
    });
    tokio::spawn(async move {
        let (mut waiting, mut seen) = (VecDeque::new(), 0);
        loop {
            let now = match timeout(Duration::from_millis(50), came.recv()).await {
                Ok(Some(id)) => {
                    waiting.push_back(id);
                    seen += 1;
                    waiting.len().saturating_sub(5)
                }
                Ok(None) if waiting.is_empty() => return seen,
                Ok(None) | Err(_) => waiting.len(),
            };
            for id in waiting.drain(..now) {
                to.write_all(&committed(id)).await.expect("the gateway reads");
            }
        }
    })
}

/// Ten requests are under way all the time: there is no moment without one.
#[tokio::test]
async fn a_client_that_pipelines_without_end_is_sent_away_with_an_answer_to_all_that_was_sent_on() {
    let (mut client, socket, session, order) = leaving().await;
    let served = slow_broker(socket);
    let run = tokio::spawn(session.run());
    for id in 0..10 {
        client.write_all(&commit(id)).await.expect("a request");
    }
    let (mut order, mut answers, mut next) = (Some(order), 0, 10);
    while let Some(answer) = within(read_frame(&mut client)).await {
        assert_eq!(framed(&answer), committed(answers));
        answers += 1;
        if answers == 100
            && let Some(order) = order.take()
        {
            order();
        }
        // Written to the end, whether the gateway still takes it or not.
        if client.write_all(&commit(next)).await.is_ok() {
            next += 1;
        }
    }
    drop(client);
    assert!(within(run).await.expect("a session").is_ok());
    let sent_on = within(served).await.expect("a broker");
    assert_eq!(answers as usize, sent_on, "every request that the broker got was answered");
    assert!(answers >= 100 && next > answers, "{answers} of {next}");
}

#[tokio::test]
async fn a_request_that_nobody_answers_and_that_has_begun_to_go_out_goes_out_whole() {
    let (mut client, mut socket, session, order) = leaving().await;
    let run = tokio::spawn(session.run());
    let sent = request(PRODUCE, 3, 1, &produce(0, &[1; 300_000]));
    client.write_all(&sent[..200_000]).await.expect("most of it");
    let mut front = vec![0; 100_000];
    within(socket.read_exact(&mut front)).await.expect("it is on its way");
    order();
    client.write_all(&sent[200_000..]).await.expect("the rest");
    let mut rest = Vec::new();
    reads_nothing_more(&mut client).await;
    drop(client);
    within(socket.read_to_end(&mut rest)).await.expect("the rest, then the end");
    assert!([front, rest].concat() == sent);
    assert!(within(run).await.expect("a session").is_ok());
}
