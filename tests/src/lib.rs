//! The test bed: real Kafka clusters, a resident Java client, gateways, and raw sockets, all started and
//! stopped from Rust.
//!
//! What it is not: a mock. Everything here talks to Apache Kafka as published on Maven Central, and to real S3 servers.
//!
//! ```text
//! Cluster::builder().brokers(3).racks(["az1", "az2", "az3"]).start()
//!      │ brokers (java processes, kill9 / pause / resume / restart)
//!      ▼
//! Java::resident()  ── Admin, Producer, Consumer (one JVM for all of them)
//! Gateway::start(&yaml) ── the binary under test, its metrics and status
//! Raw::connect(addr) ── bytes in, bytes out
//! s3::Server::start(Maker::S3Proxy) ── a bucket for each test; s3::Faults before it
//! ```
//!
//! Nothing survives the test process, however it ends: see [`process`].

pub mod apps;
pub mod cache;
pub mod certs;
pub mod chaos;
pub mod clients;
pub mod clock;
pub mod cluster;
pub mod collector;
#[cfg(test)]
mod docs;
pub mod files;
pub mod gateway;
pub mod http;
pub mod java;
pub mod javac;
pub mod jwt;
pub mod kafka_dist;
pub mod matrix;
pub mod maven;
pub mod netns;
pub mod ports;
pub mod process;
pub mod random;
pub mod raw;
pub mod reaper;
pub mod s3;
pub mod schema;
pub mod tool;
pub mod transparency;
pub mod truth;
pub mod wait;

pub use cluster::Cluster;
pub use gateway::{Fleet, Gateway};
pub use java::Java;
pub use kafka_dist::{Dist, Version};
pub use raw::Raw;
