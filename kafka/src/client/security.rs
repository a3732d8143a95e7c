//! How a cluster is spoken to: in the clear or by TLS, and as whom.

use std::time::Duration;

use tokio::time::Instant;

use super::credentials::Sasl;
use super::dial::{DialError, deadline_in, dial};
use super::sasl::{AuthError, Session, authenticate};
use super::stream::Stream;
use super::tls::ClientTls;

/// TLS and identity towards one cluster. Cheap to clone; `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// TLS, if the listener wants it.
    pub tls: Option<ClientTls>,
    /// SASL, if the listener wants it.
    pub sasl: Option<Sasl>,
}

/// Why there is no authenticated connection.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A connection, but the broker did not let us in.
    #[error("{host}:{port}: {source}")]
    Auth {
        /// The dialled host.
        host: String,
        /// The dialled port.
        port: u16,
        /// The reason.
        source: AuthError,
    },
}

/// Dials and authenticates. The stream carries no unread byte and is ready for requests.
///
/// `limit` bounds the whole.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(security: &Security, host: &str, port: u16, limit: Duration) -> Result<Stream, OpenError> {
    open_session(security, host, port, limit).await.map(|(stream, _)| stream)
}

/// As [`open`], and says how long the broker lets the session live (KIP-368).
///
/// # Errors
/// See [`OpenError`].
pub async fn open_session(
    security: &Security,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<(Stream, Session), OpenError> {
    let deadline = deadline_in(limit);
    let mut stream = dial(host, port, security.tls.as_ref(), limit).await?;
    let Some(sasl) = &security.sasl else { return Ok((stream, Session::default())) };
    let left = deadline.saturating_duration_since(Instant::now());
    match authenticate(&mut stream, sasl, left).await {
        Ok(session) => Ok((stream, session)),
        Err(source) => Err(OpenError::Auth { host: host.to_owned(), port, source }),
    }
}
