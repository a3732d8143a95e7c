//! Fetch v12 to 18, both ways.

use kafka::wire::{put_array_len, put_nullable_string, put_string, put_uvarint};

use super::batch;
use super::{BROKER, FETCH, TOPIC, TOPIC_ID, answer, finish, put_bytes, request, sized};

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
        put_bytes(&mut out, &batch::filler(records));
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
