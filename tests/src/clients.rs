//! Real Kafka clients as uniform drivers: start a consumer or a producer of any of them, wait for records,
//! ask for the history of what it saw.
//!
//! ```text
//! Driver::Franz.spawn_consumer(&Reading::group(bootstrap, "t", "g"))  ──> Reader
//!        │ its process (or, for Java, the resident JVM)                     │ wait_records(n, limit)
//!        └─ lines ──────────────────────────────> History ──────────────────┤ history().check()
//! ```
//!
//! Every client runs at its default configuration, with no rack. The drivers and their protocol are described
//! in `tests/clients/README.md`.

mod driver;
mod feed;
mod history;
mod java;
mod line;
mod placement;
mod reader;
mod spec;
mod stage;
mod trouble;
mod writer;

pub use driver::Driver;
pub use history::{Fault, History};
pub use reader::Reader;
pub use spec::{Acks, Reading, Start, Writing};
pub use stage::{FOLLOWER, Served, Stage, TOPIC, ZONE};
pub use trouble::Trouble;
pub use writer::Writer;
