//! A Kafka connection without a Kafka client: bytes out, frames in.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::wire;
use socket2::{Domain, Socket, Type};

/// How long one read or write may block.
const PATIENCE: Duration = Duration::from_secs(20);

/// The largest answer a test will read, in bytes.
const FRAME_MAX: usize = 256 << 20;

/// A blocking connection; reads and writes give up after 20 s.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    correlation: i32,
}

impl Raw {
    /// Connects to `addr`, a `host:port`.
    pub fn connect(addr: impl ToSocketAddrs) -> Result<Self> {
        let addr = addr.to_socket_addrs()?.next().context("no address")?;
        let stream =
            TcpStream::connect_timeout(&addr, PATIENCE).with_context(|| format!("connect {addr}"))?;
        Self::over(stream)
    }

    /// Connects from another address of this machine (127.0.0.2).
    pub fn connect_from(from: IpAddr, addr: impl ToSocketAddrs) -> Result<Self> {
        let addr = addr.to_socket_addrs()?.next().context("no address")?;
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket
            .connect_timeout(&addr.into(), PATIENCE)
            .with_context(|| format!("connect {addr} from {from}"))?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, correlation: 0 })
    }

    /// The socket, for half-closing, timeouts and odd options.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are, without a length.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends one frame: the length, then `payload`.
    pub fn send(&mut self, payload: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 4);
        frame.extend_from_slice(&u32::try_from(payload.len())?.to_be_bytes());
        frame.extend_from_slice(payload);
        self.write(&frame)
    }

    /// Reads one frame and returns its payload, starting with the correlation id.
    pub fn recv(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("read a frame's length")?;
        let length = usize::try_from(i32::from_be_bytes(length)).context("negative frame length")?;
        ensure!(length <= FRAME_MAX, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).context("read a frame")?;
        Ok(payload)
    }

    /// Sends a request with a header of version `header` (0, 1 or 2) and returns the answer's payload from
    /// the correlation id on.
    pub fn call(&mut self, header: i16, api_key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
        self.correlation += 1;
        self.send(&request(header, api_key, version, self.correlation, "raw", body))?;
        let answer = self.recv()?;
        ensure!(answer.starts_with(&self.correlation.to_be_bytes()), "an answer to another request");
        Ok(answer)
    }

    /// Whether the other side closes the connection within `limit` (orderly or by reset).
    pub fn closes_within(&mut self, limit: Duration) -> Result<bool> {
        self.stream.set_read_timeout(Some(limit))?;
        let mut sink = [0; 4096];
        let closed = loop {
            match self.stream.read(&mut sink) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => break true,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    break false;
                }
                Err(e) => return Err(e.into()),
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE))?;
        Ok(closed)
    }
}

/// A request's payload: header version 0 has no client id, version 2 has tagged fields (KIP-482).
pub fn request(
    header: i16,
    api_key: i16,
    version: i16,
    correlation: i32,
    client: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 32);
    out.extend_from_slice(&api_key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&correlation.to_be_bytes());
    if header >= 1 {
        wire::put_string(&mut out, client, false);
    }
    if header >= 2 {
        out.push(0);
    }
    out.extend_from_slice(body);
    out
}
