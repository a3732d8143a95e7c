//! Cuts the fake broker's input into requests, without keeping the bodies of Produce.

use crate::frames;

/// A request as the fake broker needs it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// API key.
    pub key: i16,
    /// API version.
    pub version: i16,
    /// Correlation id.
    pub correlation: i32,
    /// The frame after its length; empty for Produce.
    pub payload: &'a [u8],
}

/// Bytes of length, key, version and correlation id.
const HEAD: usize = 12;
/// Requests other than Produce that are longer than this are not ours.
const PAYLOAD_MAX: usize = 1 << 20;

/// State between two reads of one connection.
#[derive(Debug, Default)]
pub struct Splitter {
    held: Vec<u8>,
    /// Bytes of a Produce request still to come, and its header.
    skipping: Option<(usize, [u8; HEAD])>,
}

impl Splitter {
    /// Feeds one read; calls `on_request` for every request that is now complete. Fails on a frame that no
    /// client of the benchmarks sends.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_request: impl FnMut(Request<'_>)) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            if let Some((left, head)) = self.skipping {
                let taken = left.min(bytes.len());
                bytes = &bytes[taken..];
                self.skipping = (left > taken).then_some((left - taken, head));
                if self.skipping.is_none() {
                    on_request(request(&head, &[]));
                }
                continue;
            }
            bytes = self.fill(bytes, &mut on_request)?;
        }
        Ok(())
    }

    /// Takes from `bytes` what the frame at hand needs; returns the rest.
    fn fill<'b>(
        &mut self,
        bytes: &'b [u8],
        on_request: &mut impl FnMut(Request<'_>),
    ) -> anyhow::Result<&'b [u8]> {
        let wanted = if self.held.len() < HEAD { HEAD } else { frame_size(&self.held)? };
        let (now, rest) = bytes.split_at((wanted - self.held.len()).min(bytes.len()));
        self.held.extend_from_slice(now);
        if self.held.len() < HEAD {
            return Ok(rest);
        }
        let size = frame_size(&self.held)?;
        if i16::from_be_bytes([self.held[4], self.held[5]]) == frames::PRODUCE {
            let mut head = [0; HEAD];
            head.copy_from_slice(&self.held[..HEAD]);
            self.held.clear();
            self.skipping = Some((size - HEAD, head));
        } else if self.held.len() == size {
            on_request(request(&self.held, &self.held[4..]));
            self.held.clear();
        }
        Ok(rest)
    }
}

fn frame_size(head: &[u8]) -> anyhow::Result<usize> {
    let length = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let produce = i16::from_be_bytes([head[4], head[5]]) == frames::PRODUCE;
    let max = if produce { i32::MAX as usize } else { PAYLOAD_MAX };
    match usize::try_from(length) {
        // A Produce body of nothing could not be skipped: there is none.
        Ok(n) if (HEAD - 3..=max).contains(&n) => Ok(n + 4),
        _ => anyhow::bail!("fake broker: a frame of {length} bytes"),
    }
}

fn request<'a>(head: &[u8], payload: &'a [u8]) -> Request<'a> {
    Request {
        key: i16::from_be_bytes([head[4], head[5]]),
        version: i16::from_be_bytes([head[6], head[7]]),
        correlation: i32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_of_the_input_gives_the_same_requests() {
        let mut input = frames::produce_request(1024);
        input.extend(frames::api_versions_request());
        input.extend(frames::fetch_request(17, 9, frames::FetchSession::default(), 4096));
        input.extend(frames::produce_request(200));
        for step in 1..input.len() {
            let (mut splitter, mut seen) = (Splitter::default(), Vec::new());
            for piece in input.chunks(step) {
                splitter.feed(piece, |r| seen.push((r.key, r.correlation, r.payload.len()))).unwrap();
            }
            assert_eq!(
                seen.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(),
                [(0, 0), (18, 1), (1, 9), (0, 0)]
            );
        }
    }

    #[test]
    fn a_frame_that_is_not_ours_is_refused() {
        assert!(Splitter::default().feed(b"GET / HTTP/1.1\r\n", |_| ()).is_err());
    }
}
