//! `cluster`: the Kafka that is already there, and how the gateway itself reaches it.

use std::path::PathBuf;

use crate::{HostPort, Secret};

/// The Kafka cluster behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Brokers to ask first; at least one.
    pub bootstrap: Vec<HostPort>,
    /// TLS towards the brokers, for the gateway's own and its clients' connections. `None`: plain TCP.
    pub tls: Option<ClientTls>,
    /// The gateway's own principal. Clients' connections carry the clients' own authentication.
    pub auth: Option<Auth>,
}

/// TLS towards brokers. Certificates are always verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM file of the authorities to trust.
    pub ca: Option<PathBuf>,
    /// PEM file of the gateway's own certificate chain; there exactly when `key` is.
    pub cert: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// The name certificates must hold instead of the host dialled.
    pub server_name: Option<String>,
}

/// How the gateway authenticates itself to brokers (SASL).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// RFC 4616.
    Plain {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// RFC 5802, RFC 7677.
    Scram {
        /// The hash, by mechanism name.
        sha: Sha,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// RFC 7628 (KIP-255).
    OauthBearer {
        /// The bearer token.
        token: Secret,
    },
}

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}
