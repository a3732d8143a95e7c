//! Metadata answers, v0-13: only the head, up to the end of the broker list, is walked and replaced.
//!
//! Brokers come before topics, so that an answer for 100,000 partitions costs as much as one for ten: the
//! caller streams everything behind the head as it comes.

use super::nodes::{Nodes, Shape};
use super::{Directory, skip_response_header};
use crate::api;
use crate::types::BrokerId;
use crate::wire::{Reader, Result, WireError};

/// The longest head that is waited for, in bytes: some 5,000 brokers with long names.
pub const HEAD_MAX: usize = 1 << 20;

/// How far a head has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The head is not complete: come back with more of the payload.
    NeedMore,
    /// The head is complete.
    Done {
        /// How many bytes of the payload the new head takes the place of.
        consumed: usize,
        /// The new head.
        head: Vec<u8>,
        /// Brokers left out of the list, because the directory does not know them.
        unmapped: Vec<BrokerId>,
    },
}

/// Replaces the head of a Metadata answer. `so_far` is the front of the payload, `total` the payload's whole
/// length, which the frame's length says.
///
/// An empty broker list stays empty: clients take an answer without brokers for an error, and rightly so.
///
/// Every call walks from the front; callers that read in chunks of some KiB call it a handful of times.
///
/// # Errors
/// What can't become right with more bytes: a value that ends behind `total`, or a head over [`HEAD_MAX`].
pub fn patch_head(so_far: &[u8], total: usize, version: i16, directory: &dyn Directory) -> Result<Progress> {
    match walk(so_far, version, directory) {
        Err(error) if may_end_within(&error, so_far.len(), total, version) => Ok(Progress::NeedMore),
        other => other,
    }
}

fn walk(so_far: &[u8], version: i16, directory: &dyn Directory) -> Result<Progress> {
    let mut reader = Reader::new(so_far);
    skip_response_header(&mut reader, api::METADATA, version)?;
    reader.skip(if version >= 3 { 4 } else { 0 })?;
    let start = reader.position();
    let nodes = Nodes::read(&mut reader, shape(version), directory)?;
    let consumed = reader.position();
    let Some(nodes) = nodes else {
        return Ok(Progress::Done { consumed, head: so_far[..consumed].to_vec(), unmapped: Vec::new() });
    };
    let nodes = with_absent(nodes, directory);
    let mut head = Vec::with_capacity(start + nodes.size_max());
    head.extend_from_slice(&so_far[..start]);
    nodes.put(&mut head);
    Ok(Progress::Done { consumed, head, unmapped: nodes.unmapped })
}

fn with_absent(mut nodes: Nodes, directory: &dyn Directory) -> Nodes {
    if !nodes.present.is_empty() {
        for broker in directory.absent(&nodes.present) {
            nodes.push_absent(&broker, directory);
        }
    }
    nodes
}

fn shape(version: i16) -> Shape {
    Shape { flexible: version >= 9, rack: version >= 1, fenced: false }
}

/// Whether a walk that stopped at the end of `have` bytes may succeed once all `total` bytes are there.
fn may_end_within(error: &WireError, have: usize, total: usize, version: i16) -> bool {
    let end = match *error {
        WireError::Truncated { at, needed, .. } => at.saturating_add(needed),
        // The only count in the head is that of the brokers: it did not fit in what is there so far.
        WireError::Length { at, value } => match usize::try_from(value) {
            Ok(count) => at.saturating_add(count.saturating_mul(shape(version).least())),
            Err(_) => return false,
        },
        _ => return false,
    };
    have < total && end <= total && end <= HEAD_MAX
}
