//! A blocking client that asks one thing at a time: for readiness and for latency.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use socket2::{Domain, Socket, Type};

use crate::frames;
use crate::tls::{BlockingTls, ClientTls};

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// An answer longer than this is not ours: 10,000 topics of 10 partitions are below 8 MiB.
const FRAME_MAX: usize = 64 << 20;
/// Receive buffer and segment size of a narrow connection, in bytes.
const NARROW_BUFFER: usize = 4 << 10;
const NARROW_SEGMENT: u32 = 1400;

/// One connection.
pub struct Probe {
    stream: Stream,
    answer: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<BlockingTls>),
}

impl Probe {
    /// Connects, without asking anything.
    pub fn connect(addr: SocketAddr, tls: Option<ClientTls>) -> anyhow::Result<Self> {
        Self::over(TcpStream::connect_timeout(&addr, ANSWER_MAX)?, tls)
    }

    fn over(socket: TcpStream, tls: Option<ClientTls>) -> anyhow::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(tls) => Stream::Tls(Box::new(tls.wrap(socket)?)),
        };
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Connects with a receive buffer and segments as small as the kernel allows, so that an answer that nobody
    /// reads lies in the relay and not in sockets.
    pub fn connect_narrow(addr: SocketAddr, tls: Option<ClientTls>) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_recv_buffer_size(NARROW_BUFFER)?;
        socket.set_tcp_mss(NARROW_SEGMENT)?;
        socket.connect_timeout(&addr.into(), ANSWER_MAX)?;
        Self::over(socket.into(), tls)
    }

    /// Gives back the memory of the last answer.
    pub fn forget_answer(mut self) -> Self {
        self.answer = Vec::new();
        self
    }

    /// Sends a request frame and leaves its answer lying.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        match &mut self.stream {
            Stream::Plain(s) => send(s, request),
            Stream::Tls(s) => send(s, request),
        }
    }

    /// Whether a broker answers ApiVersions and Metadata at `addr`. Metadata too, because Kroxylicious closes the
    /// connections of clients until it has seen its first answer to that.
    pub fn hello(addr: SocketAddr, tls: Option<ClientTls>) -> anyhow::Result<()> {
        let mut probe = Self::connect(addr, tls)?;
        probe.call(&frames::api_versions_request())?;
        probe.call(&frames::metadata_request(2)).map(drop)
    }

    /// Sends a request frame; the payload of its answer.
    pub fn call(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        match &mut self.stream {
            Stream::Plain(s) => call(s, request, &mut self.answer)?,
            Stream::Tls(s) => call(s, request, &mut self.answer)?,
        }
        let at = frames::REQUEST_CORRELATION_AT;
        ensure!(self.answer.starts_with(&request[at..at + 4]), "an answer to another request");
        Ok(&self.answer)
    }

    /// The payload of the last answer.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// How long a request takes until its whole answer is here.
    pub fn time(&mut self, request: &[u8]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.call(request)?;
        Ok(start.elapsed())
    }
}

fn send(stream: &mut impl Write, request: &[u8]) -> anyhow::Result<()> {
    stream.write_all(request)?;
    Ok(stream.flush()?)
}

fn call(stream: &mut (impl Read + Write), request: &[u8], answer: &mut Vec<u8>) -> anyhow::Result<()> {
    send(stream, request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).context("no answer")?;
    let length = usize::try_from(i32::from_be_bytes(length))?;
    ensure!((4..=FRAME_MAX).contains(&length), "an answer of {length} bytes");
    answer.resize(length, 0);
    Ok(stream.read_exact(answer)?)
}
