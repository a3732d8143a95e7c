//! One direction of a session: bytes read, settled by a parser, and written on.
//!
//! A buffer is held only while there are bytes in hand. What a parser cannot settle yet, because a field or a frame is
//! cut, is carried to the front of the next buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffer::{Buffer, LARGE, SMALL};

/// What a parser says of the bytes before it.
#[derive(Debug)]
pub enum Step {
    /// This many bytes go on as they now stand.
    Forward(usize),
    /// This many bytes go out as these instead.
    Replace(usize, Vec<u8>),
    /// Nothing can be said before this many bytes, counted from here, are there.
    NeedMore(usize),
    /// This many bytes, a whole frame, are taken out; nothing more is parsed until it has been dealt with.
    Hold(usize),
    /// Nothing more is parsed or read for now; the same bytes are offered again later.
    Stop,
}

/// What happens once the settled bytes are written.
#[derive(Debug)]
enum Then {
    /// The rest is parsed.
    Parse,
    /// These go out first.
    Write(Vec<u8>, usize),
    /// The rest is carried until this many bytes are there.
    Carry(usize),
}

/// Bytes in hand: `[sent, settled)` is to be written, `[settled, filled)` to be parsed.
#[derive(Debug)]
struct Work {
    buffer: Buffer,
    sent: usize,
    settled: usize,
    filled: usize,
    then: Then,
    /// When these bytes arrived, for the few that are timed.
    timed: Option<Instant>,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Lane {
    work: Option<Work>,
    carry: Vec<u8>,
    need: usize,
    unflushed: bool,
    /// Whether the parser stopped at what is in hand.
    stopped: bool,
    /// How long the last timed bytes took from their arrival to their last write.
    pub took: Option<Duration>,
    /// Set when a byte is read or written; whoever looks at it clears it.
    pub moved: bool,
    /// The frame taken out, if there is one.
    pub held: Option<Vec<u8>>,
    /// The reading side has ended.
    pub ended: bool,
}

impl Lane {
    /// Whether everything read has been parsed and written.
    pub fn is_idle(&self) -> bool {
        self.work.is_none() && self.carry.is_empty() && !self.unflushed
    }

    /// Parses what is in hand as far as it goes.
    pub fn parse<E>(&mut self, mut parser: impl FnMut(&mut [u8]) -> Result<Step, E>) -> Result<(), E> {
        self.stopped = false;
        let Some(w) = self.work.as_mut() else { return Ok(()) };
        while w.settled < w.filled && self.held.is_none() && matches!(w.then, Then::Parse) {
            match parser(&mut w.buffer[w.settled..w.filled])? {
                Step::Forward(n) => w.settled += n,
                Step::Stop => {
                    self.stopped = true;
                    break;
                }
                Step::NeedMore(n) => w.then = Then::Carry(n),
                Step::Replace(n, bytes) => {
                    w.then = Then::Write(bytes, n);
                }
                Step::Hold(n) => {
                    self.held = Some(w.buffer[w.settled..w.settled + n].to_vec());
                    // The frame is stepped over like a replacement by nothing.
                    w.then = Then::Write(Vec::new(), n);
                }
            }
        }
        Ok(())
    }

    /// Writes what is settled. Ready once there is nothing left to write and the rest, if any, wants parsing.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut to: impl AsyncWrite + Unpin,
    ) -> Poll<io::Result<()>> {
        while let Some(w) = self.work.as_mut() {
            while w.sent < w.settled {
                let written = Pin::new(&mut to).poll_write(cx, &w.buffer[w.sent..w.settled])?;
                let Poll::Ready(n) = written else {
                    // A receiver that is slow is not time that we added.
                    w.timed = None;
                    return Poll::Pending;
                };
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                (w.sent, self.unflushed, self.moved) = (w.sent + n, true, true);
            }
            match &mut w.then {
                Then::Write(bytes, consumed) => {
                    let mut at = 0;
                    while at < bytes.len() {
                        match Pin::new(&mut to).poll_write(cx, &bytes[at..])? {
                            Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                            Poll::Ready(n) => at += n,
                            Poll::Pending => {
                                bytes.drain(..at);
                                return Poll::Pending;
                            }
                        }
                        (self.unflushed, self.moved) = (true, true);
                    }
                    w.settled += *consumed;
                    w.sent = w.settled;
                    w.then = Then::Parse;
                }
                Then::Carry(need) => {
                    self.need = *need;
                    self.carry = w.buffer[w.settled..w.filled].to_vec();
                    self.work = None;
                    break;
                }
                Then::Parse if w.settled == w.filled => {
                    self.took = w.timed.map(|at| at.elapsed());
                    self.work = None;
                    break;
                }
                Then::Parse => break,
            }
        }
        // A held frame, and one that is not taken yet, waits for the answers to what stands before it.
        if self.unflushed && (self.work.is_none() || self.held.is_some() || self.stopped) {
            ready!(Pin::new(&mut to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether bytes are carried that mean nothing before more have come.
    pub fn carries(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Whether everything settled is out, and the parser wants no more for now.
    pub fn is_stopped(&self) -> bool {
        self.stopped && !self.unflushed && self.work.as_ref().is_some_and(|w| w.sent == w.settled)
    }

    /// Whether bytes are in hand that want parsing.
    pub fn has_work(&self) -> bool {
        self.work.is_some()
    }

    /// Whether anything that was settled has not gone out, down to the last flush.
    pub fn has_unsent(&self) -> bool {
        self.work.is_some() || self.unflushed
    }

    /// Reads more, into a buffer that is taken only for as long as the read is at work. Ready with the number of
    /// bytes read; 0 at the end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut from: impl AsyncRead + Unpin,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.need > LARGE {
                match ready!(self.poll_grow(cx, &mut from))? {
                    0 => return Poll::Ready(Ok(0)),
                    n if self.work.is_some() => return Poll::Ready(Ok(n)),
                    _ => continue,
                }
            }
            let mut buffer = self.buffer();
            let carried = self.carry.len();
            buffer[..carried].copy_from_slice(&self.carry);
            let mut room = ReadBuf::new(&mut buffer[carried..]);
            ready!(Pin::new(&mut from).poll_read(cx, &mut room))?;
            let n = room.filled().len();
            if n == 0 {
                self.ended = true;
                return Poll::Ready(Ok(0));
            }
            self.moved = true;
            let filled = carried + n;
            if filled < self.need {
                self.carry.extend_from_slice(&buffer[carried..filled]);
                continue;
            }
            (self.carry, self.need) = (Vec::new(), 0);
            let timed = timed();
            self.work = Some(Work { buffer, sent: 0, settled: 0, filled, then: Then::Parse, timed });
            return Poll::Ready(Ok(n));
        }
    }

    /// Reads into the carried bytes themselves, which become the buffer once a frame longer than any buffer is whole.
    /// It gets room as it arrives, not as it announces itself.
    fn poll_grow(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let carried = self.carry.len();
        self.carry.resize(self.need.min(carried + SMALL), 0);
        let mut room = ReadBuf::new(&mut self.carry[carried..]);
        let polled = Pin::new(from).poll_read(cx, &mut room);
        let n = room.filled().len();
        self.carry.truncate(carried + n);
        ready!(polled)?;
        (self.ended, self.moved) = (n == 0, self.moved || n > 0);
        if n > 0 && self.carry.len() >= self.need {
            let buffer = Buffer::from(std::mem::take(&mut self.carry));
            let filled = buffer.len();
            self.need = 0;
            self.work = Some(Work { buffer, sent: 0, settled: 0, filled, then: Then::Parse, timed: None });
        }
        Poll::Ready(Ok(n))
    }

    /// A buffer with room for what is needed.
    fn buffer(&self) -> Buffer {
        let pooled = Buffer::take();
        let wanted = self.need.max(self.carry.len() + 1);
        if pooled.len() >= wanted { pooled } else { Buffer::of(wanted) }
    }
}

/// One read in this many is timed: often enough to know the distribution, seldom enough to cost nothing.
const TIMED_EVERY: u32 = 64;

/// The time, for one call in [`TIMED_EVERY`].
fn timed() -> Option<Instant> {
    thread_local! {
        static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }
    let n = CALLS.get().wrapping_add(1);
    CALLS.set(n);
    n.is_multiple_of(TIMED_EVERY).then(Instant::now)
}
