//! Real S3 servers: what tiered data goes to in tests and the demo, with faults before them where a test asks for some.
//!
//! ```text
//! Server::start(Maker::S3Proxy) ── a process, killed with this one
//!      │ .bucket()             ── a new bucket; its Settings
//!      ▼
//! Faults::before(&server)      ── a proxy that does what a network and a store can do
//!      .inject(rule)  .fired(..) ── each fault is counted where it happens
//! ```

mod bucket;
mod dist;
mod faults;
mod server;

pub use dist::Maker;
pub use faults::{Fault, Faults, Rule};
pub use server::{ACCESS_KEY, SECRET_KEY, Server};
