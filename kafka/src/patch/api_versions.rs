//! ApiVersions: answers capped to what we understand, and the two things a gateway must know about requests.

use super::splice::Splice;
use super::{skip_request_header, skip_response_header};
use crate::api;
use crate::types::{BrokerId, CorrelationId};
use crate::wire::{Reader, Result, put_array_len};

/// UNSUPPORTED_VERSION.
const UNSUPPORTED_VERSION: i16 = 35;
/// The newest version of ApiVersions whose layout we know.
const NEWEST: i16 = 5;
/// The first version of the request that names the node it believes it dialled (KIP-1242).
const NAMES_NODE: i16 = 5;

/// Caps the version ranges of an ApiVersions answer, v0-5, to the table in [`api`]. A range's lower end stays
/// (brokers offer Produce 0 for librdkafka's sake and serve it from 3 on: KAFKA-18659); an API of which no
/// version is left is dropped from the list, because clients take `min > max` for garbage; keys newer than
/// the table, features and unknown tags pass. `None` if nothing changes.
///
/// An answer with error UNSUPPORTED_VERSION has the layout of v0 whatever was asked (KIP-511).
///
/// # Errors
/// A payload that is not an ApiVersions answer of this version.
pub fn patch(payload: &[u8], version: i16) -> Result<Option<Vec<u8>>> {
    let mut reader = Reader::new(payload);
    skip_response_header(&mut reader, api::API_VERSIONS, version)?;
    let version = if reader.i16()? == UNSUPPORTED_VERSION { 0 } else { version };
    let flexible = version >= 3;
    let start = reader.position();
    let listed = read_ranges(&mut reader, flexible)?;
    let end = reader.position();
    reader.skip(if version >= 1 { 4 } else { 0 })?; // throttle time
    reader.skip_tags(flexible)?;
    reader.finish()?;
    if listed.iter().all(|range| range.max == range.capped()) {
        return Ok(None);
    }
    let mut splice = Splice::new(payload, 0);
    splice.replace(start..end, |out| put_ranges(out, &listed, flexible));
    Ok(Some(splice.finish()))
}

/// One API in the list.
struct Range<'a> {
    key: i16,
    min: i16,
    max: i16,
    tags: &'a [u8],
}

impl Range<'_> {
    fn capped(&self) -> i16 {
        let cap = api::lookup(self.key).and_then(|api| api.understood);
        self.max.min(cap.unwrap_or(i16::MAX))
    }
}

fn read_ranges<'a>(reader: &mut Reader<'a>, flexible: bool) -> Result<Vec<Range<'a>>> {
    let mut listed = Vec::new();
    for _ in 0..reader.array_len(flexible, 6 + usize::from(flexible))?.unwrap_or(0) {
        let (key, min, max) = (reader.i16()?, reader.i16()?, reader.i16()?);
        let mut from = reader.clone();
        reader.skip_tags(flexible)?;
        let tags = from.take(reader.position() - from.position())?;
        listed.push(Range { key, min, max, tags });
    }
    Ok(listed)
}

fn put_ranges(out: &mut Vec<u8>, listed: &[Range<'_>], flexible: bool) {
    // A range that was empty before our cap is the broker's business.
    let left = |range: &&Range<'_>| range.min <= range.capped() || range.max == range.capped();
    put_array_len(out, listed.iter().filter(left).count(), flexible);
    for range in listed.iter().filter(left) {
        for number in [range.key, range.min, range.capped()] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(range.tags);
    }
}

/// The payload that answers a request for a version of ApiVersions newer than we understand: error
/// UNSUPPORTED_VERSION in the layout of v0, listing ApiVersions alone, so that the client asks again in a
/// version both sides know (KIP-511).
pub fn unsupported(correlation_id: CorrelationId) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(&correlation_id.0.to_be_bytes());
    out.extend_from_slice(&UNSUPPORTED_VERSION.to_be_bytes());
    put_array_len(&mut out, 1, false);
    for number in [api::API_VERSIONS, 0, NEWEST] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out
}

/// Puts `node` in the place of the node that a request believes it dialled (v5, KIP-1242): a broker answers
/// REBOOTSTRAP_REQUIRED to a client that means another one. The length stays. Says whether the request named
/// a node; one that names none (-1) is left alone.
///
/// # Errors
/// A payload that is not an ApiVersions request of this version.
pub fn patch_request_node_id(payload: &mut [u8], version: i16, node: BrokerId) -> Result<bool> {
    if version < NAMES_NODE {
        return Ok(false);
    }
    let mut reader = Reader::new(payload);
    skip_request_header(&mut reader, api::API_VERSIONS, version)?;
    for _ in 0..3 {
        reader.string_bytes(true)?; // the client software's name and version, the cluster id
    }
    let at = reader.position();
    let named = reader.i32()? >= 0;
    if named {
        payload[at..at + 4].copy_from_slice(&node.0.to_be_bytes());
    }
    Ok(named)
}
