//! What the patchers promise, held against the codec and against hostile bytes.

mod api_versions;
mod describe_cluster;
mod draw;
mod fetch_tail;
mod find_coordinator;
mod hostile;
mod metadata;
mod produce;
mod rack;
mod share;
mod share_walk;

use super::{AbsentBroker, Directory};
use crate::api::{request_header_version, response_header_version};
use crate::types::BrokerId;
use bytes::Bytes;
use draw::Draw;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::collections::HashMap;

/// How many random messages each property sees, per version.
const SEEDS: u64 = 60;

/// A directory as a map.
#[derive(Default)]
struct Map {
    endpoints: HashMap<i32, (String, u16)>,
    absent: Vec<AbsentBroker>,
}

impl Directory for Map {
    fn endpoint(&self, id: BrokerId) -> Option<(&str, u16)> {
        self.endpoints.get(&id.0).map(|(host, port)| (host.as_str(), *port))
    }

    fn absent(&self, present: &[BrokerId]) -> Vec<AbsentBroker> {
        self.absent.iter().filter(|broker| !present.contains(&broker.id)).cloned().collect()
    }
}

impl Map {
    /// Two of three brokers have an endpoint.
    fn gateway(ids: impl IntoIterator<Item = i32>) -> Self {
        let endpoint = |id: i32| (id, (format!("gw-{id}.example"), 29_100 + (id % 1000) as u16));
        Self { endpoints: ids.into_iter().filter(|id| id % 3 != 0).map(endpoint).collect(), absent: vec![] }
    }

    /// Every broker has its own address as its endpoint.
    fn identity<'a>(nodes: impl IntoIterator<Item = (i32, &'a StrBytes, i32)>) -> Self {
        let endpoint = |(id, host, port): (i32, &StrBytes, i32)| (id, (host.to_string(), port as u16));
        Self { endpoints: nodes.into_iter().map(endpoint).collect(), absent: vec![] }
    }

    fn host(&self, id: i32) -> Option<(StrBytes, i32)> {
        self.endpoints.get(&id).map(|(host, port)| (host.clone().into(), i32::from(*port)))
    }
}

/// The payload of an answer, with tags of its own in the header.
fn answer(draw: &mut Draw, key: i16, version: i16, body: &impl Encodable) -> Vec<u8> {
    let header_version = response_header_version(key, version);
    let mut header = ResponseHeader::default().with_correlation_id(draw.i32());
    if header_version >= 1 {
        header.unknown_tagged_fields = draw.tags();
    }
    let mut out = Vec::new();
    header.encode(&mut out, header_version).unwrap();
    body.encode(&mut out, version).unwrap();
    out
}

/// The body of an answer, which fills its payload exactly.
fn answer_body<T: Decodable>(payload: &[u8], key: i16, version: i16) -> T {
    let mut bytes = Bytes::copy_from_slice(payload);
    ResponseHeader::decode(&mut bytes, response_header_version(key, version)).unwrap();
    let body = T::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "{} bytes behind the body", bytes.len());
    body
}

/// The payload of a request, up to its body.
fn request_header(draw: &mut Draw, key: i16, version: i16) -> Vec<u8> {
    let header_version = request_header_version(key, version);
    let mut header = RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(draw.i32())
        .with_client_id(draw.maybe(Draw::text));
    if header_version >= 2 {
        header.unknown_tagged_fields = draw.tags();
    }
    let mut out = Vec::new();
    header.encode(&mut out, header_version).unwrap();
    out
}

/// The payload of a request.
fn request(draw: &mut Draw, key: i16, version: i16, body: &impl Encodable) -> Vec<u8> {
    let mut out = request_header(draw, key, version);
    body.encode(&mut out, version).unwrap();
    out
}

/// The body of a request, which fills its payload exactly.
fn request_body<T: Decodable>(payload: &[u8], key: i16, version: i16) -> T {
    let mut bytes = Bytes::copy_from_slice(payload);
    RequestHeader::decode(&mut bytes, request_header_version(key, version)).unwrap();
    let body = T::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "{} bytes behind the body", bytes.len());
    body
}
