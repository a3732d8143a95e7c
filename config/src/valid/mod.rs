//! What the file means, after every check: the types the rest of the program works with.

pub(crate) mod client_zone;
pub(crate) mod cluster;
pub(crate) mod endpoints;
pub(crate) mod fleet;
pub(crate) mod gateway;
pub(crate) mod hosts;
pub(crate) mod limits;
pub(crate) mod listeners;
pub(crate) mod store;
pub(crate) mod tiering;
pub(crate) mod zones;

use cluster::Cluster;
use fleet::Fleet;
use gateway::Gateway;
use limits::Limits;
use listeners::Listener;
use store::Store;
use tiering::Tiering;
use zones::Zones;

/// A whole file that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// This gateway.
    pub gateway: Gateway,
    /// The Kafka cluster behind it.
    pub cluster: Cluster,
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// Which zone is whose.
    pub zones: Zones,
    /// The other gateways.
    pub fleet: Fleet,
    /// Bounds.
    pub limits: Limits,
    /// Where tiered data and control records live.
    pub store: Option<Store>,
    /// Which topics move to the store.
    pub tiering: Option<Tiering>,
    /// What is allowed but unwise, each with its path; for the log and for `tidegate check`.
    pub warnings: Vec<String>,
}
