//! A fake broker on a thread of its own: speaks just enough Kafka that a gateway takes it for a cluster of
//! one, and as cheaply as it can, so that the relay under test is what is measured.
//!
//! It answers a Fetch with a frame of the size that the request's max bytes name, so it needs no settings
//! per measurement. It takes any SASL credentials and never checks a record.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::answers;
use crate::frames;
use crate::splitter::{Request, Splitter};

/// One Fetch answer in this many carries node endpoints, where its version can.
const ENDPOINTS_EVERY: u32 = 16;
/// One read takes this much at most.
const READ_MAX: usize = 256 << 10;

/// A running fake broker; stops when dropped.
pub struct Broker {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the cluster of one holds.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    /// How many topics Metadata lists beside the one of the load.
    pub count: usize,
    /// Partitions of each.
    pub partitions: usize,
}

impl Broker {
    /// Starts one on `port` of the loopback. `send_buffer` bounds the kernel's memory per connection in bytes.
    pub fn start(port: u16, topics: Topics, send_buffer: Option<u32>) -> anyhow::Result<Self> {
        let listener = listen(port)?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("fake-broker".into()).spawn(move || {
            if let Err(error) = run(listener, topics, send_buffer, stopped) {
                eprintln!("fake broker: {error:#}");
            }
        })?;
        Ok(Self { addr, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

fn listen(port: u16) -> anyhow::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

struct State {
    addr: SocketAddr,
    topics: Topics,
    metadata: RefCell<HashMap<i16, Bytes>>,
    fetches: RefCell<HashMap<(i16, usize, bool), Bytes>>,
    send_buffer: Option<u32>,
}

fn run(
    listener: std::net::TcpListener,
    topics: Topics,
    send_buffer: Option<u32>,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let addr = listener.local_addr()?;
    let state = Rc::new(State {
        addr,
        topics,
        metadata: RefCell::default(),
        fetches: RefCell::default(),
        send_buffer,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::from_std(listener)?;
        tokio::select! {
            biased;
            _ = stopped => Ok(()),
            result = accept(listener, state) => result,
        }
    })
}

async fn accept(listener: TcpListener, state: Rc<State>) -> anyhow::Result<()> {
    loop {
        let (socket, _) = listener.accept().await.context("accept")?;
        socket.set_nodelay(true)?;
        if let Some(bytes) = state.send_buffer {
            socket2::SockRef::from(&socket).set_send_buffer_size(bytes as usize)?;
        }
        let state = Rc::clone(&state);
        tokio::task::spawn_local(async move {
            if let Err(error) = serve(socket, &state).await
                && !is_hang_up(&error)
            {
                eprintln!("fake broker: {error:#}");
            }
        });
    }
}

fn is_hang_up(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
}

thread_local! {
    /// All connections of the thread read into one buffer: nothing is kept across an await.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_MAX]);
}

async fn serve(mut socket: TcpStream, state: &State) -> anyhow::Result<()> {
    let (mut splitter, mut replies) = (Splitter::default(), Replies::default());
    loop {
        socket.readable().await?;
        let read = READ.with_borrow_mut(|buffer| match socket.try_read(buffer) {
            Ok(0) => Ok(false),
            Ok(n) => splitter.feed(&buffer[..n], |r| replies.push(&r, state)).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(e) => Err(e.into()),
        })?;
        if !read {
            return Ok(());
        }
        replies.send(&mut socket).await?;
    }
}

/// Answers that one read brought about, in order.
#[derive(Default)]
struct Replies {
    small: Vec<u8>,
    large: Vec<(i32, Bytes)>,
    fetched: u32,
    refused: Option<(i16, i16)>,
}

impl Replies {
    fn push(&mut self, r: &Request<'_>, state: &State) {
        match r.key {
            frames::PRODUCE => self.small.extend(frames::produce_answer(r.correlation)),
            frames::FETCH => self.push_fetch(r, state),
            frames::METADATA => {
                let mut known = state.metadata.borrow_mut();
                let frame = known
                    .entry(r.version)
                    .or_insert_with(|| answers::metadata(r.version, state.addr, state.topics).into());
                self.large.push((r.correlation, frame.clone()));
            }
            _ => match answers::small(r) {
                Some(frame) => self.small.extend(frame),
                None => self.refused = Some((r.key, r.version)),
            },
        }
    }

    fn push_fetch(&mut self, r: &Request<'_>, state: &State) {
        let Some(size) = frames::fetch_size_asked(r.payload, r.version) else {
            self.refused = Some((r.key, r.version));
            return;
        };
        self.fetched = self.fetched.wrapping_add(1);
        let endpoints = self.fetched.is_multiple_of(ENDPOINTS_EVERY);
        let mut known = state.fetches.borrow_mut();
        let frame = known.entry((r.version, size, endpoints)).or_insert_with(|| {
            let endpoint = endpoints.then_some(("127.0.0.1", state.addr.port()));
            frames::fetch_answer(r.version, size, endpoint).into()
        });
        self.large.push((r.correlation, frame.clone()));
    }

    async fn send(&mut self, socket: &mut TcpStream) -> anyhow::Result<()> {
        // No client of the benchmarks mixes the two kinds in one flight, so their order is theirs.
        socket.write_all(&self.small).await?;
        self.small.clear();
        for (correlation, frame) in self.large.drain(..) {
            let mut head = [0; 8];
            head[..4].copy_from_slice(&frame[..4]);
            head[4..].copy_from_slice(&correlation.to_be_bytes());
            socket.write_all_buf(&mut Buf::chain(&head[..], &frame[8..])).await?;
        }
        match self.refused.take() {
            Some((key, version)) => anyhow::bail!("does not know API {key} v{version}"),
            None => Ok(()),
        }
    }
}

/// Reads one frame and returns its payload; for clients of the benchmarks.
pub async fn read_frame(socket: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = socket.read_i32().await?;
    let Ok(length @ 0..=0x0400_0000) = usize::try_from(length) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    };
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).await?;
    Ok(payload)
}
