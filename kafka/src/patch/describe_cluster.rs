//! DescribeCluster answers, v0-2 (KIP-700).

use super::nodes::{Nodes, Shape};
use super::splice::Splice;
use super::{Directory, Patched, skip_response_header};
use crate::api;
use crate::wire::{Reader, Result};

/// The endpoint type of an answer about controllers (KIP-919).
const CONTROLLERS: i8 = 2;

/// Replaces the brokers' addresses. Brokers without an endpoint are left out; those that the cluster does not
/// list are not added, because v2 has a flag of its own for them. `None` for an answer about controllers:
/// their listeners are not reached through a gateway.
///
/// # Errors
/// A payload that is not a DescribeCluster answer of this version.
pub fn patch(payload: &[u8], version: i16, directory: &dyn Directory) -> Result<Option<Patched>> {
    let mut reader = Reader::new(payload);
    skip_response_header(&mut reader, api::DESCRIBE_CLUSTER, version)?;
    reader.skip(4 + 2)?; // throttle time, error code
    reader.string_bytes(true)?; // error message
    if version >= 1 && reader.i8()? == CONTROLLERS {
        return Ok(None);
    }
    reader.string_bytes(true)?; // cluster id
    reader.skip(4)?; // controller id
    let start = reader.position();
    let shape = Shape { flexible: true, rack: true, fenced: version >= 2 };
    let Some(nodes) = Nodes::read(&mut reader, shape, directory)? else { return Ok(None) };
    let end = reader.position();
    reader.skip(4)?; // authorized operations
    reader.skip_tags(true)?;
    reader.finish()?;
    let mut splice = Splice::new(payload, nodes.size_max());
    splice.replace(start..end, |out| nodes.put(out));
    Ok(Some(Patched { payload: splice.finish(), unmapped: nodes.unmapped }))
}
