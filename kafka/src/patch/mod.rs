//! Patchers: pure functions from a frame's payload to the payload a client should see instead.
//!
//! A payload is what follows the frame's 4-byte length: it starts at the correlation id of an answer, and at
//! the API key of a request. Patchers walk it by its lengths and replace only what must change; everything
//! else, unknown tagged fields included, is copied byte for byte. An error means that the payload is not what
//! its key and version say: the connection cannot be trusted any more.

pub mod api_versions;
pub mod describe_cluster;
pub mod endpoints;
pub mod find_coordinator;
pub mod metadata;
mod nodes;
pub mod produce;
pub mod rack;
pub mod share;
pub mod share_walk;
mod splice;
#[cfg(test)]
mod tests;

use crate::api::{self, Answer};
use crate::types::BrokerId;
use crate::wire::{Reader, Result};

/// Where brokers are reached through the gateway.
pub trait Directory {
    /// The host and port to show for a broker; `None` if it has no endpoint here (yet). Hosts are at most
    /// 255 bytes (RFC 1035 allows 253); a longer one counts as none.
    fn endpoint(&self, id: BrokerId) -> Option<(&str, u16)>;

    /// Brokers that are not among `present`, yet were a short while ago, if only a moment. Metadata goes on listing them, at
    /// the gateway's endpoint: some clients stall for many minutes when a leader vanishes from the list.
    fn absent(&self, present: &[BrokerId]) -> Vec<AbsentBroker>;
}

/// A broker that left the cluster's list of brokers a short while ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentBroker {
    /// Its id.
    pub id: BrokerId,
    /// Its rack when last seen.
    pub rack: Option<String>,
}

/// A changed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patched {
    /// The payload to send in place of the one read.
    pub payload: Vec<u8>,
    /// Brokers that the answer named and the directory does not know; their addresses were left out.
    pub unmapped: Vec<BrokerId>,
}

/// Patches an answer that is held whole, by the patcher its row in [`api`] names. `None`: it passes as it is.
///
/// Metadata and Fetch answers can be large and are patched while they stream, by [`metadata::patch_head`] and
/// [`endpoints::patch_tags`]; here both pass. Large ShareFetch answers go by [`share_walk`].
pub fn held_answer(
    answer: Answer,
    payload: &[u8],
    version: i16,
    directory: &dyn Directory,
) -> Result<Option<Patched>> {
    match answer {
        Answer::FindCoordinator => find_coordinator::patch(payload, version, directory),
        Answer::DescribeCluster => describe_cluster::patch(payload, version, directory),
        Answer::Produce => produce::patch(payload, version, directory),
        Answer::ShareFetch => share::patch_fetch(payload, version, directory),
        Answer::ShareAcknowledge => share::patch_acknowledge(payload, version, directory),
        Answer::ApiVersions => {
            let payload = api_versions::patch(payload, version)?;
            Ok(payload.map(|payload| Patched { payload, unmapped: Vec::new() }))
        }
        Answer::Pass | Answer::Metadata | Answer::Fetch | Answer::SaslHandshake => Ok(None),
    }
}

/// Reads past a response header: the correlation id, and tags if this version has them.
fn skip_response_header(reader: &mut Reader<'_>, key: i16, version: i16) -> Result<()> {
    reader.skip(4)?;
    reader.skip_tags(api::response_header_version(key, version) >= 1)
}

/// Reads past a request header: key, version, correlation id, client id, and tags if this version has them.
fn skip_request_header(reader: &mut Reader<'_>, key: i16, version: i16) -> Result<()> {
    reader.skip(8)?;
    reader.string_bytes(false)?;
    reader.skip_tags(api::request_header_version(key, version) >= 2)
}

/// Reads past an array, one element at a time. `element_min` is the least bytes an element can take.
fn skip_array(
    reader: &mut Reader<'_>,
    flexible: bool,
    element_min: usize,
    mut element: impl FnMut(&mut Reader<'_>) -> Result<()>,
) -> Result<()> {
    for _ in 0..reader.array_len(flexible, element_min)?.unwrap_or(0) {
        element(reader)?;
    }
    Ok(())
}
