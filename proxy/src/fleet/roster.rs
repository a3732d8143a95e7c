//! The other gateways as they are known now: by the file, or by what they say of themselves.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Peer;

/// Who else there is.
#[derive(Clone, Debug)]
pub enum Roster {
    /// Listed in the file. Whether each lives is found out by probes.
    Listed(Arc<Vec<Peer>>),
    /// Heard of by gossip; its task alone writes this, and a reload keeps it.
    Heard(Arc<ArcSwap<Vec<Peer>>>),
}

impl Roster {
    /// Nobody has been heard of yet.
    pub fn silent() -> Self {
        Self::Heard(Arc::default())
    }

    /// All of them, as of now.
    pub fn peers(&self) -> Arc<Vec<Peer>> {
        match self {
            Self::Listed(peers) => peers.clone(),
            Self::Heard(peers) => peers.load_full(),
        }
    }
}
