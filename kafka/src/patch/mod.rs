//! Patchers: pure functions from a frame's payload to the payload a client should see instead.
//!
//! A payload is what follows the frame's 4-byte length: it starts at the correlation id of an answer, and at
//! the API key of a request. Patchers walk it by its lengths and replace only what must change; everything
//! else, unknown tagged fields included, is copied byte for byte. An error means that the payload is not what
//! its key and version say: the connection cannot be trusted any more.

use crate::types::BrokerId;

/// Where brokers are reached through the gateway.
pub trait Directory {
    /// The host and port to show for a broker; `None` if it has no endpoint here (yet). Hosts are at most
    /// 255 bytes (RFC 1035 allows 253); a longer one counts as none.
    fn endpoint(&self, id: BrokerId) -> Option<(&str, u16)>;

    /// Brokers that are not among `present`, yet were a short while ago. Metadata goes on listing them, at
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
