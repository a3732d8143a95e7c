//! A longer way: everything a client sends arrives later. Answers are not slowed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Bytes of a request that are looked at together: those of a GET come at once.
const CHUNK: usize = 64 << 10;

/// The way, until it is dropped.
pub(super) struct Slow {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Slow {
    /// Begins before `behind`.
    pub(super) fn before(behind: SocketAddr, delay: Duration) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, behind, delay));
            }
        });
        Ok(Self { address, runtime: Some(runtime) })
    }

    /// Where it begins.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connection(client: TcpStream, behind: SocketAddr, delay: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(behind).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let up = tokio::spawn(later(from_client, to_server, delay));
    tokio::io::copy(&mut from_server, &mut to_client).await?;
    up.abort();
    Ok(())
}

async fn later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        // The way's length, not a wait for something.
        tokio::time::sleep(delay).await;
        to.write_all(&chunk[..read]).await?;
    }
}
