//! SASL over Kafka's own requests: SaslHandshake v1, then SaslAuthenticate v1 (KIP-43, KIP-152, KIP-368).
//!
//! Version 1 of both: every broker since 2.2 has it, and it already carries the session's lifetime.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::credentials::{Sasl, bearer_message, plain_message};
use super::exchange::{Call, ExchangeError};
use super::scram::{ClientFirst, ScramError};
use super::secret::Secret;
use super::text::printable;
use super::token::Token;
use crate::code::Code;
use crate::types::CorrelationId;
use crate::wire::{self, Reader};

const SASL_HANDSHAKE: i16 = 17;
const SASL_AUTHENTICATE: i16 = 36;

/// The longest answer that is read before the broker has proved who it is, in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// What the broker says of an authenticated session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// How long the connection may live from now on without authenticating anew; `None` is "no limit" (KIP-368).
    pub lifetime: Option<Duration>,
}

/// Why we were not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The exchange took too long.
    #[error("{mechanism}: no answer within {} ms", limit.as_millis())]
    Timeout {
        /// The mechanism.
        mechanism: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// No usable answer.
    #[error("{mechanism}: {source}")]
    Exchange {
        /// The mechanism.
        mechanism: &'static str,
        /// What happened.
        source: ExchangeError,
    },
    /// The broker does not offer the mechanism.
    #[error("the broker does not offer {mechanism}; it offers {}", offers(offered))]
    Mechanism {
        /// What was asked for.
        mechanism: &'static str,
        /// What is there.
        offered: Vec<String>,
    },
    /// The listener has no SASL.
    #[error("{mechanism}: this listener does not use SASL")]
    NoSasl {
        /// The mechanism.
        mechanism: &'static str,
    },
    /// The broker refused, with its code and words.
    #[error("{mechanism} refused: {code}{}", reason(message))]
    Refused {
        /// The mechanism.
        mechanism: &'static str,
        /// The broker's code.
        code: Code,
        /// The broker's words; may be empty.
        message: String,
    },
    /// The SCRAM exchange was broken off by us, or by the server within SCRAM.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// The file with the bearer token cannot be read.
    #[error("OAUTHBEARER: cannot read the token from {path}: {source}")]
    TokenFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Credentials that the mechanism cannot carry.
    #[error("{mechanism}: {what}")]
    Credentials {
        /// The mechanism.
        mechanism: &'static str,
        /// What is wrong with them, without showing them.
        what: &'static str,
    },
}

fn offers(offered: &[String]) -> String {
    if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") }
}

fn reason(message: &str) -> impl fmt::Display + '_ {
    let separator = if message.is_empty() { "" } else { ": " };
    fmt::from_fn(move |f| write!(f, "{separator}{message}"))
}

/// Authenticates on a fresh connection, within `limit`. The client id stays unset: the broker needs none here.
///
/// # Errors
/// See [`AuthError`]; the connection is of no more use then.
pub async fn authenticate<S>(stream: &mut S, sasl: &Sasl, limit: Duration) -> Result<Session, AuthError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mechanism = sasl.mechanism();
    let mut dialogue = Dialogue { stream, mechanism, correlation: 0, session: Session::default() };
    match timeout(limit, dialogue.run(sasl)).await {
        Ok(outcome) => outcome.map(|()| dialogue.session),
        Err(_) => Err(AuthError::Timeout { mechanism, limit }),
    }
}

/// One authentication in progress.
struct Dialogue<'s, S> {
    stream: &'s mut S,
    mechanism: &'static str,
    correlation: i32,
    session: Session,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    async fn run(&mut self, sasl: &Sasl) -> Result<(), AuthError> {
        self.handshake().await?;
        match sasl {
            Sasl::Plain { username, password } => {
                let message = plain_message(username, password)?;
                self.send(message.as_bytes()).await.map(drop)
            }
            Sasl::Scram { hash, username, password, token_auth } => {
                let first = ClientFirst::new(*hash, username, *token_auth)?;
                self.scram(first, password).await
            }
            Sasl::OauthBearer { token, extensions } => {
                let token = self.token(token.clone()).await?;
                self.bearer(&bearer_message(&token, extensions)?).await
            }
        }
    }

    async fn handshake(&mut self) -> Result<(), AuthError> {
        let mut body = Vec::new();
        wire::put_string(&mut body, self.mechanism, false);
        let answer = self.call(SASL_HANDSHAKE, &body).await?;
        let (code, offered) = read_handshake(&answer).map_err(|e| self.exchange_error(e.into()))?;
        let mechanism = self.mechanism;
        match code {
            Code::NONE => Ok(()),
            Code::UNSUPPORTED_SASL_MECHANISM => Err(AuthError::Mechanism { mechanism, offered }),
            Code::ILLEGAL_SASL_STATE => Err(AuthError::NoSasl { mechanism }),
            code => Err(AuthError::Refused { mechanism, code, message: String::new() }),
        }
    }

    async fn scram(&mut self, first: ClientFirst, password: &Secret) -> Result<(), AuthError> {
        let server_first = self.send(first.message().as_bytes()).await?;
        let password = password.clone();
        // The iterations may cost a second of CPU: not on a thread that serves other connections.
        let derived = tokio::task::spawn_blocking(move || first.answer(&server_first, &password)).await;
        let last = derived.map_err(|e| self.exchange_error(std::io::Error::other(e).into()))??;
        let server_final = self.send(last.message().as_bytes()).await?;
        Ok(last.verify(&server_final)?)
    }

    async fn token(&self, token: Token) -> Result<Secret, AuthError> {
        // A file may lie on a slow disk: not on a thread that serves other connections.
        let read = tokio::task::spawn_blocking(move || token.now()).await;
        read.map_err(|e| self.exchange_error(std::io::Error::other(e).into()))?
    }

    async fn bearer(&mut self, message: &str) -> Result<(), AuthError> {
        let answer = self.send(message.as_bytes()).await?;
        if answer.is_empty() {
            return Ok(());
        }
        // RFC 7628 section 3.2.3: a challenge is the error, and the client must say ^A before the server fails.
        let detail = printable(&answer);
        let message = match self.send(&[1]).await {
            // Kafka repeats the detail in its final words; others say there what they did not say before.
            Err(AuthError::Refused { message, .. }) if message.contains(&detail) => message,
            Err(AuthError::Refused { message, .. }) => format!("{message} {detail}"),
            _ => detail,
        };
        Err(AuthError::Refused { mechanism: self.mechanism, code: Code::SASL_AUTHENTICATION_FAILED, message })
    }

    /// One SaslAuthenticate round; returns the server's bytes.
    async fn send(&mut self, auth_bytes: &[u8]) -> Result<Vec<u8>, AuthError> {
        let mut body = (auth_bytes.len() as i32).to_be_bytes().to_vec();
        body.extend_from_slice(auth_bytes);
        let answer = self.call(SASL_AUTHENTICATE, &body).await?;
        let round = Round::read(&answer).map_err(|e| self.exchange_error(e.into()))?;
        if !round.code.is_ok() {
            let (mechanism, code, message) = (self.mechanism, round.code, round.message);
            return Err(AuthError::Refused { mechanism, code, message });
        }
        self.session.lifetime = round.lifetime;
        Ok(round.auth_bytes)
    }

    async fn call(&mut self, key: i16, body: &[u8]) -> Result<Bytes, AuthError> {
        let correlation = CorrelationId(self.correlation);
        self.correlation += 1;
        let call = Call { key, version: 1, correlation, client_id: None, body };
        let answer = call.run(self.stream, ANSWER_MAX).await;
        answer.map_err(|source| self.exchange_error(source))
    }

    fn exchange_error(&self, source: ExchangeError) -> AuthError {
        AuthError::Exchange { mechanism: self.mechanism, source }
    }
}

/// An answer to SaslAuthenticate v1.
struct Round {
    code: Code,
    message: String,
    auth_bytes: Vec<u8>,
    lifetime: Option<Duration>,
}

impl Round {
    fn read(body: &[u8]) -> wire::Result<Self> {
        let mut r = Reader::new(body);
        let code = Code(r.i16()?);
        let message = r.string_bytes(false)?.map(printable).unwrap_or_default();
        let auth_bytes = r.bytes(false)?.unwrap_or_default().to_vec();
        let lifetime = u64::try_from(r.i64()?).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        Ok(Self { code, message, auth_bytes, lifetime })
    }
}

fn read_handshake(body: &[u8]) -> wire::Result<(Code, Vec<String>)> {
    let mut r = Reader::new(body);
    let code = Code(r.i16()?);
    let count = r.array_len(false, 2)?.unwrap_or(0);
    let offered = (0..count).map(|_| r.string(false).map(str::to_owned)).collect::<wire::Result<_>>()?;
    Ok((code, offered))
}
