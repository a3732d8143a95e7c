//! The broker facade: clients see the real cluster, at the gateways' addresses.

pub mod connections;
pub mod descriptors;
pub mod directory;
pub mod listen;
pub mod pace;
pub mod proxy_header;
