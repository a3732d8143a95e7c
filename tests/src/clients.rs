//! Real Kafka clients as uniform drivers: start a consumer or a producer of any of them, wait for records,
//! ask for the history of what it saw.
//!
//! ```text
//! Driver::Franz.spawn_consumer(&Reading::group(bootstrap, "t", "g"))  ──> Reader
//!        │ its process                                                      │ wait_records(n, limit)
//!        └─ lines ──────────────────────────────> History ──────────────────┤ history().check()
//! ```
//!
//! Every client runs at its default configuration, with no rack. The drivers and their protocol are described
//! in `tests/clients/README.md`.

mod admin;
mod args;
mod chosen;
mod driver;
mod feed;
mod history;
mod line;
pub(crate) mod placement;
mod reader;
mod security;
mod spec;
mod stage;
mod trouble;
mod writer;

pub use admin::{Administering, Outcome, STEPS, Step};
pub use chosen::chosen;
pub use driver::Driver;
pub use history::{Fault, History};
pub use reader::Reader;
pub use security::Security;
pub use spec::{Acks, GroupProtocol, Isolation, Reading, Start, Transactions, Writing};
pub use stage::{FOLLOWER, Served, Stage, TOPIC, ZONE};
pub use trouble::Trouble;
pub use writer::Writer;
