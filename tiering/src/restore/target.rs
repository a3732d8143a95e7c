//! One partition of a running cluster, written anew.

use async_trait::async_trait;
use kafka::client::log::LogError;
use kafka::types::Offset;

/// Why a partition could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The cluster refuses.
    #[error("{0}")]
    Refused(LogError),
    /// Nobody took it for too long.
    #[error("gave up after {seconds} s; at last: {last}")]
    GaveUp {
        /// How long it was tried.
        seconds: u64,
        /// What was said last.
        last: String,
    },
    /// Somebody else writes to it, or brokers lost something.
    #[error("the log ends at {found} where it should end at {wanted}: does anybody else write to it?")]
    End {
        /// Where it should.
        wanted: i64,
        /// Where it does.
        found: i64,
    },
}

/// The partition. Whoever implements it tries again where that may help, and writes nothing twice.
#[async_trait]
pub trait Target: Send {
    /// Appends one batch as it is, and returns the offset of its first record.
    async fn append(&mut self, batch: &[u8]) -> Result<Offset, TargetError>;

    /// Fills `[from, from + count)`, where the log ends at `from`, with what no consumer is shown.
    async fn skip(&mut self, from: Offset, count: i64) -> Result<(), TargetError>;

    /// The end of the log.
    async fn end(&mut self) -> Result<Offset, TargetError>;

    /// Drops what lies before `to`.
    async fn begin_at(&mut self, to: Offset) -> Result<(), TargetError>;
}
