//! One large read beneath TLS.
//!
//! rustls asks its socket for 4 KiB at a time: five system calls for a record of 16 KiB, most of what TLS costs besides the cipher. This reads as much
//! as a relay buffer takes and hands it on in pieces. The buffer is borrowed while there is something in it, never while the connection is idle.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffer::Buffer;

/// A stream that is read in large gulps.
#[derive(Debug)]
pub struct Gulp<S> {
    inner: S,
    buffer: Option<Buffer>,
    from: usize,
    to: usize,
}

impl<S> Gulp<S> {
    /// Around a stream of which nothing has been read.
    pub fn new(inner: S) -> Self {
        Self { inner, buffer: None, from: 0, to: 0 }
    }

    /// Whether bytes are in hand that need no system call.
    pub fn has_bytes(&self) -> bool {
        self.from < self.to
    }
}

impl<S: AsyncRead + Unpin> Gulp<S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = Buffer::take();
        let mut room = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut room))?;
        (self.from, self.to) = (0, room.filled().len());
        self.buffer = Some(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gulp<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.has_bytes() {
            ready!(this.poll_fill(cx))?;
        }
        let Some(buffer) = &this.buffer else { return Poll::Ready(Ok(())) };
        let n = out.remaining().min(this.to - this.from);
        out.put_slice(&buffer[this.from..this.from + n]);
        this.from += n;
        if !this.has_bytes() {
            this.buffer = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gulp<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_read_in_pieces_is_what_was_written_and_nothing_is_borrowed_in_between() {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        let mut gulp = Gulp::new(far);
        let sent: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        near.write_all(&sent).await.expect("room");
        let mut got = Vec::new();
        let mut piece = [0; 4096];
        while got.len() < sent.len() {
            let n = gulp.read(&mut piece).await.expect("bytes");
            got.extend_from_slice(&piece[..n]);
        }
        assert_eq!(got, sent);
        assert!(gulp.buffer.is_none() && !gulp.has_bytes());
        drop(near);
        assert_eq!(gulp.read(&mut piece).await.expect("the end"), 0);
    }
}
