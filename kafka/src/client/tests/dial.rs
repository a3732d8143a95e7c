//! Every address of a name gets its chance, and all of it ends in time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::fake::{Fake, PATIENCE, Reply, closed_port};
use super::pem::Pki;
use crate::client::dial::{deadline_in, try_all};
use crate::client::{Attempt, AttemptError, DialError, Stream, dial};

fn at(host: u8, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, host), port).into()
}

#[tokio::test]
async fn a_dead_address_does_not_hide_the_living_one_behind_it() {
    let fake = Fake::plain(|| Box::new(|_| Reply::Silence)).await;
    let addresses = [at(2, fake.port()), at(3, fake.port()), fake.address];
    let stream = try_all(&addresses, None, deadline_in(PATIENCE)).await.unwrap();
    assert!(matches!(stream, Stream::Plain(_)) && stream.tcp().nodelay().unwrap());
    assert_eq!(stream.peer_addr().unwrap(), fake.address);
}

#[tokio::test]
async fn every_address_is_in_the_error() {
    let port = closed_port().await;
    let attempts = try_all(&[at(2, port), at(3, port)], None, deadline_in(PATIENCE)).await.unwrap_err();
    let addresses: Vec<_> = attempts.iter().map(|a| a.address).collect();
    assert_eq!(addresses, [at(2, port), at(3, port)]);
    assert!(attempts.iter().all(|a| matches!(a.reason, AttemptError::Tcp(_))));
}

#[tokio::test]
async fn a_silent_address_does_not_hide_the_living_one_behind_it() {
    let pki = Pki::new("share");
    // Accepts and says nothing: the handshake would wait for ever.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake = Fake::tls(pki.server(false), || Box::new(|_| Reply::Silence)).await;
    let secure = (TlsConnector::from(pki.client(false)), "localhost".try_into().unwrap());
    let addresses = [silent.local_addr().unwrap(), fake.address];
    let stream = try_all(&addresses, Some(&secure), deadline_in(Duration::from_secs(4))).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), fake.address);
}

#[tokio::test]
async fn silence_everywhere_ends_in_time_and_each_address_had_its_share() {
    let pki = Pki::new("silence");
    let silent =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let addresses = silent.each_ref().map(|listener| listener.local_addr().unwrap());
    let secure = (TlsConnector::from(pki.client(false)), "localhost".try_into().unwrap());
    let limit = Duration::from_millis(200);
    let attempts = try_all(&addresses, Some(&secure), deadline_in(limit)).await.unwrap_err();
    let share = |attempt: &Attempt| match attempt.reason {
        AttemptError::Timeout(share) => share,
        ref other => panic!("{other}"),
    };
    assert!(share(&attempts[0]) <= limit / 2 && share(&attempts[1]) <= limit, "{attempts:?}");
}

#[tokio::test]
async fn a_host_that_cannot_be_dialled_is_named() {
    let port = closed_port().await;
    let error = dial("127.0.0.2", port, None, PATIENCE).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("127.0.0.2:{port}: 127.0.0.2:{port}: ")), "{error}");
    // An empty name resolves nowhere without any network.
    let error = dial("", 9_092, None, PATIENCE).await.unwrap_err();
    assert!(matches!(error, DialError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn a_limit_beyond_the_clock_is_no_panic() {
    let fake = Fake::plain(|| Box::new(|_| Reply::Silence)).await;
    dial(&fake.host(), fake.port(), None, Duration::MAX).await.unwrap();
}
