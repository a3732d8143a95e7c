//! `listeners`: where clients connect.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::{Advertise, BrokerEndpoints, Zone};

/// One address clients bootstrap from, and the endpoints that stand for brokers behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Name, unique in the file; fleet members refer to it.
    pub name: String,
    /// Address of the bootstrap endpoint. Broker ports are bound on the same IP.
    pub bind: SocketAddr,
    /// Host that clients are told.
    pub advertise: Advertise,
    /// Where each broker answers.
    pub brokers: BrokerEndpoints,
    /// The zone of every client that comes in here, by the rule `listener`.
    pub zone: Option<Zone>,
    /// TLS towards clients. `None`: plain TCP.
    pub tls: Option<ServerTls>,
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM file of the certificate chain.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// PEM file of the authorities whose client certificates are required. `None`: none are asked for.
    pub client_ca: Option<PathBuf>,
}
