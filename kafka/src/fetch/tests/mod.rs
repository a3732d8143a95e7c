//! What the views of Fetch promise, held against the codec, every split and hostile bytes.

mod answer;
mod messages;
mod request;
mod walk;

use bytes::Bytes;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};

use super::request::{VERSION_MAX, VERSION_MIN};
use crate::api::{FETCH, request_header_version, response_header_version};

/// Every version the views read.
const VERSIONS: std::ops::RangeInclusive<i16> = VERSION_MIN..=VERSION_MAX;

/// The payload of a request: header and body by the codec.
fn request_payload(header: &RequestHeader, body: &impl Encodable, version: i16) -> Vec<u8> {
    let mut out = Vec::new();
    header.encode(&mut out, request_header_version(FETCH, version)).expect("the header encodes");
    body.encode(&mut out, version).expect("the request encodes");
    out
}

/// Header and body of a request, which fill the payload exactly.
fn decode_request<T: Decodable>(payload: &[u8], version: i16) -> (RequestHeader, T) {
    let mut bytes = Bytes::copy_from_slice(payload);
    let header = RequestHeader::decode(&mut bytes, request_header_version(FETCH, version)).expect("a header");
    let body = T::decode(&mut bytes, version).expect("a request");
    assert!(bytes.is_empty(), "{} bytes behind the request", bytes.len());
    (header, body)
}

/// The payload of an answer: header and body by the codec.
fn answer_payload(header: &ResponseHeader, body: &impl Encodable, version: i16) -> Vec<u8> {
    let mut out = Vec::new();
    header.encode(&mut out, response_header_version(FETCH, version)).expect("the header encodes");
    body.encode(&mut out, version).expect("the answer encodes");
    out
}

/// Header and body of an answer, which fill the payload exactly.
fn decode_answer<T: Decodable>(payload: &[u8], version: i16) -> (ResponseHeader, T) {
    let mut bytes = Bytes::copy_from_slice(payload);
    let header =
        ResponseHeader::decode(&mut bytes, response_header_version(FETCH, version)).expect("a header");
    let body = T::decode(&mut bytes, version).expect("an answer");
    assert!(bytes.is_empty(), "{} bytes behind the answer", bytes.len());
    (header, body)
}

/// The payload of a frame whose length prefix tells the truth.
fn unframed(frame: &[u8]) -> &[u8] {
    let (prefix, payload) = frame.split_first_chunk().expect("a length prefix");
    assert_eq!(i32::from_be_bytes(*prefix) as usize, payload.len());
    payload
}
