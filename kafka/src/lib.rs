//! Kafka's wire protocol as a gateway needs it: frames, headers, views and in-place patches, and a
//! small client for cluster metadata. No policy, and nothing of Tidegate's own.

#![warn(clippy::print_stdout)]

pub mod api;
pub mod batch;
pub mod client;
pub mod code;
pub mod fetch;
pub mod header;
pub mod offsets;
pub mod patch;
pub mod trim;
pub mod types;
pub mod wire;
