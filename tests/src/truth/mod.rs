//! A partition's whole log as a broker has it, and what any question to it must be answered with: what the gateway's answers are held to.
//!
//! ```text
//! Asker::connect(broker) ── Log::read ── the truth: batches, watermarks, which transactions were aborted
//! Asker::connect(gateway).fetch(&question) ── Log::judge(question, answer)
//! ```
//!
//! Nothing here is shared with the product but the wire's encoders. Which batches a reader of committed records may see is worked out from the
//! markers in the log, not from what brokers list; what a client would show is Java's own rule ([`shown`]).

mod ask;
mod judge;
mod log;
mod shown;

pub use ask::{Asker, Fetched, Listed, Part, Question, epoch_question, list_question};
pub use judge::{Expected, Verdict};
pub use log::{Batch, Log};
pub use shown::shown;
