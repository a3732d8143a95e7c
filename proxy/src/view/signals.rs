//! Wake-up calls for sessions that stand on a broker that isn't theirs, or on one that stopped answering.

use std::sync::Arc;

use dashmap::DashMap;
use kafka::types::BrokerId;
use tokio::sync::Notify;

/// What can happen to a broker that a session must hear of while it waits.
#[derive(Debug, Default)]
pub struct Signals {
    /// It stopped answering or left: sessions that read from it as a follower move.
    pub down: Arc<Notify>,
    /// It is back: sessions that stand in for it end, so that clients reach it again.
    pub up: Arc<Notify>,
}

/// The signals of every broker seen so far.
#[derive(Debug, Default)]
pub struct Switchboard(DashMap<BrokerId, Arc<Signals>>);

impl Switchboard {
    /// The broker's signals.
    pub fn of(&self, id: BrokerId) -> Arc<Signals> {
        self.0.entry(id).or_default().clone()
    }
}
