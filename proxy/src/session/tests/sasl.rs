use kafka::api::{METADATA, SASL_HANDSHAKE};
use kafka::wire::put_string;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::relay::{id_of, read_frame, session, within};
use super::{OFFSET_COMMIT, answer, core, down, framed, produce, request, up};
use crate::reason::Reason;
use crate::session::core::Core;

fn handshake(mechanism: &str, id: i32) -> Vec<u8> {
    let mut body = Vec::new();
    put_string(&mut body, mechanism, false);
    request(SASL_HANDSHAKE, 0, id, &body)
}

/// (mechanism, the client's tokens, the broker's): after SaslHandshake v0 none has a header.
type Exchange = (&'static str, &'static [&'static [u8]], &'static [&'static [u8]]);

const EXCHANGES: [Exchange; 4] = [
    ("PLAIN", &[b"\0user\0secret"], &[b""]),
    ("OAUTHBEARER", &[b"n,,\x01auth=Bearer x\x01\x01"], &[b""]),
    ("SCRAM-SHA-512", &[b"n,,n=user,r=abc", b"c=biws,r=abcdef,p=x"], &[b"r=abcdef,s=x,i=4096", b"v=x"]),
    ("GSSAPI", &[b"\x60\x82abc", b"", b"\x05\x04xyz"], &[b"\x60x", b""]),
];

/// A handshake, and the broker's consent.
fn shake(core: &mut Core, mechanism: &str) {
    let asked = handshake(mechanism, 7);
    assert_eq!(up(core, &asked, &[]).expect("a handshake"), asked);
    let told = answer(SASL_HANDSHAKE, 0, 7, b"\0\0\0\0\0\0");
    assert_eq!(down(core, &told, &[]).expect("an answer"), told);
}

fn frames(payloads: &[&[u8]]) -> Vec<u8> {
    payloads.iter().flat_map(|p| framed(p)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn bare_tokens_pass_both_ways_and_kafka_goes_on_behind_them(
        which in 0usize..4, cuts in vec(any::<Index>(), 0..12), answer_cuts in vec(any::<Index>(), 0..12),
    ) {
        let (mechanism, tokens, replies) = EXCHANGES[which];
        let mut core = core();
        shake(&mut core, mechanism);
        let asked = [frames(tokens), request(OFFSET_COMMIT, 8, 8, &[3; 700])].concat();
        prop_assert_eq!(up(&mut core, &asked, &cuts).expect("requests"), asked);
        let due: Vec<_> = core.due.iter().map(|d| d.correlation_id.map(|c| c.0)).collect();
        let expected: Vec<_> =
            replies.iter().map(|_| None).chain([Some(8)]).collect();
        prop_assert_eq!(due, expected);
        let told = [frames(replies), answer(OFFSET_COMMIT, 8, 8, b"ok")];
        prop_assert_eq!(down(&mut core, &told.concat(), &answer_cuts).expect("answers"), told.concat());
        prop_assert!(core.due.is_empty());
    }
}

/// Clients that shake hands in v0 may well begin with a large Produce.
#[test]
fn a_large_first_request_behind_the_tokens_passes() {
    for (mechanism, tokens, _) in EXCHANGES {
        let mut core = core();
        let large = request(kafka::api::PRODUCE, 3, 8, &produce(1, &[5; 3 << 20]));
        shake(&mut core, mechanism);
        let asked = [frames(tokens), large].concat();
        let passed = up(&mut core, &asked, &[]).unwrap_or_else(|e| panic!("{mechanism}: {e}"));
        assert!(passed == asked, "{mechanism}");
        assert_eq!(core.due.back().map(|d| d.correlation_id.map(|c| c.0)), Some(Some(8)));
    }
}

#[test]
fn a_handshake_v1_leaves_kafkas_headers_on() {
    let mut core = core();
    let asked = [request(SASL_HANDSHAKE, 1, 1, b"\0\x05PLAIN"), request(36, 1, 2, b"\0\0\0\x01x")].concat();
    assert_eq!(up(&mut core, &asked, &[]).expect("requests"), asked);
    assert!(core.due.iter().all(|d| d.correlation_id.is_some()));
}

/// Taken for a token, it would reach the broker unread, and its answer the client with the brokers' own addresses in it.
#[tokio::test]
async fn a_request_sent_along_with_a_handshake_is_read_once_the_broker_has_refused_that() {
    let (mut client, mut broker, session) = session(core()).await;
    let run = tokio::spawn(session.run());
    let asked = [handshake("PLAIN", 1), request(METADATA, 99, 2, b"")].concat();
    client.write_all(&asked).await.expect("the gateway reads");
    let first = within(read_frame(&mut broker)).await.expect("the handshake");
    assert_eq!(id_of(&first), 1);
    let refused = answer(SASL_HANDSHAKE, 0, 1, b"\0\x22\0\0\0\0");
    broker.write_all(&refused).await.expect("the gateway reads");
    let mut told = Vec::new();
    within(client.read_to_end(&mut told)).await.expect("an end in good order");
    assert_eq!(told, refused);
    let fault = within(run).await.expect("a session").expect_err("it says why");
    assert_eq!(fault.reason(), Reason::Version, "{fault}");
    assert_eq!(within(read_frame(&mut broker)).await, None, "it got nothing else");
}

#[tokio::test]
async fn tokens_sent_along_with_a_handshake_follow_it_once_the_broker_has_agreed() {
    let (mut client, mut broker, session) = session(core()).await;
    let run = tokio::spawn(session.run());
    let asked =
        [handshake("PLAIN", 1), framed(b"\0user\0secret"), request(OFFSET_COMMIT, 8, 2, b"")].concat();
    client.write_all(&asked).await.expect("the gateway reads");
    assert_eq!(within(read_frame(&mut broker)).await.map(|p| id_of(&p)), Some(1));
    let agreed = answer(SASL_HANDSHAKE, 0, 1, b"\0\0\0\0\0\0");
    broker.write_all(&agreed).await.expect("the gateway reads");
    assert_eq!(within(read_frame(&mut broker)).await.as_deref(), Some(&b"\0user\0secret"[..]));
    assert_eq!(within(read_frame(&mut broker)).await.map(|p| id_of(&p)), Some(2));
    drop((client, broker));
    let _ = within(run).await;
}
