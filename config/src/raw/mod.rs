//! The file as typed: one struct per section, nothing but keys. What they mean is `valid`'s business.
//!
//! The comments on fields are the descriptions in the JSON Schema, so they speak to whoever writes the file.

pub(crate) mod cluster;
pub(crate) mod fleet;
pub(crate) mod gateway;
pub(crate) mod limits;
pub(crate) mod listeners;
pub(crate) mod store;
pub(crate) mod telemetry;
pub(crate) mod tiering;
pub(crate) mod zones;

use schemars::JsonSchema;
use serde::Deserialize;

/// Configuration of one Tidegate gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Tidegate", extend("required" = ["gateway", "cluster", "listeners"]))]
pub(crate) struct File {
    /// This gateway.
    pub(crate) gateway: gateway::Gateway,
    /// The Kafka you already run.
    pub(crate) cluster: cluster::Cluster,
    /// Where clients connect; at least one.
    #[schemars(length(min = 1))]
    pub(crate) listeners: Vec<listeners::Listener>,
    /// Which zone is whose, and how reads are steered.
    pub(crate) zones: zones::Zones,
    /// The other gateways.
    pub(crate) fleet: fleet::Fleet,
    /// Bounds of this gateway.
    pub(crate) limits: limits::Limits,
    /// Where tiered data and control records live: either `dir` or `s3`.
    pub(crate) store: Option<store::Store>,
    /// Which topics move to the store, and when. Needs `store`.
    pub(crate) tiering: Option<tiering::Tiering>,
    /// What the gateway tells about itself besides /metrics and its log.
    pub(crate) telemetry: telemetry::Telemetry,
}
