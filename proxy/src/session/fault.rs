//! Why a connection ended other than by its peers' wish: one log line and one counter each.

use kafka::wire::WireError;

use crate::facade::proxy_header::{HeaderError, ReadError};
use crate::reason::Reason;
use crate::steer::held::NoRoom;

/// The name of the bound per address.
pub const PER_IP: &str = "limits.connections_per_ip";

/// The fault; its [`reason`](Fault::reason) is a label of `tidegate_rejected_total`.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A TLS handshake on a listener that speaks plain TCP.
    #[error(
        "the client speaks TLS, this listener does not: use security.protocol=PLAINTEXT or SASL_PLAINTEXT, or give the listener a certificate"
    )]
    TlsOnPlain,
    /// An HTTP request on a Kafka listener.
    #[error("the client speaks HTTP on a Kafka listener; the admin port is another one")]
    Http,
    /// A frame length below a header's, or negative, or above `limits.frame`.
    #[error("frame of impossible length {0}, more than `limits.frame` or less than a header")]
    FrameLength(i64),
    /// A request that contradicts its schema.
    #[error("malformed {api} v{version} request: {source}")]
    Malformed {
        /// The API's name.
        api: &'static str,
        /// The request's version.
        version: i16,
        /// What is wrong with it.
        source: WireError,
    },
    /// A version of an API that carries addresses and that we cannot walk, in spite of the ApiVersions answer.
    #[error("{api} v{version} is newer than this gateway understands, and its answer may carry addresses")]
    Version {
        /// The API's name.
        api: &'static str,
        /// The request's version.
        version: i16,
    },
    /// The broker answered what nobody asked, out of order, or against its schema.
    #[error("broker's answer: {0}")]
    Answer(String),
    /// No broker could be reached.
    #[error("no broker can be reached for this connection: {0}")]
    Upstream(String),
    /// A broker that a client read from as a follower, or that had never answered it, stopped answering.
    #[error("the broker stopped answering: its client is sent to look for another")]
    Gone,
    /// Nothing sensible came within `limits.handshake`.
    #[error("no TLS handshake within `limits.handshake`")]
    Handshake,
    /// No request's header came within `limits.handshake`; everyday for a port that is only probed.
    #[error("no request within `limits.handshake`")]
    Silent,
    /// Nothing moved for `limits.idle`, and no answer was due; everyday.
    #[error("idle for `limits.idle`")]
    Idle,
    /// A TLS handshake that failed.
    #[error("TLS handshake: {0}")]
    Tls(std::io::Error),
    /// A client certificate that `listeners[].tls.identities` does not name.
    #[error("the certificate's subject {0:?} is not in `tls.identities`")]
    NotMapped(String),
    /// The brokers do not take the credentials that a client's certificate stands for.
    #[error("the brokers refuse the identity of this client's certificate: {0}")]
    Identity(String),
    /// SASL where the certificate says who the client is.
    #[error("the client tries SASL, but its certificate says who it is here: use security.protocol=SSL")]
    SaslBesideCertificate,
    /// A load balancer's header that is missing or wrong.
    #[error("{0}")]
    ProxyHeader(#[from] HeaderError),
    /// A PROXY protocol header where none is read.
    #[error("a PROXY protocol header from an address that is not in this listener's `proxy_protocol.from`")]
    ProxyUntrusted,
    /// What descriptors are left are the gateway's own.
    #[error(
        "{open} of {limit} file descriptors are open: raise the process's limit (LimitNOFILE, ulimit -n)"
    )]
    Descriptors {
        /// How many are open.
        open: u64,
        /// How many may be.
        limit: u64,
    },
    /// `limits.connections` or `limits.connections_per_ip` is reached.
    #[error("too many connections: `{0}` is reached")]
    TooMany(&'static str),
    /// There was nowhere to keep an answer that had begun.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// A socket failed; everyday, counted but not logged as a warning.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
}

impl Fault {
    /// What it is counted under.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TlsOnPlain => Reason::TlsOnPlain,
            Self::Http => Reason::Http,
            Self::FrameLength(_) => Reason::FrameLength,
            Self::Malformed { .. } => Reason::Malformed,
            Self::Version { .. } => Reason::Version,
            Self::Answer(_) => Reason::Answer,
            Self::Upstream(_) => Reason::Upstream,
            Self::Gone => Reason::BrokerGone,
            Self::Handshake => Reason::HandshakeTimeout,
            Self::Tls(_) => Reason::Tls,
            Self::NotMapped(_) => Reason::CertificateNotMapped,
            Self::Identity(_) => Reason::IdentityRefused,
            Self::SaslBesideCertificate => Reason::SaslBesideCertificate,
            Self::ProxyHeader(HeaderError::Missing) => Reason::ProxyHeaderMissing,
            Self::ProxyHeader(HeaderError::Version1) => Reason::ProxyHeaderVersion1,
            Self::ProxyHeader(HeaderError::Malformed(_)) => Reason::ProxyHeaderMalformed,
            Self::ProxyHeader(HeaderError::Late) => Reason::ProxyHeaderTimeout,
            Self::ProxyUntrusted => Reason::ProxyHeaderUntrusted,
            Self::Descriptors { .. } => Reason::Descriptors,
            Self::Silent => Reason::FirstRequestTimeout,
            Self::Idle => Reason::Idle,
            Self::TooMany(PER_IP) => Reason::TooManyConnectionsPerIp,
            Self::TooMany(_) => Reason::TooManyConnections,
            Self::NoRoom(_) => Reason::InFlightBytes,
            Self::Io(_) => Reason::Io,
        }
    }

    /// A broker's answer that can't be right.
    pub fn answer(what: impl ToString) -> Self {
        Self::Answer(what.to_string())
    }

    /// What a frame's first bytes tell when its length is impossible.
    pub fn of_length(front: &[u8], length: i64) -> Self {
        match front {
            [0x16, 0x03, ..] => Self::TlsOnPlain,
            [b'\r', b'\n', b'\r', b'\n', ..] | [b'P', b'R', b'O', b'X', ..] => Self::ProxyUntrusted,
            [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', ..] | [b'H', b'E', b'A', b'D', ..] => {
                Self::Http
            }
            [b'P', b'U', b'T', b' ', ..] | [b'O', b'P', b'T', b'I', ..] => Self::Http,
            _ => Self::FrameLength(length),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error.into(),
            ReadError::Header(error) => error.into(),
        }
    }
}
