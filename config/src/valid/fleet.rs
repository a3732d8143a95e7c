//! `fleet`: the other gateways, so that a client can be sent to its own zone.

use std::net::SocketAddr;

use crate::{Advertise, BrokerEndpoints, HostPort, Zone};

/// The other gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Listed by hand. One entry per gateway and listener; never this gateway itself.
    pub members: Vec<Member>,
    /// Found by gossip instead.
    pub gossip: Option<Gossip>,
}

/// One listener of another gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The other gateway's `gateway.id`.
    pub id: String,
    /// The zone it runs in.
    pub zone: Zone,
    /// Name of the listener, here and there: clients of that listener here may be sent there.
    pub listener: String,
    /// Host that clients are told.
    pub advertise: Advertise,
    /// Where it answers for each broker.
    pub brokers: BrokerEndpoints,
    /// Its admin address, for health checks.
    pub admin: HostPort,
}

/// Membership by gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// Where this gateway listens for others.
    pub bind: SocketAddr,
    /// Gateways to ask first; at least one.
    pub seeds: Vec<HostPort>,
}
