//! ShareFetch and ShareAcknowledge answers (KIP-932): node endpoints, a plain array at the end of the body.
//!
//! v0 was the early access of Kafka 4.0; it lacks ShareFetch's lock timeout and is else the same.

use super::nodes::{Nodes, Shape};
use super::splice::Splice;
use super::{Directory, Patched, skip_array, skip_response_header};
use crate::api;
use crate::wire::{Reader, Result};

/// The least bytes of a topic: id, no partitions, no tags.
const TOPIC_MIN: usize = 16 + 1 + 1;
/// The current leader: id, epoch, no tags.
const LEADER_MIN: usize = 4 + 4 + 1;
/// Index, two errors with null messages, leader, null records, nothing acquired, no tags.
const FETCHED_MIN: usize = 4 + 3 + 3 + LEADER_MIN + 1 + 1 + 1;
/// Index, error with a null message, leader, no tags.
const ACKNOWLEDGED_MIN: usize = 4 + 3 + LEADER_MIN + 1;
/// A range of acquired records: first and last offset, delivery count, no tags.
const ACQUIRED_MIN: usize = 8 + 8 + 2 + 1;

/// Replaces the node endpoints of a ShareFetch answer; records are passed over by their length and copied
/// once. `None` if there are no endpoints.
///
/// # Errors
/// A payload that is not a ShareFetch answer of this version.
pub fn patch_fetch(payload: &[u8], version: i16, directory: &dyn Directory) -> Result<Option<Patched>> {
    let mut reader = Reader::new(payload);
    skip_response_header(&mut reader, api::SHARE_FETCH, version)?;
    skip_top(&mut reader, version >= 1)?;
    skip_topics(&mut reader, FETCHED_MIN, skip_fetched)?;
    patch_endpoints(payload, reader, directory)
}

/// Replaces the node endpoints of a ShareAcknowledge answer. `None` if there are none.
///
/// # Errors
/// A payload that is not a ShareAcknowledge answer of this version.
pub fn patch_acknowledge(payload: &[u8], version: i16, directory: &dyn Directory) -> Result<Option<Patched>> {
    let mut reader = Reader::new(payload);
    skip_response_header(&mut reader, api::SHARE_ACKNOWLEDGE, version)?;
    skip_top(&mut reader, version >= 2)?;
    skip_topics(&mut reader, ACKNOWLEDGED_MIN, skip_acknowledged)?;
    patch_endpoints(payload, reader, directory)
}

fn skip_top(reader: &mut Reader<'_>, has_lock_timeout: bool) -> Result<()> {
    reader.skip(4 + 2)?; // throttle time, error code
    reader.string_bytes(true)?; // error message
    reader.skip(if has_lock_timeout { 4 } else { 0 })
}

fn skip_topics(
    reader: &mut Reader<'_>,
    partition_min: usize,
    partition: fn(&mut Reader<'_>) -> Result<()>,
) -> Result<()> {
    skip_array(reader, true, TOPIC_MIN, |topic| {
        topic.uuid()?;
        skip_array(topic, true, partition_min, partition)?;
        topic.skip_tags(true)
    })
}

fn skip_fetched(reader: &mut Reader<'_>) -> Result<()> {
    reader.skip(4)?; // index
    skip_error(reader)?;
    skip_error(reader)?; // of the acknowledgement
    skip_leader(reader)?;
    reader.bytes(true)?; // records
    skip_array(reader, true, ACQUIRED_MIN, |acquired| {
        acquired.skip(8 + 8 + 2)?;
        acquired.skip_tags(true)
    })?;
    reader.skip_tags(true)
}

fn skip_acknowledged(reader: &mut Reader<'_>) -> Result<()> {
    reader.skip(4)?; // index
    skip_error(reader)?;
    skip_leader(reader)?;
    reader.skip_tags(true)
}

fn skip_error(reader: &mut Reader<'_>) -> Result<()> {
    reader.skip(2)?;
    reader.string_bytes(true).map(|_| ())
}

fn skip_leader(reader: &mut Reader<'_>) -> Result<()> {
    reader.skip(4 + 4)?;
    reader.skip_tags(true)
}

/// The rest of the payload from its endpoints on.
fn patch_endpoints(
    payload: &[u8],
    mut reader: Reader<'_>,
    directory: &dyn Directory,
) -> Result<Option<Patched>> {
    let start = reader.position();
    let nodes = Nodes::read(&mut reader, Shape::ENDPOINT, directory)?;
    let end = reader.position();
    reader.skip_tags(true)?;
    reader.finish()?;
    let Some(nodes) = nodes.filter(|nodes| !nodes.present.is_empty()) else { return Ok(None) };
    let mut splice = Splice::new(payload, nodes.size_max());
    splice.replace(start..end, |out| nodes.put(out));
    Ok(Some(Patched { payload: splice.finish(), unmapped: nodes.unmapped }))
}
