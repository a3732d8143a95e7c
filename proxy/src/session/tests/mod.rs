//! What a session promises: over bytes alone where a decision is meant, over loopback sockets where the relay is.

mod answers;
mod behalf;
mod idle;
mod lane;
mod leaving;
mod passing;
mod refusals;
mod relay;
mod renewal;
mod sasl;
mod traces;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use kafka::api::{request_header_version, response_header_version};
use kafka::wire::put_string;
use proptest::sample::Index;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::core::Core;
use super::fault::Fault;
use super::lane::{Lane, Step};
use crate::app::testing;
use crate::view::View;

const OFFSET_COMMIT: i16 = 8;

/// A peer's bytes in pieces, one to a read.
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    fn of(bytes: &[u8], cuts: &[Index]) -> Self {
        let mut edges: Vec<_> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
        edges.extend([0, bytes.len()]);
        edges.sort_unstable();
        edges.dedup();
        Self(edges.windows(2).map(|w| bytes[w[0]..w[1]].to_vec()).collect())
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A peer that takes a few bytes at a time, and only every other time it is asked. Bytes count as sent once flushed.
#[derive(Default)]
struct Slow {
    taken: Vec<u8>,
    sent: usize,
    busy: bool,
}

const TAKES_AT_ONCE: usize = 61;

impl AsyncWrite for Slow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.busy = !self.busy;
        if self.busy {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = buf.len().min(TAKES_AT_ONCE);
        self.taken.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sent = self.taken.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One direction as the relay drives it, until its source has no more or a frame is held.
fn drive(
    lane: &mut Lane,
    from: &mut Pieces,
    to: &mut Slow,
    mut parser: impl FnMut(&mut [u8]) -> Result<Step, Fault>,
) -> Result<(), Fault> {
    let turns = async {
        loop {
            lane.parse(&mut parser)?;
            poll_fn(|cx| lane.poll_write(cx, &mut *to)).await?;
            if lane.held.is_some() {
                return Ok(());
            }
            if !lane.has_work() && poll_fn(|cx| lane.poll_read(cx, &mut *from)).await? == 0 {
                return Ok(());
            }
        }
    };
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(turns)
}

/// What the broker gets of these requests.
fn up(core: &mut Core, bytes: &[u8], cuts: &[Index]) -> Result<Vec<u8>, Fault> {
    let (mut lane, mut broker) = (Lane::default(), Slow::default());
    drive(&mut lane, &mut Pieces::of(bytes, cuts), &mut broker, |b| core.request(b))?;
    assert_eq!(broker.sent, broker.taken.len(), "what was written is flushed");
    Ok(broker.taken)
}

/// What the client gets of these answers.
fn down(core: &mut Core, bytes: &[u8], cuts: &[Index]) -> Result<Vec<u8>, Fault> {
    let (mut lane, mut client) = (Lane::default(), Slow::default());
    drive(&mut lane, &mut Pieces::of(bytes, cuts), &mut client, |b| core.answer(b))?;
    assert_eq!(client.sent, client.taken.len(), "what was written is flushed");
    Ok(client.taken)
}

/// A session at broker 1's endpoint; topic t's partitions are led by 1 and 2.
fn core() -> Core {
    testing::core(view(), 1, 1)
}

fn view() -> View {
    let t = testing::topic("t", &[(Some(1), &[1, 2, 3]), (Some(2), &[1, 2, 3])]);
    View::of(testing::three(), vec![t])
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as i32).to_be_bytes(), payload].concat()
}

/// A request frame by a client that calls itself "client".
fn request(key: i16, version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let mut payload = [key.to_be_bytes(), version.to_be_bytes()].concat();
    payload.extend_from_slice(&correlation_id.to_be_bytes());
    put_string(&mut payload, "client", false);
    if request_header_version(key, version) >= 2 {
        payload.push(0);
    }
    payload.extend_from_slice(body);
    framed(&payload)
}

/// An answer frame.
fn answer(key: i16, version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let mut payload = correlation_id.to_be_bytes().to_vec();
    if response_header_version(key, version) >= 1 {
        payload.push(0);
    }
    payload.extend_from_slice(body);
    framed(&payload)
}

/// A Produce v3 body: no transactional id, these acks, and something behind.
fn produce(acks: i16, rest: &[u8]) -> Vec<u8> {
    [&[0xff, 0xff], &acks.to_be_bytes()[..], rest].concat()
}
