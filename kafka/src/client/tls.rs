//! TLS settings from PEM files. The crypto provider is named (ring), verification is always on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Why TLS settings could not be made. Every message names the file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate authority was named. There are no built-in ones: a cluster's authority is usually private.
    #[error("no certificate authority: name the PEM file that signs the brokers' certificates (`ca`)")]
    NoCa,
    /// A certificate without its key, or the reverse.
    #[error("a client certificate needs both `cert` and `key`; only `{given}` is given")]
    HalfIdentity {
        /// Which of the two is there.
        given: &'static str,
    },
    /// A file that could not be read.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system or the PEM parser says.
        reason: String,
    },
    /// A file without the thing it should hold.
    #[error("{path}: holds no {wanted}{hint}", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What seems to be there instead, with its punctuation; or empty.
        hint: &'static str,
    },
    /// A file whose content rustls refuses.
    #[error("{path}: {source}", path = path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: rustls::Error,
    },
    /// The client authority's store could not be made into a verifier.
    #[error("{path}: {reason}", path = path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// Its reason.
        reason: String,
    },
    /// The provider supports none of the protocol versions.
    #[error("TLS provider: {0}")]
    Provider(rustls::Error),
    /// A server name that is neither a DNS name nor an IP address.
    #[error("`{0}` is neither a DNS name nor an IP address, so no certificate can be checked against it")]
    ServerName(String),
}

/// What a client needs to speak TLS to a broker. Cheap to clone; clones share what [`ClientTls::renew`] replaces.
#[derive(Clone)]
pub struct ClientTls {
    /// Roots, optional client certificate, protocol versions.
    config: Arc<ArcSwap<ClientConfig>>,
    /// The name to ask for (SNI) and to check the certificate against, if not the dialled host's.
    pub server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Combines a configuration with the name to verify, if it is not the host that is dialled.
    ///
    /// # Errors
    /// [`TlsError::ServerName`].
    pub fn new(config: Arc<ClientConfig>, server_name: Option<&str>) -> Result<Self, TlsError> {
        let config = Arc::new(ArcSwap::new(config));
        Ok(Self { config, server_name: server_name.map(parse_server_name).transpose()? })
    }

    /// The configuration for a connection that is made now.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.config.load_full()
    }

    /// Replaces roots and certificate for all connections to come, of every clone.
    pub fn renew(&self, config: Arc<ClientConfig>) {
        self.config.store(config);
    }

    /// The name to verify when `host` is dialled.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] if none is set and `host` is not a name a certificate can carry.
    pub(super) fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_server_name(host),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds the client's private key: it is left out, whatever rustls prints.
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// A client's configuration: `ca` signs the brokers; `cert` and `key` identify the client, if the brokers ask.
///
/// # Errors
/// See [`TlsError`]; `ca` is required.
pub fn client_config(
    ca: Option<&Path>,
    cert: Option<&Path>,
    key: Option<&Path>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let ca = ca.ok_or(TlsError::NoCa)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(roots(ca)?);
    let config = match (cert, key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(TlsError::HalfIdentity { given: "cert" }),
        (None, Some(_)) => return Err(TlsError::HalfIdentity { given: "key" }),
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|source| refused(cert, source))?,
    };
    Ok(Arc::new(config))
}

/// A server's configuration: its chain and key, and the authority of client certificates if they are required.
///
/// # Errors
/// See [`TlsError`].
pub fn server_config(
    cert: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
                .build()
                .map_err(|e| TlsError::Verifier { path: ca.to_owned(), reason: e.to_string() })?,
        ),
    };
    let config = builder
        .with_single_cert(certificates(cert)?, private_key(key)?)
        .map_err(|source| refused(cert, source))?;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|source| refused(path, source))?;
    }
    Ok(store)
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// See [`TlsError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|e| broken_pem(path, &e))?;
    if found.is_empty() {
        return Err(missing(path, "certificate", &pem));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| match e {
        pem::Error::NoItemsFound => missing(path, "private key", &pem),
        other => broken_pem(path, &other),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path)
        .map_err(|e| TlsError::Unreadable { path: path.to_owned(), reason: format!("cannot be read: {e}") })
}

fn broken_pem(path: &Path, error: &pem::Error) -> TlsError {
    TlsError::Unreadable { path: path.to_owned(), reason: format!("not valid PEM: {error}") }
}

fn refused(path: &Path, source: rustls::Error) -> TlsError {
    TlsError::Refused { path: path.to_owned(), source }
}

fn missing(path: &Path, wanted: &'static str, pem: &[u8]) -> TlsError {
    let text = String::from_utf8_lossy(pem);
    let hint = if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        " (the key in it is encrypted: decrypt it first, for example with `openssl pkey`)"
    } else if text.contains("PRIVATE KEY-----") {
        " (there is a private key in it: are the two files swapped?)"
    } else if text.contains("BEGIN CERTIFICATE") {
        " (there is a certificate in it: are the two files swapped?)"
    } else if !text.contains("-----BEGIN") {
        " (it is not PEM at all: convert DER, JKS or PKCS#12 first)"
    } else {
        ""
    };
    TlsError::Missing { path: path.to_owned(), wanted, hint }
}
