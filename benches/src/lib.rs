//! Side-by-side benchmarks: the same load through HAProxy, Envoy, Kroxylicious and Tidegate in one run, told
//! as ratios of the same round, with the raw numbers kept.
//!
//! What they are not: absolute figures for a NIC. Everything is on loopback, where the receiver's protocol
//! work is charged to the sender.
//!
//! ```text
//! load (own thread) ──► relay under test (own process, CPU and memory from /proc) ──► fake broker (own thread)
//! Java's perf tools ──► relay under test                                         ──► Apache Kafka
//! ```

pub mod answers;
pub mod broker;
pub mod candidate;
pub mod frames;
pub mod idle;
pub mod load;
pub mod machine;
pub mod manifest;
pub mod metadata;
pub mod probe;
pub mod real;
pub mod relay;
pub mod report;
pub mod samples;
pub mod soak;
pub mod splitter;
pub mod stats;
pub mod tier;
pub mod tls;
pub mod usage;
