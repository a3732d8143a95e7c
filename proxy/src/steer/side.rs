//! A connection of the gateway's own to another broker, opened for one client and used for its fetches only.

use std::time::Duration;

use kafka::client::Stream;
use kafka::types::BrokerId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::buffer::LARGE;
use crate::steer::held::{Claim, Held, NoRoom};

/// An answer that has begun and of which nothing comes for this long is given up.
const STALL_MAX: Duration = Duration::from_secs(10);

/// Why a fetch on a client's behalf failed.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// The broker could not be reached, or refused our principal.
    #[error("{0}")]
    Open(String),
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The broker did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// There is nowhere to keep the answer.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// An answer of impossible length, or to another request.
    #[error("answer out of order or of impossible length")]
    Answer,
}

/// The connection.
#[derive(Debug)]
pub struct Side {
    /// Whom it reaches.
    pub broker: BrokerId,
    stream: Stream,
    /// Whether it has answered before: then it may have been ended by the broker since (idle, or its session's
    /// lifetime is over, KIP-368), and a failure says nothing about the broker.
    pub used: bool,
}

impl Side {
    /// Wraps an open connection.
    pub fn new(broker: BrokerId, stream: Stream) -> Self {
        Self { broker, stream, used: false }
    }

    /// Sends a frame (prefix included) and returns the answer's payload.
    pub async fn ask(&mut self, frame: &[u8], claim: &Claim, wait: Duration) -> Result<Held, SideError> {
        let answer = ask(&mut self.stream, frame, claim, wait).await;
        self.used = true;
        answer
    }
}

/// Sends a request frame (prefix included) over a connection on which nothing is under way, and returns the answer's
/// payload, whose correlation id must be the request's.
pub async fn ask(
    stream: &mut Stream,
    frame: &[u8],
    claim: &Claim,
    wait: Duration,
) -> Result<Held, SideError> {
    let begun = async {
        stream.write_all(frame).await?;
        stream.flush().await?;
        stream.read_i32().await
    };
    let len = tokio::time::timeout(wait, begun).await.map_err(|_| SideError::Timeout(wait))??;
    let answer = read_body(stream, len, claim).await?;
    match answer.get(..4) == frame.get(8..12) {
        true => Ok(answer),
        false => Err(SideError::Answer),
    }
}

/// Reads a payload of `len` bytes. Memory is taken as bytes arrive, not as the length announces them. A slow link is no
/// trouble as long as something comes.
async fn read_body(stream: &mut Stream, len: i32, claim: &Claim) -> Result<Held, SideError> {
    let sound = usize::try_from(len).ok().filter(|n| (4..=claim.frame_max()).contains(n));
    let len = sound.ok_or(SideError::Answer)?;
    let permit = claim.take(len).await?;
    let mut payload = Vec::with_capacity(len.min(LARGE));
    let mut body = stream.take(len as u64);
    while payload.len() < len {
        let read = tokio::time::timeout(STALL_MAX, body.read_buf(&mut payload));
        if read.await.map_err(|_| SideError::Timeout(STALL_MAX))?? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(Held::new(payload, permit))
}
