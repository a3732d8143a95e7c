//! SASL against fake brokers that hold the other end by the RFCs.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::fake::{Fake, PATIENCE, Reply, Request, Script};
use crate::client::{AuthError, OpenError, Sasl, ScramError, ScramHash, Secret, Security, Session, Token};
use crate::client::{open, open_session};
use crate::wire::{self, Reader};

const OFFERED: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// What the broker says to one SaslAuthenticate: error code, message, bytes.
type Verdict = (i16, &'static str, Vec<u8>);

/// A broker that checks `judge` and gives sessions of `lifetime_ms`.
async fn broker<J>(lifetime_ms: i64, judge: impl Fn() -> J + Send + 'static) -> Fake
where
    J: FnMut(&[u8]) -> Verdict + Send + 'static,
{
    Fake::plain(move || {
        let mut judge = judge();
        Box::new(move |request: &Request| {
            assert_eq!(request.version, 1);
            let mut r = Reader::new(&request.body);
            match request.key {
                17 => Reply::Body(handshake(r.string(false).unwrap())),
                _ => Reply::Body(answer(judge(r.bytes(false).unwrap().unwrap()), lifetime_ms)),
            }
        })
    })
    .await
}

fn handshake(mechanism: &str) -> Vec<u8> {
    let code: i16 = if OFFERED.contains(&mechanism) { 0 } else { 33 };
    let mut out = code.to_be_bytes().to_vec();
    wire::put_array_len(&mut out, OFFERED.len(), false);
    OFFERED.iter().for_each(|m| wire::put_string(&mut out, m, false));
    out
}

fn answer((code, message, auth_bytes): Verdict, lifetime_ms: i64) -> Vec<u8> {
    let mut out = code.to_be_bytes().to_vec();
    wire::put_nullable_string(&mut out, (!message.is_empty()).then_some(message), false);
    out.extend_from_slice(&(auth_bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(&auth_bytes);
    out.extend_from_slice(&lifetime_ms.to_be_bytes());
    out
}

async fn login(fake: &Fake, sasl: Sasl) -> Result<Session, AuthError> {
    let security = Security { tls: None, sasl: Some(sasl) };
    match open_session(&security, &fake.host(), fake.port(), PATIENCE).await {
        Ok((_, session)) => Ok(session),
        Err(OpenError::Auth { source, .. }) => Err(source),
        Err(other) => panic!("{other}"),
    }
}

fn plain(password: &str) -> Sasl {
    Sasl::Plain { username: "tide".to_owned(), password: password.into() }
}

fn judge_plain(message: &[u8]) -> Verdict {
    match message {
        b"\0tide\0right" => (0, "", Vec::new()),
        _ => (58, "Authentication failed: Invalid username or password", Vec::new()),
    }
}

#[tokio::test]
async fn plain_lets_in_whoever_knows_the_password_and_says_for_how_long() {
    let fake = broker(3_600_000, || judge_plain).await;
    let session = login(&fake, plain("right")).await.unwrap();
    assert_eq!(session.lifetime, Some(Duration::from_secs(3_600)));
    let endless = broker(0, || judge_plain).await;
    assert_eq!(login(&endless, plain("right")).await.unwrap().lifetime, None);
}

#[tokio::test]
async fn a_wrong_password_gives_the_brokers_own_words_and_never_the_password() {
    let fake = broker(0, || judge_plain).await;
    let error = login(&fake, plain("hunter2")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "PLAIN refused: SASL_AUTHENTICATION_FAILED (58): Authentication failed: Invalid username or password"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_gives_those_that_are() {
    let fake = Fake::plain(|| Box::new(|_| Reply::Body(handshake("GSSAPI")))).await;
    let error = login(&fake, plain("right")).await.unwrap_err().to_string();
    assert!(error.ends_with("it offers PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"), "{error}");
}

#[tokio::test]
async fn a_listener_without_sasl_is_named() {
    let fake = Fake::plain(|| Box::new(|_| Reply::Body(vec![0, 34, 0, 0, 0, 0]))).await;
    let error = login(&fake, plain("right")).await.unwrap_err();
    assert!(matches!(error, AuthError::NoSasl { mechanism: "PLAIN" }), "{error}");
}

#[tokio::test]
async fn a_broker_that_hangs_up_or_falls_silent_is_a_typed_error() {
    let script = || -> Script { Box::new(|_| Reply::Close) };
    let error = login(&Fake::plain(script).await, plain("right")).await.unwrap_err();
    assert!(matches!(error, AuthError::Exchange { .. }), "{error}");

    let silent = Fake::plain(|| Box::new(|_| Reply::Silence)).await;
    let security = Security { tls: None, sasl: Some(plain("right")) };
    let limit = Duration::from_millis(200);
    let error = open(&security, &silent.host(), silent.port(), limit).await.unwrap_err();
    assert!(matches!(error, OpenError::Auth { source: AuthError::Timeout { .. }, .. }), "{error}");
}

/// The server's side of RFC 5802, written from the RFC and not from the client.
struct ScramServer {
    hash: ScramHash,
    password: &'static str,
    iterations: u32,
    first: Option<(String, String)>,
    forge: bool,
}

impl ScramServer {
    fn judge(&mut self, message: &[u8]) -> Verdict {
        let text = std::str::from_utf8(message).unwrap();
        match self.first.take() {
            None => self.first_round(text.strip_prefix("n,,").unwrap()),
            Some((client, server)) => self.last_round(text, &format!("{client},{server}")),
        }
    }

    fn first_round(&mut self, bare: &str) -> Verdict {
        let nonce = bare.split(',').find_map(|f| f.strip_prefix("r=")).unwrap();
        let salt = BASE64_STANDARD.encode("salt");
        let server = format!("r={nonce}server,s={salt},i={}", self.iterations);
        self.first = Some((bare.to_owned(), server.clone()));
        (0, "", server.into_bytes())
    }

    fn last_round(&self, text: &str, both_firsts: &str) -> Verdict {
        let (without_proof, proof) = text.rsplit_once(",p=").unwrap();
        let auth_message = format!("{both_firsts},{without_proof}");
        let salted = self.salted();
        let stored = digest::digest(self.digest(), self.hmac(&salted, b"Client Key").as_ref());
        let signature = self.hmac(stored.as_ref(), auth_message.as_bytes());
        let proof = BASE64_STANDARD.decode(proof).unwrap();
        let key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(p, s)| p ^ s).collect();
        if digest::digest(self.digest(), &key).as_ref() != stored.as_ref() {
            return (
                58,
                "Authentication failed during authentication due to invalid credentials",
                Vec::new(),
            );
        }
        let server_key = if self.forge { self.hmac(b"?", b"?") } else { self.hmac(&salted, b"Server Key") };
        let v = self.hmac(server_key.as_ref(), auth_message.as_bytes());
        (0, "", format!("v={}", BASE64_STANDARD.encode(v)).into_bytes())
    }

    fn salted(&self) -> Vec<u8> {
        let (algorithm, length) = match self.hash {
            ScramHash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            ScramHash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        };
        let mut out = vec![0; length];
        let iterations = self.iterations.try_into().unwrap();
        pbkdf2::derive(algorithm, iterations, b"salt", self.password.as_bytes(), &mut out);
        out
    }

    fn digest(&self) -> &'static digest::Algorithm {
        match self.hash {
            ScramHash::Sha256 => &digest::SHA256,
            ScramHash::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(&self, key: &[u8], message: &[u8]) -> hmac::Tag {
        let algorithm = match self.hash {
            ScramHash::Sha256 => hmac::HMAC_SHA256,
            ScramHash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message)
    }
}

async fn scram_broker(hash: ScramHash, iterations: u32, forge: bool) -> Fake {
    broker(0, move || {
        let mut server = ScramServer { hash, password: "right", iterations, first: None, forge };
        move |message: &[u8]| server.judge(message)
    })
    .await
}

fn scram(hash: ScramHash, password: &str) -> Sasl {
    Sasl::Scram { hash, username: "a=b,c".to_owned(), password: password.into(), token_auth: false }
}

#[tokio::test]
async fn scram_lets_in_whoever_knows_the_password_with_either_hash() {
    for hash in [ScramHash::Sha256, ScramHash::Sha512] {
        let fake = scram_broker(hash, 4_096, false).await;
        login(&fake, scram(hash, "right")).await.unwrap();
        let error = login(&fake, scram(hash, "wrong")).await.unwrap_err().to_string();
        assert!(error.ends_with("due to invalid credentials"), "{error}");
    }
}

#[tokio::test]
async fn a_broker_that_cannot_sign_the_exchange_is_not_trusted() {
    let fake = scram_broker(ScramHash::Sha256, 4_096, true).await;
    let error = login(&fake, scram(ScramHash::Sha256, "right")).await.unwrap_err();
    assert!(matches!(error, AuthError::Scram(ScramError::ServerSignature)), "{error}");
}

#[tokio::test]
async fn iterations_outside_the_bounds_are_refused_before_any_work() {
    for iterations in [1, 4_095, 1_000_001, u32::MAX] {
        let fake = scram_broker(ScramHash::Sha512, iterations, false).await;
        let error = login(&fake, scram(ScramHash::Sha512, "right")).await.unwrap_err();
        assert!(matches!(error, AuthError::Scram(ScramError::Iterations(n)) if n == iterations), "{error}");
    }
}

fn bearer(token: &str, extensions: &[(&str, &str)]) -> Sasl {
    let extensions = extensions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Sasl::OauthBearer { token: Token::Fixed(token.into()), extensions }
}

#[tokio::test]
async fn a_bearer_token_is_sent_as_the_rfc_says() {
    let fake = broker(60_000, || {
        |message: &[u8]| {
            assert_eq!(message, b"n,,\x01auth=Bearer abc.def\x01cluster=c1\x01\x01");
            (0, "", Vec::new())
        }
    })
    .await;
    let session = login(&fake, bearer("abc.def", &[("cluster", "c1")])).await.unwrap();
    assert_eq!(session.lifetime, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_token_in_a_file_is_read_anew_for_every_session() {
    let fake = broker(0, || {
        |message: &[u8]| match message {
            b"n,,\x01auth=Bearer second\x01\x01" => (0, "", Vec::new()),
            _ => (58, "expired", Vec::new()),
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let sasl = || Sasl::OauthBearer { token: Token::File(file.clone()), extensions: Vec::new() };
    let missing = login(&fake, sasl()).await.unwrap_err();
    assert!(matches!(missing, AuthError::TokenFile { .. }), "{missing}");
    std::fs::write(&file, "first\n").unwrap();
    let error = login(&fake, sasl()).await.unwrap_err().to_string();
    assert!(error.ends_with("expired"), "{error}");
    std::fs::write(&file, "second\n").unwrap();
    login(&fake, sasl()).await.unwrap();
    std::fs::write(&file, "x".repeat((512 << 10) + 1)).unwrap();
    let error = login(&fake, sasl()).await.unwrap_err().to_string();
    assert!(error.ends_with("longer than 524288 bytes"), "{error}");
}

#[tokio::test]
async fn a_refused_token_is_acknowledged_and_its_reason_told() {
    let fake = broker(0, || {
        |message: &[u8]| match message {
            [1] => (58, "token expired", Vec::new()),
            _ => (0, "", br#"{"status":"invalid_token"}"#.to_vec()),
        }
    })
    .await;
    let error = login(&fake, bearer("expired", &[])).await.unwrap_err().to_string();
    assert!(error.ends_with(r#"(58): token expired {"status":"invalid_token"}"#), "{error}");
}

#[tokio::test]
async fn credentials_that_would_break_the_message_are_not_sent() {
    let fake = broker(0, || |_: &[u8]| -> Verdict { panic!("nothing may be sent") }).await;
    for sasl in [
        plain("zero\0byte"),
        bearer("", &[]),
        bearer("two\u{1}parts", &[]),
        bearer("token", &[("auth", "x")]),
        bearer("token", &[("k", "\u{1}")]),
    ] {
        let error = login(&fake, sasl).await.unwrap_err();
        assert!(matches!(error, AuthError::Credentials { .. }), "{error}");
    }
}

#[test]
fn no_secret_is_printed() {
    let all = [plain("hunter2"), scram(ScramHash::Sha256, "hunter2"), bearer("hunter2", &[])];
    let security = Arc::new(all.map(|sasl| Security { tls: None, sasl: Some(sasl) }));
    let shown = format!("{security:?} {security:#?} {:?}", Secret::from("hunter2"));
    assert!(!shown.contains("hunter2") && shown.contains("Secret(***)"), "{shown}");
}
