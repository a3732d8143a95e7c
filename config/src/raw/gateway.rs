//! `gateway`, as typed.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

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
}
