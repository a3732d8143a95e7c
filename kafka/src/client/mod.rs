//! A small Kafka client: dialling, TLS, SASL, one request at a time, and the cluster's metadata.
//!
//! It is what the gateway needs for its own questions, and it opens the authenticated streams on which the
//! gateway fetches on a client's behalf. It is no consumer, as a producer it only writes again what was written once, and it retries
//! nothing by itself.

mod bootstrap;
mod connection;
mod credentials;
mod dial;
mod exchange;
pub mod log;
pub mod markers;
pub mod metadata;
pub mod produce;
pub mod rights;
mod sasl;
mod scram;
mod secret;
mod security;
mod stream;
mod text;
pub mod tls;
mod token;
pub mod topics;
mod versions;

pub use bootstrap::{Bootstrap, NoBroker};
pub use connection::{CallError, ConnectError, Connection, Dialer};
pub use credentials::Sasl;
pub use dial::{Attempt, AttemptError, DialError, dial};
pub use exchange::ExchangeError;
pub use sasl::{AuthError, Session, authenticate};
pub use scram::{ScramError, ScramHash};
pub use secret::Secret;
pub use security::{OpenError, Security, open, open_session};
pub use stream::Stream;
pub use tls::{ClientTls, TlsError, certificates, client_config, server_config};
pub use token::Token;
pub use versions::ApiVersions;

#[cfg(test)]
mod tests;
