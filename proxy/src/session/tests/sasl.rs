use kafka::api::SASL_HANDSHAKE;
use kafka::wire::put_string;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{OFFSET_COMMIT, answer, core, down, framed, produce, request, up};

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
        let asked =
            [handshake(mechanism, 7), frames(tokens), request(OFFSET_COMMIT, 8, 8, &[3; 700])].concat();
        prop_assert_eq!(up(&mut core, &asked, &cuts).expect("requests"), asked);
        let due: Vec<_> = core.due.iter().map(|d| d.correlation_id.map(|c| c.0)).collect();
        let expected: Vec<_> =
            [Some(7)].into_iter().chain(replies.iter().map(|_| None)).chain([Some(8)]).collect();
        prop_assert_eq!(due, expected);
        let told = [answer(SASL_HANDSHAKE, 0, 7, b"\0\0\0\0\0\0"), frames(replies), answer(OFFSET_COMMIT, 8, 8, b"ok")];
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
        let asked = [handshake(mechanism, 7), frames(tokens), large].concat();
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
