//! Bodies of answers: bounded, complete, and copied once at most.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::error::of_body;
use crate::{Error, Kind};

/// Reads a body that must have `len` bytes. Waits `patience` for each piece.
pub(super) async fn read(
    what: &str,
    mut body: ByteStream,
    len: usize,
    patience: Duration,
) -> Result<Bytes, Error> {
    let Some(first) = piece(what, &mut body, patience).await? else { return check(what, Bytes::new(), len) };
    let Some(second) = piece(what, &mut body, patience).await? else { return check(what, first, len) };
    // The pieces are the connection's own buffers; one buffer for all of them is the one copy there is.
    let mut whole = BytesMut::with_capacity(len);
    let mut next = Some(second);
    whole.extend_from_slice(&first);
    while let Some(bytes) = next {
        if whole.len() + bytes.len() > len {
            return Err(wrong(what, whole.len() + bytes.len(), len));
        }
        whole.extend_from_slice(&bytes);
        next = piece(what, &mut body, patience).await?;
    }
    check(what, whole.freeze(), len)
}

async fn piece(what: &str, body: &mut ByteStream, patience: Duration) -> Result<Option<Bytes>, Error> {
    let slow = |_| Error::new(Kind::Transient, what, format!("the body stood still for {patience:?}"));
    let piece = timeout(patience, body.next()).await.map_err(slow)?;
    piece.transpose().map_err(|e| of_body(what, &e))
}

fn check(what: &str, body: Bytes, len: usize) -> Result<Bytes, Error> {
    if body.len() == len { Ok(body) } else { Err(wrong(what, body.len(), len)) }
}

fn wrong(what: &str, got: usize, len: usize) -> Error {
    Error::new(Kind::Corrupt, what, format!("{got} bytes came where {len} were due"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(body: &'static [u8], len: usize) -> Result<Bytes, Kind> {
        let body = ByteStream::from_static(body);
        read("get x", body, len, Duration::from_secs(60)).await.map_err(|e| e.kind)
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_corrupt() {
        assert_eq!(read_all(b"four", 4).await.unwrap(), "four");
        assert_eq!(read_all(b"", 0).await.unwrap(), "");
        assert_eq!(read_all(b"four", 3).await, Err(Kind::Corrupt));
        assert_eq!(read_all(b"four", 5).await, Err(Kind::Corrupt));
    }
}
