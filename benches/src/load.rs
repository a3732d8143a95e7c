//! Closed-loop load from one thread: N connections, each producing with a few requests outstanding or
//! fetching one after the other, as real clients do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::frames;
use crate::tls::ClientTls;

mod peer;

use peer::Peer;

/// How long all connections may take to their first answer.
const READY_MAX: Duration = Duration::from_secs(30);

/// Which way the bulk of the bytes goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Produce: large requests, answers of 60 bytes.
    Produce,
    /// Fetch: requests of about 100 bytes, large answers.
    Fetch,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Cell {
    /// Direction of the bulk.
    pub direction: Direction,
    /// Bytes of a large frame, its length prefix included.
    pub frame: usize,
    /// Connections.
    pub connections: usize,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = match self.direction {
            Direction::Produce => 'p',
            Direction::Fetch => 'f',
        };
        let frame = match self.frame >> 10 {
            k if k >= 1024 => format!("{}M", k >> 10),
            k => format!("{k}K"),
        };
        write!(f, "{letter}/{frame}/{}", self.connections)
    }
}

#[derive(Default)]
struct Counters {
    bytes: AtomicU64,
    answers: AtomicU64,
    ready: AtomicU64,
    failed: AtomicU64,
}

/// Load under way; ends when dropped.
pub struct Load {
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts the load of `cell` on `addr` and returns once every connection has had its first answer.
    pub fn start(addr: SocketAddr, cell: Cell, tls: Option<ClientTls>) -> anyhow::Result<Self> {
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&counters);
        let thread = std::thread::Builder::new().name("load".into()).spawn(move || {
            if let Err(error) = run(addr, cell, tls, &shared, stopped) {
                shared.failed.fetch_add(1, Ordering::Relaxed);
                eprintln!("load {cell}: {error:#}");
            }
        })?;
        let load = Self { counters, stop: Some(stop), thread: Some(thread) };
        load.wait_ready(cell)?;
        Ok(load)
    }

    fn wait_ready(&self, cell: Cell) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_MAX;
        while self.counters.ready.load(Ordering::Relaxed) < cell.connections as u64 {
            self.check()?;
            ensure!(Instant::now() < deadline, "{cell}: not all connections got an answer in {READY_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Bytes of requests and answers so far, as the client sees them (under TLS: the plain ones).
    pub fn bytes(&self) -> u64 {
        self.counters.bytes.load(Ordering::Relaxed)
    }

    /// Answers so far.
    pub fn answers(&self) -> u64 {
        self.counters.answers.load(Ordering::Relaxed)
    }

    /// Fails if any connection did.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.counters.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            n => bail!("{n} connections of the load failed"),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

fn run(
    addr: SocketAddr,
    cell: Cell,
    tls: Option<ClientTls>,
    counters: &Arc<Counters>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let request: Arc<[u8]> = frames::produce_request(cell.frame).into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for n in 0..cell.connections {
            let socket = TcpStream::connect(addr).await.with_context(|| format!("connection {n}"))?;
            socket.set_nodelay(true)?;
            let peer = Peer { cell, request: Arc::clone(&request), counters: Arc::clone(counters), nth: n };
            let tls = tls.clone();
            tokio::spawn(async move {
                let result = match tls {
                    None => peer.serve(socket).await,
                    Some(tls) => match tls.connect(socket).await {
                        Ok(stream) => peer.serve(stream).await,
                        Err(error) => Err(error),
                    },
                };
                if let Err(error) = result {
                    peer.counters.failed.fetch_add(1, Ordering::Relaxed);
                    eprintln!("load {cell}, connection {n}: {error}");
                }
            });
        }
        let _ = stopped.await;
        anyhow::Ok(())
    })
}
