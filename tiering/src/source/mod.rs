//! Where a partition's log is read from, and trimmed.

pub mod brokers;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use kafka::client::log::Fetched;
use kafka::code::Code;
use kafka::types::{LeaderEpoch, Offset};

use crate::PartitionId;

/// A partition and its topic's name, which some of Kafka's APIs still want.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub id: PartitionId,
}

/// Why the source could not do it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The leader itself says so of the partition.
    #[error("the leader answers {0}")]
    Refused(Code),
    /// Nobody answers, or not in time, or there is no leader: later perhaps.
    #[error("{0}")]
    Away(String),
}

impl SourceError {
    /// Whether the offset is outside the leader's log.
    pub fn is_out_of_range(&self) -> bool {
        matches!(self, Self::Refused(Code::OFFSET_OUT_OF_RANGE))
    }
}

/// A cluster's brokers, as the tier sees them.
#[async_trait]
pub trait Source: Debug + Send + Sync + 'static {
    /// Fetches from `from` on, read_committed, `max_bytes` at most but always a batch; from an in-sync replica near by if
    /// there is one. `last_epoch`: of the record before `from`; -1 for none.
    ///
    /// # Errors
    /// Refusals are the leader's own.
    async fn fetch(
        &self,
        p: &Named,
        from: Offset,
        last_epoch: LeaderEpoch,
        max_bytes: u32,
    ) -> Result<Fetched, SourceError>;

    /// The first offset of the leader's log.
    async fn log_start(&self, p: &Named) -> Result<Offset, SourceError>;

    /// The leader's high watermark and last stable offset.
    async fn ends(&self, p: &Named) -> Result<(Offset, Offset), SourceError>;

    /// Tells the leader to drop what lies before `to`.
    async fn trim(&self, p: &Named, to: Offset) -> Result<(), SourceError>;
}
