//! Whether a client can do everything through the gateways: a table of checks, each judged by what the brokers themselves say.
//!
//! ```text
//! Stage::start() ── three brokers with racks (TLS, SCRAM), three gateways, a door for each way of coming in, a tiered topic
//!      │
//! Check::ALL ── Check::run(&mut stage, &party) ──> a Verdict for each client ──> Table
//!      │              │ the clients of a party run side by side, a zone each
//!      │              └ writes and reads through the gateways, and Truth::read at the brokers
//! ```
//!
//! With `DIRECT=1` in the environment clients go to the brokers themselves: what they do there no gateway is to blame for.

mod admin;
mod check;
mod client;
mod cold;
mod doors;
mod entering;
mod faults;
mod groups;
mod isolation;
mod layout;
mod pair;
mod producing;
mod stage;
mod steered;
mod table;
mod trickle;
mod truth;
mod verdict;

pub use check::Check;
pub use client::Client;
pub use doors::Door;
pub use faults::Trouble;
pub use stage::Stage;
pub use table::Table;
pub use verdict::Verdict;
