//! A session whose broker has to be shown again and again who the client is.

use std::sync::Arc;
use std::time::Duration;

use kafka::api::{SASL_AUTHENTICATE, SASL_HANDSHAKE};
use kafka::client::{Sasl, Session as Granted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::relay::{commit, committed, id_of, read_frame, session, within};
use super::view;
use crate::app::testing;
use crate::session::Session;
use crate::session::fault::Fault;
use crate::session::renew::Renewal;

const LIFETIME: Duration = Duration::from_millis(20);
/// The broker takes a rest longer than a session's life after so many requests.
const SPELL: usize = 500;
/// Requests that a client has under way.
const WINDOW: usize = 200;

fn key_of(payload: &[u8]) -> i16 {
    i16::from_be_bytes([payload[0], payload[1]])
}

async fn send(socket: &mut TcpStream, id: i32, body: &[u8]) {
    let length = (body.len() as i32 + 4).to_be_bytes();
    socket.write_all(&[&length, &id.to_be_bytes(), body].concat()).await.expect("the gateway reads");
}

/// Answers commits one by one, and grants a short life to whoever proves who it is; refuses from the `refuses`-th proof
/// on. Returns commits and proofs.
fn broker(mut socket: TcpStream, refuses: usize) -> JoinHandle<(usize, usize)> {
    tokio::spawn(async move {
        let (mut commits, mut proofs) = (0, 0);
        while let Some(payload) = read_frame(&mut socket).await {
            if key_of(&payload) != SASL_HANDSHAKE {
                commits += 1;
                if commits % SPELL == 0 {
                    tokio::time::sleep(2 * LIFETIME).await;
                }
                socket.write_all(&committed(id_of(&payload))).await.expect("the gateway reads");
                continue;
            }
            send(&mut socket, id_of(&payload), &[0; 6]).await;
            // Between the two nothing else may come.
            let payload = read_frame(&mut socket).await.expect("the proof");
            assert_eq!(key_of(&payload), SASL_AUTHENTICATE);
            proofs += 1;
            let error = if proofs >= refuses { 58i16 } else { 0 }.to_be_bytes();
            let lifetime = (LIFETIME.as_millis() as i64).to_be_bytes();
            let body = [&error[..], &[0xff, 0xff], &[0; 4], &lifetime].concat();
            send(&mut socket, id_of(&payload), &body).await;
        }
        (commits, proofs)
    })
}

async fn identified() -> (TcpStream, TcpStream, Session) {
    let (client, socket, mut session) = session(testing::core(view(), 1, 1)).await;
    let sasl = Sasl::Plain { username: "app-a".to_owned(), password: "secret".into() };
    session.renewal = Some(Box::new(Renewal::new(sasl, Granted { lifetime: Some(LIFETIME) })));
    session.core.identified = true;
    (client, socket, session)
}

#[tokio::test]
async fn who_the_client_is_is_proved_again_between_answers_and_a_pipeline_notices_nothing() {
    let n = 12 * SPELL as i32;
    let (client, socket, session) = identified().await;
    let served = broker(socket, usize::MAX);
    let run = tokio::spawn(session.run());
    let (mut from, mut to) = client.into_split();
    let room = Arc::new(Semaphore::new(WINDOW));
    let writer = room.clone();
    let sent = tokio::spawn(async move {
        for id in 0..n {
            writer.acquire().await.expect("open").forget();
            to.write_all(&commit(id)).await.expect("the gateway reads");
        }
        to
    });
    for id in 0..n {
        let mut answer = vec![0; committed(id).len()];
        within(from.read_exact(&mut answer)).await.expect("an answer");
        assert!(answer == committed(id), "answer {id}");
        room.add_permits(1);
    }
    drop((from, within(sent).await.expect("all sent")));
    assert!(within(run).await.expect("a session").is_ok());
    let (commits, proofs) = within(served).await.expect("a broker");
    assert_eq!(commits, n as usize);
    assert!(proofs >= 3, "{proofs} proofs in twelve rests that are longer than a session's life");
}

#[tokio::test]
async fn a_broker_that_believes_it_no_more_ends_the_session_and_that_is_said() {
    let (mut client, socket, session) = identified().await;
    let served = broker(socket, 2);
    let run = tokio::spawn(session.run());
    client.write_all(&commit(1)).await.expect("the gateway reads");
    within(read_frame(&mut client)).await.expect("an answer");
    let ended = within(run).await.expect("a session");
    assert!(matches!(ended, Err(Fault::Identity(ref why)) if !why.contains("secret")), "{ended:?}");
    assert_eq!(within(served).await.expect("a broker"), (1, 2), "an idle session is kept alive once");
}
