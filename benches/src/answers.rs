//! The fake broker's answers to everything that isn't load.

use std::net::SocketAddr;

use kafka::wire::{put_array_len, put_no_tags, put_nullable_string, put_string};

use crate::broker::Topics;
use crate::frames::{self, BROKER, TOPIC, TOPIC_ID};
use crate::splitter::Request;

/// What ApiVersions says: key, oldest and newest version.
const VERSIONS: [(i16, i16, i16); 6] = [
    (frames::PRODUCE, 0, 13),
    (frames::FETCH, 4, 18),
    (frames::METADATA, 0, 13),
    (frames::SASL_HANDSHAKE, 0, 1),
    (frames::API_VERSIONS, 0, 4),
    (frames::SASL_AUTHENTICATE, 0, 2),
];
/// UNSUPPORTED_VERSION, which makes clients ask again with version 0 (KIP-511).
const UNSUPPORTED_VERSION: i16 = 35;

/// The answer to a small request; `None` for one that the fake broker doesn't know.
pub fn small(r: &Request<'_>) -> Option<Vec<u8>> {
    match r.key {
        frames::API_VERSIONS => Some(api_versions(r)),
        frames::SASL_HANDSHAKE => Some(sasl_handshake(r)),
        frames::SASL_AUTHENTICATE => Some(sasl_authenticate(r)),
        _ => None,
    }
}

fn api_versions(r: &Request<'_>) -> Vec<u8> {
    let known = (0..=4).contains(&r.version);
    let flexible = known && r.version >= 3;
    let mut out = frames::answer(r.correlation, false);
    out.extend_from_slice(&if known { 0 } else { UNSUPPORTED_VERSION }.to_be_bytes());
    put_array_len(&mut out, VERSIONS.len(), flexible);
    for (key, oldest, newest) in VERSIONS {
        for value in [key, oldest, newest] {
            out.extend_from_slice(&value.to_be_bytes());
        }
        put_no_tags(&mut out, flexible);
    }
    if known && r.version >= 1 {
        out.extend_from_slice(&[0; 4]); // throttle time
    }
    put_no_tags(&mut out, flexible);
    frames::finish(out)
}

fn sasl_handshake(r: &Request<'_>) -> Vec<u8> {
    let mut out = frames::answer(r.correlation, false);
    out.extend_from_slice(&[0; 2]);
    put_array_len(&mut out, 1, false);
    put_string(&mut out, "PLAIN", false);
    frames::finish(out)
}

fn sasl_authenticate(r: &Request<'_>) -> Vec<u8> {
    let flexible = r.version >= 2;
    let mut out = frames::answer(r.correlation, flexible);
    out.extend_from_slice(&[0; 2]);
    put_nullable_string(&mut out, None, flexible);
    if flexible {
        frames::put_bytes(&mut out, &[]);
    } else {
        out.extend_from_slice(&[0; 4]);
    }
    if r.version >= 1 {
        out.extend_from_slice(&[0; 8]); // session lifetime: no end
    }
    put_no_tags(&mut out, flexible);
    frames::finish(out)
}

/// A Metadata answer v0..=13, whatever topics were asked for.
pub fn metadata(version: i16, addr: SocketAddr, topics: Topics) -> Vec<u8> {
    let flexible = version >= 9;
    let mut out = frames::answer(0, flexible);
    if version >= 3 {
        out.extend_from_slice(&[0; 4]); // throttle time
    }
    put_array_len(&mut out, 1, flexible);
    out.extend_from_slice(&BROKER.to_be_bytes());
    put_string(&mut out, &addr.ip().to_string(), flexible);
    out.extend_from_slice(&i32::from(addr.port()).to_be_bytes());
    if version >= 1 {
        put_nullable_string(&mut out, Some("az1"), flexible);
    }
    put_no_tags(&mut out, flexible);
    if version >= 2 {
        put_nullable_string(&mut out, Some("tidegate-bench-cluster"), flexible);
    }
    if version >= 1 {
        out.extend_from_slice(&BROKER.to_be_bytes()); // controller
    }
    put_array_len(&mut out, topics.count + 1, flexible);
    put_topic(&mut out, version, TOPIC, TOPIC_ID, 1);
    for n in 0..topics.count {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&(n as u64 + 1).to_be_bytes());
        put_topic(&mut out, version, &format!("orders.of.tenant.{n:06}"), id, topics.partitions);
    }
    if (8..=10).contains(&version) {
        put_not_asked(&mut out);
    }
    if version >= 13 {
        out.extend_from_slice(&[0; 2]); // error
    }
    put_no_tags(&mut out, flexible);
    frames::finish(out)
}

fn put_topic(out: &mut Vec<u8>, version: i16, name: &str, id: [u8; 16], partitions: usize) {
    let flexible = version >= 9;
    out.extend_from_slice(&[0; 2]);
    put_string(out, name, flexible);
    if version >= 10 {
        out.extend_from_slice(&id);
    }
    if version >= 1 {
        out.push(0); // not internal
    }
    put_array_len(out, partitions, flexible);
    for index in 0..partitions {
        put_partition(out, version, index);
    }
    if version >= 8 {
        put_not_asked(out);
    }
    put_no_tags(out, flexible);
}

fn put_partition(out: &mut Vec<u8>, version: i16, index: usize) {
    let flexible = version >= 9;
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&(index as i32).to_be_bytes());
    out.extend_from_slice(&BROKER.to_be_bytes());
    if version >= 7 {
        out.extend_from_slice(&[0; 4]); // leader epoch
    }
    for _ in ["replicas", "in sync"] {
        put_array_len(out, 1, flexible);
        out.extend_from_slice(&BROKER.to_be_bytes());
    }
    if version >= 5 {
        put_array_len(out, 0, flexible); // offline
    }
    put_no_tags(out, flexible);
}

/// Authorised operations that nobody asked for.
fn put_not_asked(out: &mut Vec<u8>) {
    out.extend_from_slice(&i32::MIN.to_be_bytes());
}
