//! The broker facade: clients see the real cluster, at the gateways' addresses.

pub mod connections;
pub mod directory;
pub mod listen;
