//! A fake broker: reads requests and answers each by a script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::api;
use crate::client::{Dialer, Security};
use crate::wire::{self, Reader};

/// Long enough for a loaded machine; no test waits for it to pass.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) correlation: i32,
    pub(super) client_id: Option<String>,
    pub(super) body: Vec<u8>,
}

/// What a fake broker does about a request.
pub(super) enum Reply {
    /// Answers with this body, framed and under the right header.
    Body(Vec<u8>),
    /// Sends these bytes as they are.
    Raw(Vec<u8>),
    /// Hangs up.
    Close,
    /// Says nothing and keeps the connection.
    Silence,
}

/// One connection's script.
pub(super) type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

/// Listens until it is dropped.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// A plaintext broker; `script` makes the script of each connection.
    pub(super) async fn plain(script: impl Fn() -> Script + Send + 'static) -> Self {
        Self::start(None, script).await
    }

    /// A TLS broker.
    pub(super) async fn tls(
        config: Arc<rustls::ServerConfig>,
        script: impl Fn() -> Script + Send + 'static,
    ) -> Self {
        Self::start(Some(config.into()), script).await
    }

    async fn start(tls: Option<TlsAcceptor>, script: impl Fn() -> Script + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (script, tls) = (script(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, script).await,
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => serve(stream, script).await,
                            Err(e) => Err(e),
                        },
                    }
                });
            }
        });
        Self { address, task }
    }

    pub(super) fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn server(&self) -> (String, u16) {
        (self.host(), self.port())
    }
}

/// A port on which nobody listens at 127.0.0.2 and up: everybody here binds 127.0.0.1.
pub(super) async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, mut script: Script) -> std::io::Result<()> {
    loop {
        let length = stream.read_u32().await? as usize;
        if length > 1 << 20 {
            return Ok(()); // As Kafka does with a TLS hello on a plaintext listener.
        }
        let mut frame = vec![0; length];
        stream.read_exact(&mut frame).await?;
        let request = parse(&frame).expect("our own request is well-formed");
        match script(&request) {
            Reply::Body(body) => stream.write_all(&framed(&request, &body)).await?,
            Reply::Raw(bytes) => stream.write_all(&bytes).await?,
            Reply::Close => return stream.shutdown().await,
            Reply::Silence => {}
        }
        stream.flush().await?;
    }
}

fn parse(frame: &[u8]) -> wire::Result<Request> {
    let mut r = Reader::new(frame);
    let (key, version, correlation) = (r.i16()?, r.i16()?, r.i32()?);
    let client_id = r.nullable_string(false)?.map(str::to_owned);
    r.skip_tags(api::request_header_version(key, version) >= 2)?;
    let body = frame[r.position()..].to_vec();
    Ok(Request { key, version, correlation, client_id, body })
}

/// `body` as the answer to `request`.
pub(super) fn framed(request: &Request, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&request.correlation.to_be_bytes());
    if api::response_header_version(request.key, request.version) >= 1 {
        out.push(0);
    }
    out.extend_from_slice(body);
    let length = out.len() as u32 - 4;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// An ApiVersions answer in the layout of the request's version.
pub(super) fn api_versions(request: &Request, ranges: &[(i16, i16, i16)]) -> Vec<u8> {
    let flexible = request.version >= 3;
    let mut out = vec![0, 0];
    wire::put_array_len(&mut out, ranges.len(), flexible);
    for (key, min, max) in ranges {
        for n in [key, min, max] {
            out.extend_from_slice(&n.to_be_bytes());
        }
        if flexible {
            out.push(0);
        }
    }
    if flexible {
        out.extend_from_slice(&[0, 0, 0, 0, 0]); // throttle time, no tags
    }
    out
}

/// Offers Metadata up to `max` and leaves the rest to `script`.
pub(super) fn offering_metadata(
    max: i16,
    mut script: impl FnMut(&Request) -> Reply + Send + 'static,
) -> Script {
    Box::new(move |request| match request.key {
        api::API_VERSIONS => Reply::Body(api_versions(request, &[(3, 0, max), (18, 0, 4)])),
        _ => script(request),
    })
}

/// A dialer with enough patience and nothing else.
pub(super) fn dialer(security: Security) -> Dialer {
    Dialer { security, client_id: "tester".to_owned(), connect_timeout: PATIENCE, call_timeout: PATIENCE }
}
