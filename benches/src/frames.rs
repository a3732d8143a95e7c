//! The few Kafka frames that the load, the fake broker and the probes speak, sized to the byte.
//!
//! Layouts follow the schemas in kafka-clients (`common/message/*.json`). A frame is the 4-byte length
//! and the payload; all sizes here are whole frames, because that is what a relay moves.

use kafka::wire::{put_nullable_string, put_string, put_uvarint};

mod batch;
mod fetch;
mod produce;

use batch::BATCH_HEAD;
pub use batch::spanning;
pub use fetch::{FetchSession, SESSION_ID, fetch_answer, fetch_request, fetch_size_asked};
pub use produce::{produce_accepted, produce_answer, produce_one, produce_request};

/// The topic of all synthetic load. Nine letters make a Produce v9 answer exactly 60 bytes.
pub const TOPIC: &str = "benchmark";
/// Its id, for Fetch 13 and later.
pub const TOPIC_ID: [u8; 16] = *b"tidegate-bench-0";
/// Broker id of the only fake broker.
pub const BROKER: i32 = 1;
/// Produce's API key.
pub const PRODUCE: i16 = 0;
/// Fetch's API key.
pub const FETCH: i16 = 1;
/// Metadata's API key.
pub const METADATA: i16 = 3;
/// SaslHandshake's API key.
pub const SASL_HANDSHAKE: i16 = 17;
/// ApiVersions' API key.
pub const API_VERSIONS: i16 = 18;
/// SaslAuthenticate's API key.
pub const SASL_AUTHENTICATE: i16 = 36;
/// The Produce version of the load: flexible, topics by name, no node endpoints.
pub const PRODUCE_VERSION: i16 = 9;
/// Where the correlation id of a request frame stands.
pub const REQUEST_CORRELATION_AT: usize = 8;

const CLIENT_ID: &str = "bench";

/// Starts a request frame; [`finish`] fills in its length.
pub fn request(key: i16, version: i16, correlation: i32, flexible: bool) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&correlation.to_be_bytes());
    put_nullable_string(&mut out, Some(CLIENT_ID), false);
    if flexible {
        out.push(0);
    }
    out
}

/// Starts an answer frame; [`finish`] fills in its length.
pub fn answer(correlation: i32, flexible_header: bool) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&correlation.to_be_bytes());
    if flexible_header {
        out.push(0);
    }
    out
}

/// Writes the length prefix of a complete frame.
pub fn finish(mut frame: Vec<u8>) -> Vec<u8> {
    let length = (frame.len() - 4) as i32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// ApiVersions v3, as every client's first request.
pub fn api_versions_request() -> Vec<u8> {
    let mut out = request(API_VERSIONS, 3, 1, true);
    put_string(&mut out, "tidegate-bench", true);
    put_string(&mut out, "1", true);
    out.push(0);
    finish(out)
}

/// SaslHandshake v1 for PLAIN.
pub fn sasl_handshake_request() -> Vec<u8> {
    let mut out = request(SASL_HANDSHAKE, 1, 2, false);
    put_string(&mut out, "PLAIN", false);
    finish(out)
}

/// SaslAuthenticate v2 with PLAIN credentials of the fake broker, which takes any.
pub fn sasl_authenticate_request() -> Vec<u8> {
    let mut out = request(SASL_AUTHENTICATE, 2, 3, true);
    put_bytes(&mut out, b"\0bench\0bench");
    out.push(0);
    finish(out)
}

/// Metadata v12 for all topics.
pub fn metadata_request(correlation: i32) -> Vec<u8> {
    let mut out = request(METADATA, 12, correlation, true);
    out.extend_from_slice(&[0, 0, 0, 0]); // all topics, no auto-creation, no operations, no tags
    finish(out)
}

/// Appends COMPACT_BYTES (or COMPACT_RECORDS).
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uvarint(out, bytes.len() as u32 + 1);
    out.extend_from_slice(bytes);
}

/// Finds the record bytes that make the whole frame `size` long. The length prefix of the records grows with
/// them, so the first guess can be off by the width of a varint.
fn sized(size: usize, build: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let overhead = build(BATCH_HEAD).len() - BATCH_HEAD;
    let mut records = size.saturating_sub(overhead).max(BATCH_HEAD);
    let mut frame = build(records);
    while frame.len() > size && records > BATCH_HEAD {
        records -= 1;
        frame = build(records);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_size_asked_for() {
        for size in [1 << 10, 16 << 10, 100 << 10, 1 << 20] {
            assert_eq!(produce_request(size).len(), size);
            for version in [12, 16, 17, 18] {
                assert_eq!(fetch_answer(version, size, None).len(), size);
                assert_eq!(fetch_answer(version, size, Some(("127.0.0.1", 9092))).len(), size);
            }
        }
        assert_eq!(produce_answer(7).len(), 60);
    }

    #[test]
    fn the_broker_reads_back_the_size_that_the_load_asks_for() {
        for version in [12, 14, 15, 17, 18] {
            let frame = fetch_request(version, 1, FetchSession::default(), 12_345);
            assert_eq!(fetch_size_asked(&frame[4..], version), Some(12_345));
        }
    }
}
