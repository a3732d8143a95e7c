//! One connection of the load.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{Cell, Counters, Direction};
use crate::frames::{self, FetchSession};

/// Produce requests in flight on one connection: the Java producer's default.
const OUTSTANDING: usize = 5;
/// Fetch versions, by connection in turn: with node endpoints by topic id, and without by topic name.
const FETCH_VERSIONS: [i16; 3] = [17, 16, 12];
/// One read takes this much at most.
const READ_MAX: usize = 256 << 10;

thread_local! {
    /// All connections read into one buffer; none holds it while it waits.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_MAX]);
}

/// One connection of the load.
pub(super) struct Peer {
    pub(super) cell: Cell,
    pub(super) request: Arc<[u8]>,
    pub(super) counters: Arc<Counters>,
    pub(super) nth: usize,
}

impl Peer {
    /// Runs the load until it is dropped or fails.
    pub(super) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let hello = frames::api_versions_request();
        stream.write_all(&hello).await?;
        stream.flush().await?;
        crate::broker::read_frame(&mut stream).await?;
        match self.cell.direction {
            Direction::Produce => self.produce(stream).await,
            Direction::Fetch => self.fetch(stream).await,
        }
    }

    async fn produce(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let (mut outstanding, mut correlation, mut first) = (0, 10i32, true);
        let answer = frames::produce_answer(0).len();
        let mut pending = 0; // bytes of an answer that has come in part
        loop {
            while outstanding < OUTSTANDING {
                let (head, body) = self.request.split_at(frames::REQUEST_CORRELATION_AT);
                let id = correlation.to_be_bytes();
                let correlated = Buf::chain(head, &id[..]);
                stream.write_all_buf(&mut correlated.chain(&body[4..])).await?;
                stream.flush().await?;
                self.counters.bytes.fetch_add(self.request.len() as u64, Ordering::Relaxed);
                correlation = correlation.wrapping_add(1);
                outstanding += 1;
            }
            pending += self.read(&mut stream).await?;
            let complete = pending / answer;
            pending %= answer;
            outstanding -= complete;
            self.answered(complete, first);
            first &= complete == 0;
        }
    }

    async fn fetch(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let version = FETCH_VERSIONS[self.nth % FETCH_VERSIONS.len()];
        let (mut session, mut first) = (FetchSession::default(), true);
        loop {
            let request = frames::fetch_request(version, session.epoch, session, self.cell.frame);
            stream.write_all(&request).await?;
            stream.flush().await?;
            self.counters.bytes.fetch_add(request.len() as u64, Ordering::Relaxed);
            let mut left = self.cell.frame;
            while left > 0 {
                let n = self.read(&mut stream).await?;
                left =
                    left.checked_sub(n).ok_or_else(|| io::Error::other("an answer longer than asked for"))?;
            }
            session = FetchSession {
                id: frames::SESSION_ID,
                epoch: session.epoch.wrapping_add(1).max(1),
                offset: session.offset + 1,
            };
            self.answered(1, first);
            first = false;
        }
    }

    fn answered(&self, answers: usize, first: bool) {
        self.counters.answers.fetch_add(answers as u64, Ordering::Relaxed);
        if first && answers > 0 {
            self.counters.ready.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reads what is there, counts it and throws it away.
    async fn read(&self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let n = poll_fn(|cx| {
            READ.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                Pin::new(&mut *stream).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
            })
        })
        .await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.counters.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
