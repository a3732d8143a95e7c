//! A proxy before a real S3 server that does what networks and stores do on bad days, each time counted.
//!
//! It holds requests and answers whole, so it is for tests of what goes wrong, not of speed. The request goes on as it came,
//! host name included, so its signature stays valid.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::Server;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The store says no: status and code, `""` for an answer without a body. The request was not carried out.
    Answer(u16, &'static str),
    /// The request waits before it is passed on.
    Delay(Duration),
    /// The connection ends before the request is passed on.
    Close,
    /// The connection is reset before the request is passed on.
    Reset,
    /// The store carries the request out; the connection ends before the answer.
    LoseAnswer,
    /// After so many bytes of the answer's body the connection ends.
    Truncate(usize),
    /// After so many bytes of the answer's body the connection is reset.
    ResetBody(usize),
    /// This byte of the answer's body is another one.
    Flip(usize),
}

/// Which requests a fault happens to.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// To requests of this method.
    pub method: Method,
    /// Whose path and query hold this.
    pub holds: String,
    /// How often; then the rule is gone.
    pub times: usize,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    fired: HashMap<Fault, usize>,
}

/// The proxy; gone when dropped.
#[derive(Debug)]
pub struct Faults {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

impl Faults {
    /// Starts one before a server.
    pub fn before(server: &Server) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let behind: SocketAddr = server.address().parse()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let (address, state) = (listener.local_addr()?, Arc::<Mutex<State>>::default());
        runtime.spawn(accept(listener, behind, state.clone()));
        Ok(Self { address, state, runtime: Some(runtime) })
    }

    /// The URL to reach the server through the proxy.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule. Of several that fit a request, the first is applied.
    pub fn inject(&self, fault: Fault, method: Method, holds: &str, times: usize) {
        lock(&self.state).rules.push(Rule { fault, method, holds: holds.to_owned(), times });
    }

    /// Takes all rules away.
    pub fn calm(&self) {
        lock(&self.state).rules.clear();
    }

    /// How often a fault has happened.
    pub fn fired(&self, fault: Fault) -> usize {
        lock(&self.state).fired.get(&fault).copied().unwrap_or(0)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // A test's own runtime may be dropping it, and there a runtime mustn't wait for its threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fault that happens to a request, if one does.
fn choose(state: &Mutex<State>, request: &Request<Incoming>) -> Option<Fault> {
    let mut state = lock(state);
    let path = request.uri().path_and_query().map_or("", |p| p.as_str());
    let fits = |rule: &Rule| rule.method == *request.method() && path.contains(&rule.holds);
    let at = state.rules.iter().position(fits)?;
    let fault = state.rules[at].fault;
    state.rules[at].times -= 1;
    if state.rules[at].times == 0 {
        state.rules.remove(at);
    }
    *state.fired.entry(fault).or_default() += 1;
    Some(fault)
}

async fn accept(listener: std::net::TcpListener, behind: SocketAddr, state: Arc<Mutex<State>>) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(connection(client, behind, state.clone()));
    }
}

async fn connection(client: TcpStream, behind: SocketAddr, state: Arc<Mutex<State>>) -> Result<()> {
    client.set_nodelay(true)?;
    let client = Arc::new(client.into_std()?);
    let served = TcpStream::from_std(client.try_clone()?)?;
    let service = service_fn(|request| {
        let (fault, client) = (choose(&state, &request), client.clone());
        async move {
            let answer = answer(request, behind, fault).await;
            if matches!(fault, Some(Fault::Reset | Fault::ResetBody(_))) {
                // Closing then drops what is unsent and says RST.
                SockRef::from(&*client).set_linger(Some(Duration::ZERO))?;
            }
            answer
        }
    });
    let ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(served), service).await;
    ended.context("the connection ended")
}

async fn answer(
    request: Request<Incoming>,
    behind: SocketAddr,
    fault: Option<Fault>,
) -> Result<Response<Cut>> {
    match fault {
        Some(Fault::Answer(status, code)) => {
            request.into_body().collect().await?;
            return say(status, code);
        }
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(fault @ (Fault::Close | Fault::Reset)) => bail!("injected: {fault:?}"),
        _ => {}
    }
    let answer = forward(request, behind).await?;
    if fault == Some(Fault::LoseAnswer) {
        bail!("injected: the answer is lost");
    }
    Ok(answer.map(|body| Cut::new(body, fault)))
}

fn say(status: u16, code: &str) -> Result<Response<Cut>> {
    let body = match code {
        "" => Bytes::new(),
        _ => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>")
            .into(),
    };
    let answer = Response::builder().status(StatusCode::from_u16(status)?);
    Ok(answer.header(CONTENT_LENGTH, body.len()).body(Cut::new(body, None))?)
}

/// Passes a request on over a connection of its own, and takes the answer whole.
async fn forward(request: Request<Incoming>, behind: SocketAddr) -> Result<Response<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_head = head.method == Method::HEAD;
    let stream = TcpStream::connect(behind).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(Request::from_parts(head, Full::<Bytes>::new(body))).await?;
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    head.headers.remove(hyper::header::TRANSFER_ENCODING);
    if !is_head {
        head.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    Ok(Response::from_parts(head, body))
}

/// A body that may end before it should.
struct Cut {
    bytes: Option<Bytes>,
    /// What comes is followed by a failure, not by the end.
    fails: bool,
    flushed: bool,
}

impl Cut {
    fn new(bytes: Bytes, fault: Option<Fault>) -> Self {
        let (bytes, fails) = match fault {
            Some(Fault::Truncate(at) | Fault::ResetBody(at)) => (bytes.slice(..at.min(bytes.len())), true),
            Some(Fault::Flip(at)) => (flip(&bytes, at), false),
            _ => (bytes, false),
        };
        Self { bytes: Some(bytes), fails, flushed: false }
    }
}

fn flip(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x20;
    }
    bytes.into()
}

impl Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.fails {
            return Poll::Ready(None);
        }
        // Once not ready, so that what came before is sent before the failure.
        if !std::mem::replace(&mut self.flushed, true) {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::Error::other("injected: the body ends here"))))
    }
}
