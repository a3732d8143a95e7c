//! `cluster`: the Kafka that is already there, and how the gateway itself reaches it.

use std::path::PathBuf;

use super::certificates::CertificateFile;
use super::files::{Pem, pem, secret};
use super::hosts::is_host;
use crate::check::Check;
use crate::raw::cluster as raw;
use crate::tree::join;
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
    pub ca: Option<CertificateFile>,
    /// PEM file of the gateway's own certificate chain; there exactly when `key` is.
    pub cert: Option<CertificateFile>,
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
        token: Token,
    },
}

/// Where a bearer token comes from. Tokens live for minutes or hours and the gateway for longer: a file is read anew
/// for every session, the environment cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// From the environment, as it was when the configuration was loaded.
    Fixed(Secret),
    /// A file that held a token when the configuration was loaded.
    File(PathBuf),
}

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Cluster {
    pub(crate) fn check(raw: &raw::Cluster, check: &mut Check<'_>) -> Option<Self> {
        if raw.bootstrap.is_empty() {
            check.missing::<()>("cluster", "bootstrap", "[kafka-1:9092, kafka-2:9092]");
        }
        let bootstrap = check.list("cluster.bootstrap", &raw.bootstrap);
        let tls = raw.tls.as_ref().and_then(|tls| ClientTls::check(tls, check));
        let auth = raw.auth.as_ref().and_then(|auth| Auth::check(auth, "cluster.auth", check));
        if raw.tls.is_none() && auth.as_ref().is_some_and(Auth::is_clear) {
            check.warn("cluster.auth", "without cluster.tls the secret crosses the network in clear");
        }
        Some(Self { bootstrap: bootstrap.into_iter().map(|(_, server)| server).collect(), tls, auth })
    }
}

impl ClientTls {
    fn check(raw: &raw::ClientTls, check: &mut Check<'_>) -> Option<Self> {
        let at = "cluster.tls";
        if raw.ca.is_none() {
            check.missing::<()>(at, "ca", "ca.pem   # certificates are always verified");
        }
        match (&raw.cert, &raw.key) {
            (Some(_), None) => check.missing(at, "key", "client.key   # `cert` needs it"),
            (None, Some(_)) => check.missing(at, "cert", "client.pem   # `key` needs it"),
            _ => Some(()),
        };
        Some(Self {
            ca: CertificateFile::check(check, at, "ca", &raw.ca),
            cert: CertificateFile::check(check, at, "cert", &raw.cert),
            key: pem(check, at, "key", &raw.key, Pem::PrivateKey),
            server_name: server_name(check, raw),
        })
    }
}

fn server_name(check: &mut Check<'_>, raw: &raw::ClientTls) -> Option<String> {
    let name = check.read("cluster.tls", "server_name", &raw.server_name)?;
    if !is_host(&name) {
        let remedy = "write a DNS name or an IP address, without a port";
        check.wrong("cluster.tls.server_name", format!("`{name}` is not a host name"), remedy);
    }
    Some(name)
}

impl Auth {
    /// The settings at `at`.
    pub(crate) fn check(raw: &raw::Auth, at: &str, check: &mut Check<'_>) -> Option<Self> {
        let mechanism = check.need(at, "mechanism", &raw.mechanism, "SCRAM-SHA-512")?;
        if mechanism == raw::Mechanism::OauthBearer {
            return Some(Self::OauthBearer { token: token(raw, at, check)? });
        }
        let (username, password) = credentials(raw, at, check)?;
        Some(match mechanism {
            raw::Mechanism::ScramSha256 => Self::Scram { sha: Sha::Sha256, username, password },
            raw::Mechanism::ScramSha512 => Self::Scram { sha: Sha::Sha512, username, password },
            _ => Self::Plain { username, password },
        })
    }

    /// Whether the mechanism itself hides nothing.
    pub(crate) fn is_clear(&self) -> bool {
        !matches!(self, Self::Scram { .. })
    }
}

fn token(raw: &raw::Auth, at: &str, check: &mut Check<'_>) -> Option<Token> {
    for (key, given) in [("username", raw.username.is_some()), ("password", raw.password.is_some())] {
        if given {
            check.wrong(&join(at, key), "does not belong to OAUTHBEARER", "take it out, and write token");
        }
    }
    let path = join(at, "token");
    match &raw.token {
        Some(token) => {
            let now = secret(check, &path, token)?;
            Some(match check.read(&path, "file", &token.file) {
                Some(path) => Token::File(check.resolve(path)),
                None => Token::Fixed(now),
            })
        }
        None => check.missing(at, "token", "{file: /run/secrets/token}"),
    }
}

fn credentials(raw: &raw::Auth, at: &str, check: &mut Check<'_>) -> Option<(String, Secret)> {
    if raw.token.is_some() {
        check.wrong(
            &join(at, "token"),
            "belongs to OAUTHBEARER only",
            "take it out, or change the mechanism",
        );
    }
    let username = check.need(at, "username", &raw.username, "tidegate");
    let password = match &raw.password {
        Some(password) => secret(check, &join(at, "password"), password),
        None => check.missing(at, "password", "{file: /run/secrets/kafka}"),
    };
    username.zip(password)
}
