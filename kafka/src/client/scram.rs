//! The client's side of SCRAM (RFC 5802) with SHA-256 or SHA-512 (RFC 7677), without channel binding.
//!
//! Pure: messages in, messages out. The transport is [`sasl`](super::sasl).

use std::num::NonZeroU32;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac, pbkdf2, rand};

use super::secret::Secret;
use super::text::printable;

/// The fewest iterations that are accepted: RFC 7677 section 4, and Kafka's own minimum.
const ITERATIONS_MIN: u32 = 4_096;

/// The most iterations that are accepted (about a second of work): a hostile server could ask for four billion.
const ITERATIONS_MAX: u32 = 1_000_000;

/// Random bytes in a client nonce.
const NONCE_BYTES: usize = 24;

/// The header that says "no channel binding, no authorization identity".
const GS2_HEADER: &str = "n,,";

/// The hash that a SCRAM mechanism is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramHash {
    /// The mechanism's name in SASL.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }
}

/// Why a SCRAM exchange was broken off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// No randomness for the nonce.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// A server message that does not follow RFC 5802 section 7.
    #[error("SCRAM: the server's {message} message is malformed ({what})")]
    Malformed {
        /// Which message.
        message: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The server's nonce does not begin with ours: somebody answers who did not read our message.
    #[error("SCRAM: the server's nonce does not continue ours")]
    Nonce,
    /// Iterations outside the range that is accepted.
    #[error("SCRAM: the server asks for {0} iterations, allowed are {ITERATIONS_MIN} to {ITERATIONS_MAX}")]
    Iterations(u32),
    /// The server refused, with its reason (RFC 5802 `e=`).
    #[error("SCRAM: the server refused: {0}")]
    Refused(String),
    /// The server does not know the password either: somebody poses as the broker.
    #[error("SCRAM: the server's signature is wrong, so it does not know the password")]
    ServerSignature,
}

/// An exchange whose first message is made.
pub(super) struct ClientFirst {
    hash: ScramHash,
    bare: String,
    nonce: String,
}

/// An exchange that only waits for the server's signature.
pub(super) struct ClientFinal {
    message: String,
    server_key: hmac::Key,
    auth_message: String,
}

impl ClientFirst {
    /// Starts an exchange with a fresh nonce. `token_auth` says that the user is a delegation token's id (KIP-48).
    pub(super) fn new(hash: ScramHash, user: &str, token_auth: bool) -> Result<Self, ScramError> {
        let random: rand::Random<[u8; NONCE_BYTES]> =
            rand::generate(&rand::SystemRandom::new()).map_err(|_| ScramError::NoRandomness)?;
        Ok(Self::with_nonce(hash, user, token_auth, BASE64_STANDARD.encode(random.expose())))
    }

    fn with_nonce(hash: ScramHash, user: &str, token_auth: bool, nonce: String) -> Self {
        // RFC 5802 section 5.1: these two characters are escaped in a name, the equals sign first.
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let extension = if token_auth { ",tokenauth=true" } else { "" };
        Self { hash, bare: format!("n={name},r={nonce}{extension}"), nonce }
    }

    /// client-first-message.
    pub(super) fn message(&self) -> String {
        format!("{GS2_HEADER}{}", self.bare)
    }

    /// Answers server-first-message. Costs the iterations the server asks for: up to a second of CPU.
    pub(super) fn answer(self, server_first: &[u8], password: &Secret) -> Result<ClientFinal, ScramError> {
        let server = ServerFirst::parse(server_first)?;
        if !server.nonce.starts_with(&self.nonce) || server.nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salted = salted_password(self.hash, password, &server);
        let bare = format!("c={},r={}", BASE64_STANDARD.encode(GS2_HEADER), server.nonce);
        let auth_message = format!("{},{},{bare}", self.bare, server.text);
        let proof = proof(self.hash, &salted, &auth_message);
        let message = format!("{bare},p={}", BASE64_STANDARD.encode(proof));
        let server_key = hmac::sign(&hmac::Key::new(self.hash.hmac(), &salted), b"Server Key");
        let server_key = hmac::Key::new(self.hash.hmac(), server_key.as_ref());
        Ok(ClientFinal { message, server_key, auth_message })
    }
}

impl ClientFinal {
    /// client-final-message.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Checks server-final-message: only who knows the password can sign the exchange.
    pub(super) fn verify(&self, server_final: &[u8]) -> Result<(), ScramError> {
        let malformed = |what| ScramError::Malformed { message: "final", what };
        let text = std::str::from_utf8(server_final).map_err(|_| malformed("not UTF-8"))?;
        let first = text.split(',').next().unwrap_or_default();
        if let Some(reason) = first.strip_prefix("e=") {
            return Err(ScramError::Refused(printable(reason.as_bytes())));
        }
        let signature = first.strip_prefix("v=").ok_or(malformed("no signature"))?;
        let signature =
            BASE64_STANDARD.decode(signature).map_err(|_| malformed("signature is not base64"))?;
        hmac::verify(&self.server_key, self.auth_message.as_bytes(), &signature)
            .map_err(|_| ScramError::ServerSignature)
    }
}

/// server-first-message, its fields checked.
struct ServerFirst<'a> {
    text: &'a str,
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ScramError> {
        let malformed = |what| ScramError::Malformed { message: "first", what };
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        if let Some(reason) = text.strip_prefix("e=") {
            return Err(ScramError::Refused(printable(reason.as_bytes())));
        }
        let mut parts = text.split(',');
        let mut field =
            |name, what| parts.next().and_then(|part| part.strip_prefix(name)).ok_or(malformed(what));
        let nonce = field("r=", "no nonce")?;
        let salt = field("s=", "no salt")?;
        let iterations = field("i=", "no iteration count")?;
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| malformed("salt is not base64"))?;
        let iterations = iterations.parse().map_err(|_| malformed("iteration count is no number"))?;
        Ok(Self { text, nonce, salt, iterations: bounded(iterations)? })
    }
}

fn bounded(iterations: u32) -> Result<NonZeroU32, ScramError> {
    NonZeroU32::new(iterations)
        .filter(|n| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&n.get()))
        .ok_or(ScramError::Iterations(iterations))
}

fn salted_password(hash: ScramHash, password: &Secret, server: &ServerFirst<'_>) -> Vec<u8> {
    let mut out = vec![0; hash.hmac().digest_algorithm().output_len()];
    pbkdf2::derive(hash.pbkdf2(), server.iterations, &server.salt, password.expose().as_bytes(), &mut out);
    out
}

/// ClientProof = ClientKey XOR HMAC(H(ClientKey), AuthMessage).
fn proof(hash: ScramHash, salted: &[u8], auth_message: &str) -> Vec<u8> {
    let client_key = hmac::sign(&hmac::Key::new(hash.hmac(), salted), b"Client Key");
    let stored_key = digest::digest(hash.hmac().digest_algorithm(), client_key.as_ref());
    let signature = hmac::sign(&hmac::Key::new(hash.hmac(), stored_key.as_ref()), auth_message.as_bytes());
    client_key.as_ref().iter().zip(signature.as_ref()).map(|(k, s)| k ^ s).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn rfc_7677() -> ClientFirst {
        ClientFirst::with_nonce(ScramHash::Sha256, "user", false, "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    #[test]
    fn the_exchange_of_rfc_7677_comes_out_byte_for_byte() {
        let first = rfc_7677();
        assert_eq!(first.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = first.answer(SERVER_FIRST.as_bytes(), &"pencil".into()).unwrap();
        assert_eq!(
            last.message(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(last.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        let other = b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(last.verify(other), Err(ScramError::ServerSignature));
        assert_eq!(last.verify(b"e=other-error"), Err(ScramError::Refused("other-error".to_owned())));
    }

    #[test]
    fn names_are_escaped_and_tokens_announced() {
        let first = ClientFirst::with_nonce(ScramHash::Sha512, "a=b,c", true, "N".to_owned());
        assert_eq!(first.message(), "n,,n=a=3Db=2Cc,r=N,tokenauth=true");
    }

    #[test]
    fn every_exchange_has_a_nonce_of_its_own() {
        let nonce = || ClientFirst::new(ScramHash::Sha256, "u", false).unwrap().nonce;
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn a_server_that_did_not_read_our_nonce_is_refused() {
        for nonce in ["rOprNGfwEbeRWgbNEkqO", "", "other", "rOprNGfwEbeRWgbNEkq0more"] {
            let server = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            let answer = rfc_7677().answer(server.as_bytes(), &"pencil".into());
            assert_eq!(answer.err(), Some(ScramError::Nonce), "{nonce}");
        }
    }

    #[test]
    fn malformed_server_messages_say_what_is_missing() {
        let what = |server: &str| match rfc_7677().answer(server.as_bytes(), &"p".into()).err() {
            Some(ScramError::Malformed { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        // RFC 5802 section 5.1: an unknown mandatory extension (m=) must break the exchange off.
        assert_eq!(what("m=ext,r=N,s=AA==,i=4096"), "no nonce");
        assert_eq!(what("r=N,i=4096"), "no salt");
        assert_eq!(what("r=N,s=AA=="), "no iteration count");
        assert_eq!(what("r=N,s=!,i=4096"), "salt is not base64");
        assert_eq!(what("r=N,s=AA==,i=4294967296"), "iteration count is no number");
    }

    proptest! {
        #[test]
        fn whatever_the_server_says_there_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(rfc_7677().answer(&bytes, &"p".into()).is_err());
        }
    }
}
