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
    /// Brokers do not drop what lies before the history.
    #[error("the log begins at {found} where it should begin at {wanted}")]
    Start {
        /// Where it should.
        wanted: i64,
        /// Where it does.
        found: i64,
    },
}

/// How often a log is told where it begins.
const TOLD_MAX: usize = 5;

/// Has the log begin at `start`. To be asked once more at the end of everything: a broker that dies may take with it that it was told.
///
/// # Errors
/// Nobody answers, or it begins elsewhere all the same.
pub async fn hold_start(target: &mut dyn Target, start: Offset) -> Result<(), TargetError> {
    for _ in 0..TOLD_MAX {
        if target.start().await? == start {
            return Ok(());
        }
        target.begin_at(start).await?;
    }
    match target.start().await? {
        found if found == start => Ok(()),
        found => Err(TargetError::Start { wanted: start.0, found: found.0 }),
    }
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

    /// The first offset of the log.
    async fn start(&mut self) -> Result<Offset, TargetError>;

    /// Drops what lies before `to`.
    async fn begin_at(&mut self, to: Offset) -> Result<(), TargetError>;
}
