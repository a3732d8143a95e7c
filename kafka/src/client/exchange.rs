//! One request out, one answer in: the framing shared by SASL and [`Connection`](super::Connection).

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::api;
use crate::types::CorrelationId;
use crate::wire::{Reader, WireError};

/// The longest answer that is read, in bytes. A Metadata answer for a million partitions has about 50 MB.
pub(super) const ANSWER_MAX: usize = 64 << 20;

/// The shortest answer: a correlation id.
const ANSWER_MIN: usize = 4;

/// What an answer's buffer starts with; it grows with the bytes that come, not with the length that is declared.
const FIRST_READ: usize = 4 << 10;

/// Why a request got no usable answer. After any of these the connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The socket failed.
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    /// The broker hung up instead of answering.
    #[error(
        "the broker closed the connection without an answer (a listener does so that wants TLS or SASL, \
         or no plaintext)"
    )]
    Closed,
    /// A plaintext request went to a TLS listener.
    #[error("the server answers in TLS: this listener wants `tls`")]
    SpeaksTls,
    /// Not a Kafka port at all.
    #[error("the server answers in HTTP: this is no Kafka port")]
    SpeaksHttp,
    /// A frame length that cannot be true, or above the limit.
    #[error("answer with impossible length {declared} (limit {limit} bytes)")]
    FrameLength {
        /// The length as sent.
        declared: i32,
        /// The limit in force.
        limit: usize,
    },
    /// The answer belongs to another request.
    #[error("answer to request {got} where {sent} was sent")]
    Correlation {
        /// What we sent.
        sent: i32,
        /// What came back.
        got: i32,
    },
    /// An answer that does not follow its schema.
    #[error("malformed answer: {0}")]
    Malformed(#[from] WireError),
    /// The request, or the client id in it, is too long to be framed.
    #[error("{0} bytes are too many for a frame or its client id")]
    TooLong(usize),
}

/// A request and where its answer is expected.
pub(super) struct Call<'a> {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) correlation: CorrelationId,
    pub(super) client_id: Option<&'a str>,
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    /// Sends the request and reads its answer; returns the answer's body.
    pub(super) async fn run<S>(&self, stream: &mut S, limit: usize) -> Result<Bytes, ExchangeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let frame = self.frame()?;
        stream.write_all(&frame).await.map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        self.body_of(read_frame(stream, limit).await?)
    }

    fn frame(&self) -> Result<Vec<u8>, ExchangeError> {
        let id_len = self.client_id.map_or(0, str::len);
        i16::try_from(id_len).map_err(|_| ExchangeError::TooLong(id_len))?;
        let mut out = vec![0; 4];
        out.extend_from_slice(&self.key.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.correlation.0.to_be_bytes());
        // The client id keeps its old encoding in flexible headers too (KIP-482).
        crate::wire::put_nullable_string(&mut out, self.client_id, false);
        if api::request_header_version(self.key, self.version) >= 2 {
            out.push(0);
        }
        out.extend_from_slice(self.body);
        let length = i32::try_from(out.len() - 4).map_err(|_| ExchangeError::TooLong(out.len()))?;
        out[..4].copy_from_slice(&length.to_be_bytes());
        Ok(out)
    }

    fn body_of(&self, answer: Bytes) -> Result<Bytes, ExchangeError> {
        let mut r = Reader::new(&answer);
        let got = r.i32()?;
        if got != self.correlation.0 {
            return Err(ExchangeError::Correlation { sent: self.correlation.0, got });
        }
        r.skip_tags(api::response_header_version(self.key, self.version) >= 1)?;
        let start = r.position();
        Ok(answer.slice(start..))
    }
}

async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S, limit: usize) -> Result<Bytes, ExchangeError> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.map_err(closed)?;
    let length = believe(prefix, limit)?;
    let mut answer = Vec::with_capacity(length.min(FIRST_READ));
    stream.take(length as u64).read_to_end(&mut answer).await.map_err(closed)?;
    if answer.len() < length {
        return Err(ExchangeError::Closed);
    }
    Ok(answer.into())
}

fn closed(error: io::Error) -> ExchangeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ExchangeError::Closed
        }
        _ => ExchangeError::Io(error),
    }
}

/// Checks a length prefix; what other protocols say first reads as a huge length and is named.
fn believe(prefix: [u8; 4], limit: usize) -> Result<usize, ExchangeError> {
    let declared = i32::from_be_bytes(prefix);
    match usize::try_from(declared) {
        Ok(length) if (ANSWER_MIN..=limit).contains(&length) => Ok(length),
        _ => Err(match &prefix {
            // A TLS alert (21) or handshake (22) record of any version.
            [21 | 22, 3, 0..=4, _] => ExchangeError::SpeaksTls,
            b"HTTP" => ExchangeError::SpeaksHttp,
            _ => ExchangeError::FrameLength { declared, limit },
        }),
    }
}
