//! The few Kafka frames that the load, the fake broker and the probes speak, sized to the byte.
//!
//! Layouts follow the schemas in kafka-clients (`common/message/*.json`). A frame is the 4-byte length
//! and the payload; all sizes here are whole frames, because that is what a relay moves.

use kafka::wire::{put_array_len, put_nullable_string, put_string, put_uvarint};

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
/// Where the correlation id of an answer frame stands.
pub const ANSWER_CORRELATION_AT: usize = 4;

const CLIENT_ID: &str = "bench";
/// Bytes of a record batch before its first record (magic 2).
const BATCH_HEAD: usize = 61;

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

/// Produce v9 with acks=1 of exactly `size` bytes, one batch for partition 0.
pub fn produce_request(size: usize) -> Vec<u8> {
    sized(size, |records| {
        let mut out = request(PRODUCE, PRODUCE_VERSION, 0, true);
        put_produce_head(&mut out, TOPIC);
        put_bytes(&mut out, &filler_batch(records));
        out.extend_from_slice(&[0, 0, 0]);
        finish(out)
    })
}

/// Produce v9 with acks=1 of one record with a value of `value` bytes, in a batch that a real broker takes.
pub fn produce_one(topic: &str, correlation: i32, value: usize) -> Vec<u8> {
    let mut out = request(PRODUCE, PRODUCE_VERSION, correlation, true);
    put_produce_head(&mut out, topic);
    put_bytes(&mut out, &one_record_batch(value));
    out.extend_from_slice(&[0, 0, 0]);
    finish(out)
}

fn put_produce_head(out: &mut Vec<u8>, topic: &str) {
    put_nullable_string(out, None, true); // transactional id
    out.extend_from_slice(&1i16.to_be_bytes()); // acks
    out.extend_from_slice(&30_000i32.to_be_bytes());
    put_array_len(out, 1, true);
    put_string(out, topic, true);
    put_array_len(out, 1, true);
    out.extend_from_slice(&0i32.to_be_bytes()); // partition
}

/// The answer to [`produce_request`]: 60 bytes for [`TOPIC`].
pub fn produce_answer(correlation: i32) -> Vec<u8> {
    let mut out = answer(correlation, true);
    put_array_len(&mut out, 1, true);
    put_string(&mut out, TOPIC, true);
    put_array_len(&mut out, 1, true);
    out.extend_from_slice(&[0; 4 + 2 + 8]); // partition, no error, base offset
    out.extend_from_slice(&(-1i64).to_be_bytes()); // log append time
    out.extend_from_slice(&0i64.to_be_bytes()); // log start offset
    put_array_len(&mut out, 0, true); // record errors
    out.extend_from_slice(&[0, 0, 0]); // no message, tags of partition and topic
    out.extend_from_slice(&[0; 4 + 1]); // throttle time, tags
    finish(out)
}

/// Whether a Produce v9 answer's payload says that the one record was taken.
pub fn produce_accepted(payload: &[u8], topic: &str) -> bool {
    // Correlation id, tags, one topic, its name with its length, one partition, its index.
    let error_at = 4 + 1 + 1 + 1 + topic.len() + 1 + 4;
    payload.get(error_at..error_at + 2) == Some(&[0, 0])
}

/// Where a consumer's fetch session stands (KIP-227).
#[derive(Clone, Copy, Debug, Default)]
pub struct FetchSession {
    /// 0 until the broker gave one.
    pub id: i32,
    /// 0 asks for a new session.
    pub epoch: i32,
    /// Next offset wanted.
    pub offset: i64,
}

/// Fetch v12..=18 for partition 0, asking the fake broker for an answer of exactly `size` bytes.
pub fn fetch_request(version: i16, correlation: i32, session: FetchSession, size: usize) -> Vec<u8> {
    let mut out = request(FETCH, version, correlation, true);
    if version < 15 {
        out.extend_from_slice(&(-1i32).to_be_bytes()); // replica id: a consumer
    }
    for value in [500, 1, size as i32] {
        out.extend_from_slice(&value.to_be_bytes()); // wait ms, min bytes, max bytes
    }
    out.push(0); // read uncommitted
    out.extend_from_slice(&session.id.to_be_bytes());
    out.extend_from_slice(&session.epoch.to_be_bytes());
    put_array_len(&mut out, 1, true);
    put_fetch_topic(&mut out, version);
    put_array_len(&mut out, 1, true);
    out.extend_from_slice(&0i32.to_be_bytes()); // partition
    out.extend_from_slice(&0i32.to_be_bytes()); // leader epoch
    out.extend_from_slice(&session.offset.to_be_bytes());
    out.extend_from_slice(&(-1i32).to_be_bytes()); // last fetched epoch
    out.extend_from_slice(&(-1i64).to_be_bytes()); // log start offset: followers only
    out.extend_from_slice(&(size as i32).to_be_bytes());
    out.extend_from_slice(&[0, 0]); // tags of partition and topic
    put_array_len(&mut out, 0, true); // forgotten topics
    put_string(&mut out, "", true); // rack
    out.push(0);
    finish(out)
}

fn put_fetch_topic(out: &mut Vec<u8>, version: i16) {
    if version < 13 {
        put_string(out, TOPIC, true);
    } else {
        out.extend_from_slice(&TOPIC_ID);
    }
}

/// Which size a [`fetch_request`]'s payload asks for; `None` when it is no such request.
pub fn fetch_size_asked(payload: &[u8], version: i16) -> Option<usize> {
    let mut r = kafka::wire::Reader::new(payload);
    r.skip(8).ok()?;
    r.string_bytes(false).ok()?;
    r.skip_tags(true).ok()?;
    r.skip(if version < 15 { 12 } else { 8 }).ok()?;
    usize::try_from(r.i32().ok()?).ok()
}

/// The session id and epoch that an answered fetch leaves behind.
pub const SESSION_ID: i32 = 4711;

/// A Fetch answer v12..=18 of exactly `size` bytes: one partition, one batch, and for v16 and later, when
/// `endpoint` names a host and port, the leader's endpoint in the tail (KIP-951).
pub fn fetch_answer(version: i16, size: usize, endpoint: Option<(&str, u16)>) -> Vec<u8> {
    sized(size, |records| {
        let mut out = answer(0, true);
        out.extend_from_slice(&[0; 4 + 2]); // throttle time, no error
        out.extend_from_slice(&SESSION_ID.to_be_bytes());
        put_array_len(&mut out, 1, true);
        put_fetch_topic(&mut out, version);
        put_array_len(&mut out, 1, true);
        out.extend_from_slice(&[0; 4 + 2]); // partition, no error
        for offset in [1i64 << 40, 1i64 << 40, 0] {
            out.extend_from_slice(&offset.to_be_bytes()); // high watermark, last stable, log start
        }
        put_array_len(&mut out, 0, true); // aborted transactions
        out.extend_from_slice(&(-1i32).to_be_bytes()); // preferred read replica
        put_bytes(&mut out, &filler_batch(records));
        out.extend_from_slice(&[0, 0]);
        put_endpoints(&mut out, endpoint.filter(|_| version >= 16));
        finish(out)
    })
}

fn put_endpoints(out: &mut Vec<u8>, endpoint: Option<(&str, u16)>) {
    let Some((host, port)) = endpoint else { return out.push(0) };
    let mut field = Vec::new();
    put_array_len(&mut field, 1, true);
    field.extend_from_slice(&BROKER.to_be_bytes());
    put_string(&mut field, host, true);
    field.extend_from_slice(&i32::from(port).to_be_bytes());
    put_nullable_string(&mut field, Some("az1"), true);
    field.push(0);
    put_uvarint(out, 1);
    put_uvarint(out, 0);
    put_uvarint(out, field.len() as u32);
    out.extend_from_slice(&field);
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

/// A batch of `size` bytes with a true header and one record's worth of filler. Nobody checks its CRC: the fake
/// broker doesn't look, and a gateway must not.
fn filler_batch(size: usize) -> Vec<u8> {
    batch(vec![b'x'; size.saturating_sub(BATCH_HEAD)])
}

/// A batch with one record without key or headers, right to the CRC.
fn one_record_batch(value: usize) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1]; // attributes, timestamp delta, offset delta, null key (zigzag -1)
    put_uvarint(&mut body, (value as u32) << 1);
    body.extend(std::iter::repeat_n(b'v', value));
    body.push(0); // headers
    let mut record = Vec::new();
    put_uvarint(&mut record, (body.len() as u32) << 1);
    record.extend_from_slice(&body);
    batch(record)
}

fn batch(records: Vec<u8>) -> Vec<u8> {
    let mut tail = Vec::with_capacity(records.len() + 40);
    tail.extend_from_slice(&[0; 2 + 4]); // attributes, last offset delta
    tail.extend_from_slice(&[0; 8 + 8]); // base and max timestamp
    tail.extend_from_slice(&(-1i64).to_be_bytes()); // producer id
    tail.extend_from_slice(&(-1i16).to_be_bytes()); // producer epoch
    tail.extend_from_slice(&(-1i32).to_be_bytes()); // base sequence
    tail.extend_from_slice(&1i32.to_be_bytes());
    tail.extend_from_slice(&records);
    let mut out = vec![0; 8]; // base offset
    out.extend_from_slice(&((tail.len() + 9) as i32).to_be_bytes());
    out.extend_from_slice(&0i32.to_be_bytes()); // leader epoch
    out.push(2);
    out.extend_from_slice(&crc32c::crc32c(&tail).to_be_bytes());
    out.extend_from_slice(&tail);
    out
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

    #[test]
    fn a_batch_for_a_real_broker_carries_its_true_length_and_crc() {
        let b = one_record_batch(1024);
        assert_eq!(i32::from_be_bytes([b[8], b[9], b[10], b[11]]) as usize, b.len() - 12);
        assert_eq!(crc32c::crc32c(&b[21..]).to_be_bytes(), b[17..21]);
    }
}
