//! A throw-away certificate for the TLS runs, and the client side that trusts it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where the certificate's files are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub pem: PathBuf,
}

/// The client's side: TLS 1.3, AES-256-GCM only, so that every server has the same work.
#[derive(Clone)]
pub struct ClientTls(Arc<rustls::ClientConfig>);

impl ClientTls {
    /// Connects over `socket`.
    pub async fn connect(&self, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, socket).await
    }

    /// The same over a blocking socket; the handshake happens with the first bytes.
    pub fn wrap(&self, socket: std::net::TcpStream) -> anyhow::Result<BlockingTls> {
        let connection =
            rustls::ClientConnection::new(Arc::clone(&self.0), ServerName::try_from("localhost")?)?;
        Ok(rustls::StreamOwned::new(connection, socket))
    }
}

/// A blocking TLS stream.
pub type BlockingTls = rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>;

/// Makes a certificate for localhost in `folder`.
pub fn make(folder: &Path) -> anyhow::Result<(Files, ClientTls)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let files =
        Files { cert: folder.join("cert.pem"), key: folder.join("key.pem"), pem: folder.join("both.pem") };
    for (path, text) in [(&files.cert, &cert), (&files.key, &key), (&files.pem, &format!("{cert}{key}"))] {
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS13_AES_256_GCM_SHA384];
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((files, ClientTls(Arc::new(config))))
}
