//! Produce answers: node endpoints, from v10 (KIP-951).

use super::endpoints::patch_tags;
use super::{Directory, Patched, skip_array, skip_response_header};
use crate::api;
use crate::wire::{Reader, Result};

/// Replaces the node endpoints. `None` if the answer has none, which is the rule: brokers add them only
/// beside NOT_LEADER_OR_FOLLOWER.
///
/// # Errors
/// A payload that is not a Produce answer of this version.
pub fn patch(payload: &[u8], version: i16, directory: &dyn Directory) -> Result<Option<Patched>> {
    if version < 10 {
        return Ok(None);
    }
    let mut reader = Reader::new(payload);
    skip_response_header(&mut reader, api::PRODUCE, version)?;
    skip_array(&mut reader, true, 1 + 1 + 1, |topic| skip_topic(topic, version))?;
    reader.skip(4)?; // throttle time
    let (front, tags) = payload.split_at(reader.position());
    let Some(patched) = patch_tags(tags, directory)? else { return Ok(None) };
    Ok(Some(Patched { payload: [front, &patched.payload].concat(), ..patched }))
}

fn skip_topic(reader: &mut Reader<'_>, version: i16) -> Result<()> {
    /// Index, error, three 64-bit numbers, no record errors, null message, no tags.
    const PARTITION_MIN: usize = 4 + 2 + 8 * 3 + 1 + 1 + 1;
    if version >= 13 {
        reader.uuid()?;
    } else {
        reader.string_bytes(true)?;
    }
    skip_array(reader, true, PARTITION_MIN, skip_partition)?;
    reader.skip_tags(true)
}

fn skip_partition(reader: &mut Reader<'_>) -> Result<()> {
    reader.skip(4 + 2 + 8 * 3)?; // index, error, base offset, append time, log start
    skip_array(reader, true, 4 + 1 + 1, |error| {
        error.skip(4)?; // batch index
        error.string_bytes(true)?;
        error.skip_tags(true)
    })?;
    reader.string_bytes(true)?; // error message
    reader.skip_tags(true) // the current leader's id and epoch, among others
}
