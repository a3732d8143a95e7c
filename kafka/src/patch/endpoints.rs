//! Node endpoints: where clients find the leaders that an answer names beside an error (KIP-951).
//!
//! Produce from v10 and Fetch from v16 carry them in tag 0 at the very end of the body; share answers in a
//! plain array before their last tags. An endpoint we do not know is left out: the client then asks for
//! metadata. The leaders' ids stay as they are.

use super::nodes::{Nodes, Shape};
use super::splice::Splice;
use super::{Directory, Patched};
use crate::types::BrokerId;
use crate::wire::{Reader, Result, put_uvarint};
use std::ops::Range;

/// The tag of `NodeEndpoints` in Produce and Fetch answers.
const NODE_ENDPOINTS: u32 = 0;
/// A section without tags.
const NO_TAGS: &[u8] = &[0];

/// Replaces the node endpoints in a section of tags: the last bytes of a Produce answer from v10, or of a
/// Fetch answer from v16. `None` if the section has no endpoints; other tags are copied as they are.
///
/// # Errors
/// Bytes that are not one whole section of tags, or endpoints that do not fill their tag exactly.
pub fn patch_tags(section: &[u8], directory: &dyn Directory) -> Result<Option<Patched>> {
    if section == NO_TAGS {
        return Ok(None); // nearly every answer, and the only case that must be quick
    }
    let mut reader = Reader::new(section);
    let mut splice = Splice::new(section, 0);
    let mut unmapped = Vec::new();
    let mut changed = false;
    for _ in 0..reader.uvarint()? {
        let tag = reader.uvarint()?;
        let size_at = reader.position();
        let size = reader.uvarint()? as usize;
        let value = reader.take(size)?;
        if tag == NODE_ENDPOINTS {
            let span = size_at..reader.position();
            changed |= replace_value(&mut splice, span, value, directory, &mut unmapped)?;
        }
    }
    reader.finish()?;
    Ok(changed.then(|| Patched { payload: splice.finish(), unmapped }))
}

/// Replaces the size and value of one tag; false if it holds no endpoints.
fn replace_value(
    splice: &mut Splice<'_>,
    span: Range<usize>,
    value: &[u8],
    directory: &dyn Directory,
    unmapped: &mut Vec<BrokerId>,
) -> Result<bool> {
    let mut reader = Reader::new(value);
    let nodes = Nodes::read(&mut reader, Shape::ENDPOINT, directory)?;
    reader.finish()?;
    let Some(nodes) = nodes.filter(|nodes| !nodes.present.is_empty()) else { return Ok(false) };
    let mut array = Vec::with_capacity(nodes.size_max());
    nodes.put(&mut array);
    splice.replace(span, |out| {
        put_uvarint(out, array.len() as u32);
        out.extend_from_slice(&array);
    });
    unmapped.extend(nodes.unmapped);
    Ok(true)
}
