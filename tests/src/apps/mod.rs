//! Kafka's own frameworks, each instance in a JVM of its own as users run them, so that one can be killed with -9.

mod connect;
mod jars;
mod smoke;
mod streams;

pub use connect::Worker;
pub use smoke::{PARTITIONS as SMOKE_PARTITIONS, Smoke, TOPICS as SMOKE_TOPICS};
pub use streams::{App, Streams};
