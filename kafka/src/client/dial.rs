//! From a host name to a connected stream: every address of the name is tried, within one time limit.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use super::tls::{ClientTls, TlsError};

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name could not be resolved.
    #[error("{host}: name not resolved: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's reason.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{host}: the name has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// The host cannot be verified by a certificate.
    #[error(transparent)]
    Name(#[from] TlsError),
    /// Every address was tried, or the time ran out before.
    #[error("{host}:{port}: {}", listed(attempts))]
    Failed {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// What happened at each address, in order.
        attempts: Vec<Attempt>,
    },
}

/// What happened at one address.
#[derive(Debug)]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// Why it did not work.
    pub reason: AttemptError,
}

/// Why one address did not work.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// No TCP connection.
    #[error("{0}")]
    Tcp(io::Error),
    /// No TCP connection, or no finished TLS handshake, within this address's share of the time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The server hung up during the TLS handshake, which is what a plaintext Kafka listener does.
    #[error("the server closed the connection during the TLS handshake: is this a plaintext listener?")]
    HungUp,
    /// The server's bytes are not TLS.
    #[error("the server does not speak TLS: is this a plaintext listener?")]
    NotTls,
    /// TLS failed: certificate, name, version.
    #[error("TLS: {0}")]
    Tls(io::Error),
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)
    }
}

fn listed(attempts: &[Attempt]) -> String {
    attempts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The longest time limit that is honoured; a longer one would only risk the clock's arithmetic.
const LIMIT_MAX: Duration = Duration::from_secs(3_600);

/// The moment at which `limit`, counted from now, is over.
pub(super) fn deadline_in(limit: Duration) -> Instant {
    Instant::now() + limit.min(LIMIT_MAX)
}

/// Connects to `host`:`port`, trying every address of the name in the resolver's order until one works.
/// `limit` bounds the whole; each address gets an equal share of what is left of it, TLS handshake included.
///
/// # Errors
/// See [`DialError`]; it lists every address with its reason.
pub async fn dial(
    host: &str,
    port: u16,
    tls: Option<&ClientTls>,
    limit: Duration,
) -> Result<Stream, DialError> {
    let deadline = deadline_in(limit);
    let secure = tls.map(|t| Ok::<_, TlsError>((connector(t), t.name_for(host)?))).transpose()?;
    let addresses = resolve(host, port, deadline).await?;
    try_all(&addresses, secure.as_ref(), deadline).await.map_err(|attempts| DialError::Failed {
        host: host.to_owned(),
        port,
        attempts,
    })
}

/// Tries addresses in order; each gets an equal share of the time that is left.
pub(super) async fn try_all(
    addresses: &[SocketAddr],
    secure: Option<&(TlsConnector, ServerName<'static>)>,
    deadline: Instant,
) -> Result<Stream, Vec<Attempt>> {
    let mut attempts = Vec::with_capacity(addresses.len());
    for (tried, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - tried) as u32;
        match timeout(share, connect(address, secure)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(reason)) => attempts.push(Attempt { address, reason }),
            Err(_) => attempts.push(Attempt { address, reason: AttemptError::Timeout(share) }),
        }
    }
    Err(attempts)
}

fn connector(tls: &ClientTls) -> TlsConnector {
    TlsConnector::from(tls.config())
}

async fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |source| DialError::Resolve { host: host.to_owned(), source };
    let found = timeout_at(deadline, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(DialError::NoAddress { host: host.to_owned() });
    }
    Ok(addresses)
}

async fn connect(
    address: SocketAddr,
    secure: Option<&(TlsConnector, ServerName<'static>)>,
) -> Result<Stream, AttemptError> {
    let tcp = TcpStream::connect(address).await.map_err(AttemptError::Tcp)?;
    tcp.set_nodelay(true).map_err(AttemptError::Tcp)?;
    let Some((connector, name)) = secure else { return Ok(Stream::Plain(tcp)) };
    let tls = connector.connect(name.clone(), tcp).await.map_err(tls_failure)?;
    Ok(Stream::Tls(Box::new(tls)))
}

/// Tells a listener that is not TLS from TLS that went wrong.
fn tls_failure(error: io::Error) -> AttemptError {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match (error.kind(), inner) {
        (_, Some(rustls::Error::InvalidMessage(_))) => AttemptError::NotTls,
        (io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset, _) => AttemptError::HungUp,
        _ => AttemptError::Tls(error),
    }
}
