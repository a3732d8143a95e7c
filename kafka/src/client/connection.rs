//! One authenticated connection to one broker, one request at a time.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::dial::deadline_in;
use super::exchange::{ANSWER_MAX, Call, ExchangeError};
use super::sasl::Session;
use super::security::{OpenError, Security, open_session};
use super::stream::Stream;
use super::versions::{self, ApiVersions};
use crate::api::{self, API_VERSIONS};
use crate::code::Code;
use crate::types::CorrelationId;

/// The versions of ApiVersions that are tried, in this order: 3 names our software, 0 is known to every broker.
const VERSIONS_TRIED: [i16; 2] = [3, 0];

/// How connections are made. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// TLS and identity.
    pub security: Security,
    /// `client.id` of our requests, which brokers log and hold quotas against.
    pub client_id: String,
    /// Bounds name, TCP, TLS, SASL and ApiVersions together.
    pub connect_timeout: Duration,
    /// Bounds each request after that.
    pub call_timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not dialled, or not let in.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Let in, but the broker did not say what it can do.
    #[error("{host}:{port}: {source}")]
    Versions {
        /// The dialled host.
        host: String,
        /// The dialled port.
        port: u16,
        /// The reason.
        source: CallError,
    },
}

/// Why a call got no answer. The connection is poisoned then, except after [`CallError::Unsupported`].
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No usable answer.
    #[error("{api}: {source}")]
    Exchange {
        /// The API's name.
        api: &'static str,
        /// What happened.
        source: ExchangeError,
    },
    /// No answer in time.
    #[error("{api}: no answer within {} ms", limit.as_millis())]
    Timeout {
        /// The API's name.
        api: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The broker does not offer this version; nothing was sent.
    #[error("{api}: version {version} is not offered by the broker ({offered:?})")]
    Unsupported {
        /// The API's name.
        api: &'static str,
        /// The version asked for.
        version: i16,
        /// What the broker offers.
        offered: Option<RangeInclusive<i16>>,
    },
    /// The broker answered an error where there is no going on.
    #[error("{api}: {code}")]
    Refused {
        /// The API's name.
        api: &'static str,
        /// The code.
        code: Code,
    },
    /// An earlier call failed or was dropped half-way, so answers can no longer be told apart.
    #[error("the connection is poisoned by an earlier failure")]
    Poisoned,
}

/// An authenticated connection whose broker has said what it can do.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    client_id: String,
    call_timeout: Duration,
    session: Session,
    versions: ApiVersions,
    next: i32,
    poisoned: bool,
}

impl Connection {
    /// Dials, authenticates and asks for ApiVersions.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(dialer: &Dialer, host: &str, port: u16) -> Result<Self, ConnectError> {
        let deadline = deadline_in(dialer.connect_timeout);
        let (stream, session) = open_session(&dialer.security, host, port, dialer.connect_timeout).await?;
        let mut connection = Self {
            stream,
            client_id: dialer.client_id.clone(),
            call_timeout: deadline.saturating_duration_since(Instant::now()),
            session,
            versions: ApiVersions::default(),
            next: 0,
            poisoned: false,
        };
        let negotiated = connection.negotiate().await;
        connection.versions =
            negotiated.map_err(|source| ConnectError::Versions { host: host.to_owned(), port, source })?;
        connection.call_timeout = dialer.call_timeout;
        Ok(connection)
    }

    /// What the broker can do.
    pub fn versions(&self) -> &ApiVersions {
        &self.versions
    }

    /// How long the broker lets this session live, from when it was opened.
    pub fn session(&self) -> Session {
        self.session
    }

    /// Whether an earlier call failed or was dropped half-way.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Sends `body` as a request and returns the answer's body, both without headers.
    ///
    /// # Errors
    /// See [`CallError`]. Nothing is retried.
    pub async fn call(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Bytes, CallError> {
        let offered = self.versions.range(key);
        if !offered.as_ref().is_some_and(|range| range.contains(&version)) {
            return Err(CallError::Unsupported { api: api::name_of(key), version, offered });
        }
        self.exchange(key, version, body).await
    }

    /// Gives the stream away, to be used as a raw connection.
    ///
    /// # Errors
    /// [`CallError::Poisoned`]: an answer may still be on its way.
    pub fn into_stream(self) -> Result<Stream, CallError> {
        if self.poisoned { Err(CallError::Poisoned) } else { Ok(self.stream) }
    }

    async fn negotiate(&mut self) -> Result<ApiVersions, CallError> {
        let api = api::name_of(API_VERSIONS);
        for version in VERSIONS_TRIED {
            let body = versions::request(version);
            let answer = self.exchange(API_VERSIONS, version, &body).await?;
            match versions::decode(&answer, version) {
                Ok((Code::NONE, offered)) => return Ok(offered),
                Ok((Code::UNSUPPORTED_VERSION, _)) => {}
                Ok((code, _)) => return Err(CallError::Refused { api, code }),
                Err(e) => return Err(CallError::Exchange { api, source: e.into() }),
            }
        }
        Err(CallError::Refused { api, code: Code::UNSUPPORTED_VERSION })
    }

    async fn exchange(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Bytes, CallError> {
        if self.poisoned {
            return Err(CallError::Poisoned);
        }
        let (api, limit) = (api::name_of(key), self.call_timeout);
        let correlation = CorrelationId(self.next);
        self.next = self.next.wrapping_add(1);
        let call = Call { key, version, correlation, client_id: Some(&self.client_id), body };
        // Poisoned until the answer is there: a caller that drops this future leaves an answer on its way.
        self.poisoned = true;
        let answer = timeout(limit, call.run(&mut self.stream, ANSWER_MAX)).await;
        let answer = answer.map_err(|_| CallError::Timeout { api, limit })?;
        let answer = answer.map_err(|source| CallError::Exchange { api, source })?;
        self.poisoned = false;
        Ok(answer)
    }
}
