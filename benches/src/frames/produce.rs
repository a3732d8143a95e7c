//! Produce v9, both ways.

use kafka::wire::{put_array_len, put_nullable_string, put_string};

use super::batch;
use super::{PRODUCE, PRODUCE_VERSION, TOPIC, answer, finish, put_bytes, request, sized};

/// Produce v9 with acks=1 of exactly `size` bytes, one batch for partition 0.
pub fn produce_request(size: usize) -> Vec<u8> {
    sized(size, |records| {
        let mut out = request(PRODUCE, PRODUCE_VERSION, 0, true);
        put_produce_head(&mut out, TOPIC);
        put_bytes(&mut out, &batch::filler(records));
        out.extend_from_slice(&[0, 0, 0]);
        finish(out)
    })
}

/// Produce v9 with acks=1 of one record with a value of `value` bytes, in a batch that a real broker takes.
pub fn produce_one(topic: &str, correlation: i32, value: usize) -> Vec<u8> {
    let mut out = request(PRODUCE, PRODUCE_VERSION, correlation, true);
    put_produce_head(&mut out, topic);
    put_bytes(&mut out, &batch::one_record(value));
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
