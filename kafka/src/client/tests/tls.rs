//! TLS to a fake broker: verified, refused, and spoken where it is not understood.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::fake::{Fake, PATIENCE, Reply, Script, dialer, offering_metadata};
use super::pem::Pki;
use crate::client::{AttemptError, ClientTls, Connection, DialError, Security, Stream, dial};

fn silent() -> Script {
    offering_metadata(12, |_| Reply::Silence)
}

fn security(pki: &Pki, identity: bool, name: Option<&str>) -> Security {
    Security { tls: Some(ClientTls::new(pki.client(identity), name).unwrap()), sasl: None }
}

async fn refused(host: &str, port: u16, tls: &ClientTls) -> AttemptError {
    match dial(host, port, Some(tls), PATIENCE).await {
        Err(DialError::Failed { mut attempts, .. }) => attempts.remove(0).reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_verified_broker_is_spoken_to() {
    let pki = Pki::new("verified");
    let fake = Fake::tls(pki.server(false), silent).await;
    let security = security(&pki, false, None);
    let stream = dial("localhost", fake.port(), security.tls.as_ref(), PATIENCE).await.unwrap();
    assert!(matches!(stream, Stream::Tls(_)) && stream.tcp().nodelay().unwrap());
    assert_eq!(stream.peer_addr().unwrap(), fake.address);
    let connection = Connection::connect(&dialer(security), &fake.host(), fake.port()).await.unwrap();
    assert_eq!(connection.versions().range(3), Some(0..=12));
}

#[tokio::test]
async fn a_broker_of_another_authority_is_refused() {
    let (ours, theirs) = (Pki::new("ours"), Pki::new("theirs"));
    let fake = Fake::tls(theirs.server(false), silent).await;
    let tls = ClientTls::new(ours.client(false), None).unwrap();
    let reason = refused("127.0.0.1", fake.port(), &tls).await;
    assert!(matches!(reason, AttemptError::Tls(_)), "{reason}");
}

#[tokio::test]
async fn a_broker_with_another_name_is_refused_unless_that_name_is_set() {
    let pki = Pki::new("names");
    let fake = Fake::tls(pki.server(false), silent).await;
    let wrong = ClientTls::new(pki.client(false), Some("kafka.example.com")).unwrap();
    let reason = refused("127.0.0.1", fake.port(), &wrong).await;
    assert!(reason.to_string().contains("kafka.example.com"), "{reason}");
    let right = ClientTls::new(pki.client(false), Some("localhost")).unwrap();
    dial("127.0.0.1", fake.port(), Some(&right), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let pki = Pki::new("mutual");
    let fake = Fake::tls(pki.server(true), silent).await;
    let connect = async |identity| {
        Connection::connect(&dialer(security(&pki, identity, None)), &fake.host(), fake.port()).await
    };
    connect(true).await.unwrap();
    let error = connect(false).await.unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn a_plaintext_listener_is_told_from_broken_tls() {
    let pki = Pki::new("plain-listener");
    let fake = Fake::plain(silent).await;
    let tls = ClientTls::new(pki.client(false), None).unwrap();
    let reason = refused("127.0.0.1", fake.port(), &tls).await;
    assert!(matches!(reason, AttemptError::HungUp), "{reason}");

    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = web.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut tcp, _) = web.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tcp
    });
    let reason = refused("127.0.0.1", port, &tls).await;
    assert!(matches!(reason, AttemptError::NotTls), "{reason}");
    drop(served.await);
}

#[tokio::test]
async fn plaintext_to_a_tls_listener_is_named() {
    let pki = Pki::new("tls-listener");
    let fake = Fake::tls(pki.server(false), silent).await;
    let error = Connection::connect(&dialer(Security::default()), &fake.host(), fake.port()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the server answers in TLS"), "{error}");
}

#[test]
fn no_key_is_printed() {
    let pki = Pki::new("debug");
    let shown = format!("{:?}", security(&pki, true, Some("b1")));
    assert_eq!(
        shown,
        "Security { tls: Some(ClientTls { server_name: Some(DnsName(\"b1\")), .. }), sasl: None }"
    );
}
