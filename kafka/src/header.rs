//! The front of a frame: length, request header, and for Produce the `acks` field behind it.
//!
//! Only what decides a frame's way is read. Key, version, correlation id and client id stand at the same
//! offsets in request headers 1 and 2 (KIP-482), so an API we have never heard of can be read too.

use crate::api;
use crate::types::CorrelationId;
use crate::wire::{Reader, Result, WireError};

/// The bytes of a frame's length prefix.
pub const LENGTH_PREFIX: usize = 4;

/// The longest front of a request, bytes from the frame's first. Kafka takes strings of 32,767 bytes at most, and there
/// are two in the longest front, Produce's; without a bound, a length that lies would have whole frames held in memory.
pub const FRONT_MAX: usize = 128 * 1024;

/// The shortest payload a request can have: key, version and correlation id.
const REQUEST_MIN: i32 = 8;

/// What the front of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Length of the payload, without the four bytes of the prefix.
    pub payload_len: usize,
    /// API key.
    pub key: i16,
    /// API version.
    pub version: i16,
    /// Correlation id.
    pub correlation_id: CorrelationId,
    /// `client.id`, if it was sent and is UTF-8.
    pub client_id: Option<&'a str>,
    /// Whether an answer will come: Produce with `acks=0` gets none.
    pub answered: bool,
}

/// The result of looking at the bytes of a frame that are there so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek<T> {
    /// At least this many bytes, counted from the frame's first, are needed to say more.
    NeedMore(usize),
    /// The front is complete.
    Ready(T),
}

/// A payload behind its length: a frame to send.
pub fn framed(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as i32).to_be_bytes(), payload].concat()
}

/// The API key that a request's payload begins with; -1, which is no API's, where it is too short to have one.
pub fn key_of(payload: &[u8]) -> i16 {
    payload.first_chunk().map_or(-1, |key| i16::from_be_bytes(*key))
}

/// Reads a frame's length prefix and holds it against `limit` (bytes) and `min`.
pub fn frame_len(bytes: &[u8], min: i32, limit: usize) -> Result<Peek<usize>> {
    let Some(prefix) = bytes.first_chunk::<LENGTH_PREFIX>() else {
        return Ok(Peek::NeedMore(LENGTH_PREFIX));
    };
    let len = i32::from_be_bytes(*prefix);
    if len < min || len as usize > limit {
        return Err(WireError::Length { at: 0, value: i64::from(len) });
    }
    Ok(Peek::Ready(len as usize))
}

/// Looks at the front of a request frame; `bytes` starts at the length prefix.
///
/// # Errors
/// A length below a header's or above `limit`, a client id or transactional id with an impossible length, a front
/// longer than [`FRONT_MAX`].
pub fn peek_request(bytes: &[u8], limit: usize) -> Result<Peek<RequestHead<'_>>> {
    let payload_len = match frame_len(bytes, REQUEST_MIN, limit)? {
        Peek::NeedMore(n) => return Ok(Peek::NeedMore(n)),
        Peek::Ready(n) => n,
    };
    let whole = LENGTH_PREFIX + payload_len;
    let there = &bytes[LENGTH_PREFIX..bytes.len().min(whole).min(FRONT_MAX)];
    match read_head(there, payload_len) {
        Ok(head) => Ok(Peek::Ready(head)),
        Err(WireError::Truncated { at, needed, .. })
            if whole.min(LENGTH_PREFIX + at + needed) > FRONT_MAX =>
        {
            Err(WireError::Length { at, value: needed as i64 })
        }
        // The frame isn't all there yet, so what is missing may still come.
        Err(WireError::Truncated { at, needed, .. }) if bytes.len() < whole => {
            Ok(Peek::NeedMore((LENGTH_PREFIX + at + needed).min(whole)))
        }
        Err(e) => Err(e),
    }
}

fn read_head(payload: &[u8], payload_len: usize) -> Result<RequestHead<'_>> {
    let mut r = Reader::new(payload);
    let (key, version, correlation_id) = (r.i16()?, r.i16()?, CorrelationId(r.i32()?));
    let header = api::request_header_version(key, version);
    let client_id = match header {
        0 => None,
        _ => r.string_bytes(false)?.and_then(|b| std::str::from_utf8(b).ok()),
    };
    let answered = match key {
        api::PRODUCE => produce_acks(&mut r, version, header >= 2)? != 0,
        _ => true,
    };
    Ok(RequestHead { payload_len, key, version, correlation_id, client_id, answered })
}

/// ProduceRequest: `transactional_id` (v3+) stands before `acks`.
fn produce_acks(r: &mut Reader<'_>, version: i16, flexible: bool) -> Result<i16> {
    r.skip_tags(flexible)?;
    if version >= 3 {
        r.string_bytes(flexible)?;
    }
    r.i16()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn produce(version: i16, flexible: bool, txn: Option<&str>, acks: i16) -> Vec<u8> {
        let mut p = Vec::new();
        p.extend_from_slice(&0i16.to_be_bytes());
        p.extend_from_slice(&version.to_be_bytes());
        p.extend_from_slice(&7i32.to_be_bytes());
        crate::wire::put_string(&mut p, "client", false);
        if flexible {
            p.push(0);
        }
        crate::wire::put_nullable_string(&mut p, txn, flexible);
        p.extend_from_slice(&acks.to_be_bytes());
        p.extend_from_slice(&[1; 100]);
        [&(p.len() as i32).to_be_bytes()[..], &p].concat()
    }

    #[test]
    fn acks_is_reached_behind_the_transactional_id_in_both_encodings() {
        for (version, flexible) in [(3, false), (8, false), (9, true), (13, true)] {
            for txn in [None, Some("t"), Some("a-longer-transactional-id")] {
                for acks in [0, 1, -1] {
                    let frame = produce(version, flexible, txn, acks);
                    let Ok(Peek::Ready(head)) = peek_request(&frame, 1 << 20) else { panic!("not ready") };
                    assert_eq!(head.answered, acks != 0, "v{version} {txn:?}");
                    assert_eq!(head.client_id, Some("client"));
                }
            }
        }
    }

    #[test]
    fn a_head_cut_anywhere_asks_for_more_and_never_for_more_than_the_frame() {
        let frame = produce(9, true, Some("txn"), -1);
        for cut in 0..frame.len() {
            match peek_request(&frame[..cut], 1 << 20).expect("a cut frame is not malformed") {
                Peek::NeedMore(n) => assert!(n > cut && n <= frame.len()),
                Peek::Ready(head) => assert_eq!(head.payload_len + 4, frame.len()),
            }
        }
    }

    #[test]
    fn a_front_longer_than_any_client_sends_is_refused_wherever_it_is_cut_and_never_waited_for() {
        // A transactional id of n bytes, v9, in a frame that could hold it.
        let front = |n: u32| {
            let mut p = vec![0, 0, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0];
            crate::wire::put_uvarint(&mut p, n + 1);
            [&(50i32 << 20).to_be_bytes()[..], &p].concat()
        };
        for n in [FRONT_MAX as u32, 40 << 20, u32::MAX - 1] {
            let mut bytes = front(n);
            assert!(peek_request(&bytes, 100 << 20).is_err(), "{n} announced");
            bytes.resize(2 * FRONT_MAX, b't');
            assert!(peek_request(&bytes, 100 << 20).is_err(), "{n} there");
        }
        let mut bytes = front(32_767);
        let Ok(Peek::NeedMore(n)) = peek_request(&bytes, 100 << 20) else { panic!("not waited for") };
        bytes.resize(n + 2, 0);
        let Ok(Peek::Ready(head)) = peek_request(&bytes, 100 << 20) else { panic!("not ready") };
        assert!(!head.answered, "acks are 0");
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for len in [-1i32, 0, 7, i32::MAX, i32::MIN] {
            assert!(peek_request(&len.to_be_bytes(), 1 << 20).is_err(), "{len}");
        }
        // A whole frame whose client id claims more than the frame holds.
        let mut p = vec![0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff];
        p.splice(0..0, 10i32.to_be_bytes());
        assert!(peek_request(&p, 1 << 20).is_err());
    }
}
