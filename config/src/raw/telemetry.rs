//! `telemetry`, as typed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Secret;
use crate::leaf::Leaf;

/// What the gateway tells about itself besides /metrics and its log.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// Metrics and traces to an OpenTelemetry collector, by OTLP over HTTP with protobuf bodies. Default: none are sent.
    pub(crate) otlp: Option<Otlp>,
}

/// An OpenTelemetry collector.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["endpoint"]))]
pub(crate) struct Otlp {
    /// `http://` or `https://` URL of the collector's OTLP/HTTP receiver, without user name or password; `/v1/metrics` and `/v1/traces`
    /// are put behind it.
    #[schemars(required)]
    pub(crate) endpoint: Option<Leaf<String>>,
    /// Headers of every request, by name; values are secrets. A value whose file changes counts from the next start. Default: none.
    pub(crate) headers: BTreeMap<String, Secret>,
    /// PEM file of the authorities to trust under `https://`. Default: those of the system.
    pub(crate) ca: Option<Leaf<PathBuf>>,
    /// How often metrics are sent, 1s to 1h. Default: 30s.
    pub(crate) interval: Option<Leaf<Duration>>,
    /// Whether metrics are sent: the same as /metrics shows. Default: true.
    pub(crate) metrics: Option<Leaf<bool>>,
    /// Traces of single requests of the APIs that the gateway reads or answers.
    pub(crate) traces: Traces,
}

/// Traces of single requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Traces {
    /// Which part of the requests is traced: 0 (none) to 1 (all). Default: 0.
    pub(crate) ratio: Option<Leaf<f64>>,
    /// Whether spans name the client's `client.id`, which may say who somebody is. Default: false.
    pub(crate) client_ids: Option<Leaf<bool>>,
}
