//! The register's promises.

mod behaviour;
mod model;
mod sim;
