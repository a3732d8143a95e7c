//! FindCoordinator answers, v0-6: one coordinator up to v3, a list of them from v4 (KIP-699).

use super::nodes::endpoint;
use super::splice::Splice;
use super::{Directory, Patched, skip_response_header};
use crate::api;
use crate::types::BrokerId;
use crate::wire::{Reader, Result, put_nullable_string, put_string};
use std::ops::Range;

/// COORDINATOR_NOT_AVAILABLE: clients retry it.
const NOT_AVAILABLE: i16 = 15;

/// The least bytes of a coordinator in a list: empty key and host, null message, no tags.
const LISTED_MIN: usize = 1 + 4 + 1 + 4 + 2 + 1 + 1;

/// Replaces the coordinators' addresses. `None` if there are none: errors carry node -1 and pass.
///
/// A coordinator without an endpoint is answered COORDINATOR_NOT_AVAILABLE, as a broker does while the
/// coordinator is being elected.
///
/// # Errors
/// A payload that is not a FindCoordinator answer of this version.
pub fn patch(payload: &[u8], version: i16, directory: &dyn Directory) -> Result<Option<Patched>> {
    let mut found = walk(payload, version)?;
    found.retain(|coordinator| coordinator.id.0 >= 0);
    if found.is_empty() {
        return Ok(None);
    }
    let mut splice = Splice::new(payload, 64);
    let mut unmapped = Vec::new();
    for coordinator in found {
        match endpoint(directory, coordinator.id) {
            Some((host, port)) => put_address(&mut splice, &coordinator, version, host, port),
            None => {
                put_unavailable(&mut splice, &coordinator, version);
                unmapped.push(coordinator.id);
            }
        }
    }
    Ok(Some(Patched { payload: splice.finish(), unmapped }))
}

/// Where a coordinator's fields stand in the payload.
struct Coordinator {
    id: BrokerId,
    /// Id, host and port.
    node: Range<usize>,
    /// Error code and, from v1, message: before the node up to v3, behind it from v4.
    error: Range<usize>,
}

fn is_flexible(version: i16) -> bool {
    version >= 3
}

fn has_message(version: i16) -> bool {
    version >= 1
}

fn walk(payload: &[u8], version: i16) -> Result<Vec<Coordinator>> {
    let mut reader = Reader::new(payload);
    skip_response_header(&mut reader, api::FIND_COORDINATOR, version)?;
    reader.skip(if version >= 1 { 4 } else { 0 })?;
    let found = if version >= 4 { list(&mut reader, version)? } else { vec![single(&mut reader, version)?] };
    reader.skip_tags(is_flexible(version))?;
    reader.finish()?;
    Ok(found)
}

fn single(reader: &mut Reader<'_>, version: i16) -> Result<Coordinator> {
    let error = error(reader, version)?;
    let (id, node) = node(reader, version)?;
    Ok(Coordinator { id, node, error })
}

fn list(reader: &mut Reader<'_>, version: i16) -> Result<Vec<Coordinator>> {
    let mut found = Vec::new();
    for _ in 0..reader.array_len(true, LISTED_MIN)?.unwrap_or(0) {
        reader.string_bytes(true)?;
        let (id, node) = node(reader, version)?;
        let error = error(reader, version)?;
        reader.skip_tags(true)?;
        found.push(Coordinator { id, node, error });
    }
    Ok(found)
}

fn error(reader: &mut Reader<'_>, version: i16) -> Result<Range<usize>> {
    let start = reader.position();
    reader.skip(2)?;
    if has_message(version) {
        reader.string_bytes(is_flexible(version))?;
    }
    Ok(start..reader.position())
}

fn node(reader: &mut Reader<'_>, version: i16) -> Result<(BrokerId, Range<usize>)> {
    let start = reader.position();
    let id = BrokerId(reader.i32()?);
    reader.string_bytes(is_flexible(version))?;
    reader.skip(4)?;
    Ok((id, start..reader.position()))
}

fn put_address(splice: &mut Splice<'_>, at: &Coordinator, version: i16, host: &str, port: u16) {
    splice.replace(at.node.clone(), |out| put_node(out, at.id, host, i32::from(port), version));
}

fn put_unavailable(splice: &mut Splice<'_>, at: &Coordinator, version: i16) {
    let error = |out: &mut Vec<u8>| {
        out.extend_from_slice(&NOT_AVAILABLE.to_be_bytes());
        if has_message(version) {
            put_nullable_string(out, None, is_flexible(version));
        }
    };
    let node = |out: &mut Vec<u8>| put_node(out, BrokerId(-1), "", -1, version);
    if at.error.start < at.node.start {
        splice.replace(at.error.clone(), error);
        splice.replace(at.node.clone(), node);
    } else {
        splice.replace(at.node.clone(), node);
        splice.replace(at.error.clone(), error);
    }
}

fn put_node(out: &mut Vec<u8>, id: BrokerId, host: &str, port: i32, version: i16) {
    out.extend_from_slice(&id.0.to_be_bytes());
    put_string(out, host, is_flexible(version));
    out.extend_from_slice(&port.to_be_bytes());
}
