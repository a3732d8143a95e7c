//! SaslHandshake v0 and what follows it: SASL tokens in bare length-prefixed packets, without Kafka's header.
//!
//! Source: `SaslServerAuthenticator`, KIP-43 (v0) and KIP-152 (v1, which wraps tokens in SaslAuthenticate). Nothing
//! says where the exchange ends, so it is counted where the mechanism fixes the count, and otherwise (GSSAPI) a packet
//! that can only be a Kafka request ends it.

use kafka::api::SASL_HANDSHAKE;
use kafka::header::{LENGTH_PREFIX, framed};
use kafka::wire::Reader;

use crate::session::Session;
use crate::session::fault::Fault;

/// ILLEGAL_SASL_STATE: Java's client throws IllegalSaslStateException, and does not try again.
const ILLEGAL_SASL_STATE: i16 = 34;

/// Refuses SASL of a client whose certificate says who it is. `frame` is its request, prefix included.
///
/// # Errors
/// Always: the connection ends with it.
pub async fn refuse(session: &mut Session, frame: &[u8]) -> Result<(), Fault> {
    if let Some(answer) = illegal_handshake(&frame[LENGTH_PREFIX..]) {
        session.reply(SASL_HANDSHAKE, &framed(&answer)).await?;
    }
    Err(Fault::SaslBesideCertificate)
}

/// The answer to a SaslHandshake; none to anything else. No mechanism is offered.
fn illegal_handshake(payload: &[u8]) -> Option<Vec<u8>> {
    let (key, id) = (payload.get(..2)?, payload.get(4..8)?);
    let answer = || [id, &ILLEGAL_SASL_STATE.to_be_bytes(), &[0; 4]].concat();
    (key == SASL_HANDSHAKE.to_be_bytes()).then(answer)
}

/// How many more tokens the client will send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslV0 {
    /// A fixed number: PLAIN and OAUTHBEARER one, SCRAM two.
    Tokens(u8),
    /// As many as it takes.
    Open,
}

/// GSSAPI tokens begin with 0x60 or 0x05 (RFC 2743, RFC 4121); a request's first byte is the high byte of a small
/// API key, 0.
const KAFKA_FIRST_BYTE: u8 = 0;

impl SaslV0 {
    /// The state after a handshake request for this mechanism. `payload` starts at the API key.
    pub fn after_handshake(payload: &[u8]) -> Option<Self> {
        let mut r = Reader::new(payload);
        r.skip(8).ok()?;
        r.string_bytes(false).ok()?;
        Some(match r.string(false).ok()? {
            "PLAIN" | "OAUTHBEARER" => Self::Tokens(1),
            name if name.starts_with("SCRAM-") => Self::Tokens(2),
            _ => Self::Open,
        })
    }

    /// What a packet whose payload starts with `first` is: the state behind it if it is a token, `None` if the
    /// exchange is over and it is a Kafka request.
    pub fn token(self, first: Option<u8>) -> Option<Self> {
        match (self, first) {
            (Self::Tokens(0), _) => None,
            (Self::Tokens(n), _) => Some(Self::Tokens(n - 1)),
            (Self::Open, Some(KAFKA_FIRST_BYTE)) => None,
            (Self::Open, _) => Some(Self::Open),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(mechanism: &str) -> Vec<u8> {
        let mut p = vec![0, 17, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
        kafka::wire::put_string(&mut p, mechanism, false);
        p
    }

    #[test]
    fn a_handshake_beside_a_certificate_is_told_that_it_is_out_of_place() {
        assert_eq!(illegal_handshake(&handshake("PLAIN")), Some(vec![0, 0, 0, 1, 0, 34, 0, 0, 0, 0]));
        assert_eq!(illegal_handshake(&[0, 36, 0, 2, 0, 0, 0, 1]), None);
        assert_eq!(illegal_handshake(&[0, 17]), None);
    }

    #[test]
    fn the_exchange_ends_where_the_mechanism_says() {
        let tokens = |m: &str, first: &[u8]| {
            let mut state = SaslV0::after_handshake(&handshake(m)).expect("a handshake");
            first.iter().take_while(|b| state.token(Some(**b)).map(|s| state = s).is_some()).count()
        };
        assert_eq!(tokens("PLAIN", &[0, 0, 0]), 1);
        assert_eq!(tokens("SCRAM-SHA-256", b"nc\0"), 2);
        assert_eq!(tokens("GSSAPI", &[0x60, 0x60, 0x05, 0]), 3);
    }
}
