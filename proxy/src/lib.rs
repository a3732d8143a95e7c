//! The Tidegate gateway.
//!
//! ```text
//! client ──> facade::listen ──> session (Core decides, Lane moves) ──> its broker
//!                                  │ some fetches
//!                                  └─> steer: plan ──> exec ──> merge ──> other brokers
//! view (what the cluster looks like) · fleet (the other gateways) · ledger, metrics, admin
//! ```

#![warn(clippy::print_stdout)]

pub mod admin;
pub mod app;
pub mod buffer;
pub mod facade;
pub mod fleet;
pub mod identity;
pub mod ledger;
pub mod life;
pub mod lines;
pub mod metrics;
pub mod reason;
pub mod rejects;
pub mod session;
pub mod status;
pub mod steer;
pub mod telemetry;
pub mod tier;
pub mod view;
