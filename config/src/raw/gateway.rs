//! `gateway`, as typed.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Secret;
use crate::Zone;
use crate::leaf::Leaf;

/// This gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["zone"]))]
pub(crate) struct Gateway {
    /// Name, unique in the fleet; 1 to 128 letters, digits, `.`, `_`, `-`. Default: the host name (`$HOSTNAME`, else `/etc/hostname`).
    pub(crate) id: Option<Leaf<String>>,
    /// The zone it runs in. Availability zone ids (use1-az1) are best: names differ between accounts.
    #[schemars(required)]
    pub(crate) zone: Option<Leaf<Zone>>,
    /// Where /metrics, /healthz, /readyz and /status are served. Default: 127.0.0.1:9644.
    pub(crate) admin: Option<Leaf<SocketAddr>>,
    /// What /metrics and /status ask for as a bearer token (`Authorization: Bearer ..`), 16 or more visible ASCII characters. Required
    /// unless `admin` is a loopback address. /healthz and /readyz are open: other gateways ask for them. Default: none.
    pub(crate) admin_token: Option<Secret>,
    /// Time over which connections end after SIGTERM, 1s to 1h. Whoever kills what doesn't end should wait 5 s longer (Kubernetes:
    /// `terminationGracePeriodSeconds`). Default: 25s.
    pub(crate) drain: Option<Leaf<Duration>>,
}
