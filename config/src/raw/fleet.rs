//! `fleet`, as typed.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cluster::Secret;
use super::listeners::Brokers;
use crate::leaf::Leaf;
use crate::{Advertise, HostPort, Zone};

/// The other gateways, so that a client can be sent to its own zone: `members` or `gossip`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fleet {
    /// Listed by hand: one entry per gateway and listener, without this gateway itself.
    pub(crate) members: Vec<Member>,
    /// Found by gossip, over UDP and encrypted: nothing but a few seeds and a key is written down.
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
#[schemars(extend("required" = ["bind", "seeds", "keys"]))]
pub(crate) struct Gossip {
    /// Where this gateway hears others (UDP). Counts from the next start, as the seeds do.
    #[schemars(required)]
    pub(crate) bind: Option<Leaf<SocketAddr>>,
    /// Where others reach it. Default: `bind`; where that is 0.0.0.0 or ::, the address from which this machine reaches its first seed.
    pub(crate) advertise: Option<Leaf<SocketAddr>>,
    /// Gateways to ask first; a name with several addresses (a headless service) is all of them, and is looked up again every minute.
    #[schemars(length(min = 1, max = 100))]
    pub(crate) seeds: Vec<Leaf<HostPort>>,
    /// Who has one of these secrets is believed to be a gateway of the fleet: 1 to 4, each of 32 or more characters. The first seals what
    /// is sent, all open what comes. To change it: put the new one last everywhere, then first, then take the old one out (SIGHUP each time).
    #[schemars(length(min = 1, max = 4))]
    pub(crate) keys: Vec<Secret>,
}
