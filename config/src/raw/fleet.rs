//! `fleet`, as typed.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::listeners::Brokers;
use crate::leaf::Leaf;
use crate::{Advertise, HostPort, Zone};

/// The other gateways, so that a client can be sent to its own zone: `members` or `gossip`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fleet {
    /// Listed by hand: one entry per gateway and listener, without this gateway itself.
    pub(crate) members: Vec<Member>,
    /// Found by gossip.
    pub(crate) gossip: Option<Gossip>,
}

/// One listener of another gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["id", "zone", "listener", "advertise", "brokers", "admin"]))]
pub(crate) struct Member {
    /// The other gateway's `gateway.id`; never this gateway's own.
    #[schemars(required)]
    pub(crate) id: Option<Leaf<String>>,
    /// The zone it runs in.
    #[schemars(required)]
    pub(crate) zone: Option<Leaf<Zone>>,
    /// Name of the listener, there and here: clients of that listener here may be sent there. A gateway with two listeners
    /// stands here twice.
    #[schemars(required)]
    pub(crate) listener: Option<Leaf<String>>,
    /// Host that clients are told, as in `listeners`; under SNI with `:port` if it isn't the port of the listener here.
    #[schemars(required)]
    pub(crate) advertise: Option<Leaf<Advertise>>,
    /// Where it answers for each broker. `sni` needs `tls` on the listener here.
    pub(crate) brokers: Brokers,
    /// Its admin address, for health checks.
    #[schemars(required)]
    pub(crate) admin: Option<Leaf<HostPort>>,
}

/// Membership by gossip.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["bind", "seeds"]))]
pub(crate) struct Gossip {
    /// Where this gateway listens for others.
    #[schemars(required)]
    pub(crate) bind: Option<Leaf<SocketAddr>>,
    /// Gateways to ask first.
    #[schemars(length(min = 1))]
    pub(crate) seeds: Vec<Leaf<HostPort>>,
}
