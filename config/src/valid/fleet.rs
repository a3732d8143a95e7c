//! `fleet`: the other gateways, so that a client can be sent to its own zone.

use std::net::SocketAddr;

use super::endpoints::endpoints;
use super::gateway::sound_id;
use super::listeners::dialable;
use crate::check::Check;
use crate::raw::fleet as raw;
use crate::tree::join;
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

/// Most members of a fleet: each is asked for its health by every other one.
const MEMBERS_MAX: usize = 1_000;

impl Fleet {
    pub(crate) fn check(raw: &raw::Fleet, check: &mut Check<'_>) -> Self {
        if !raw.members.is_empty() && raw.gossip.is_some() {
            check.wrong("fleet.gossip", "stands beside members", "keep one of them");
        }
        if raw.members.len() > MEMBERS_MAX {
            check.wrong("fleet.members", "is too long", format!("list {MEMBERS_MAX} members at most"));
        }
        let members = raw.members.iter().take(MEMBERS_MAX).enumerate();
        let members = members.filter_map(|(n, raw)| Member::check(raw, &member_path(n), check)).collect();
        let gossip = raw.gossip.as_ref().and_then(|raw| Gossip::check(raw, check));
        Self { members, gossip }
    }
}

/// Where a member stands in the file.
pub(crate) fn member_path(n: usize) -> String {
    format!("fleet.members[{n}]")
}

impl Member {
    fn check(raw: &raw::Member, at: &str, check: &mut Check<'_>) -> Option<Self> {
        let id = check.need(at, "id", &raw.id, "gw-az2-0");
        let id = id.and_then(|id| sound_id(check, &join(at, "id"), id));
        let zone = check.need(at, "zone", &raw.zone, "use1-az2");
        let listener = check.need(at, "listener", &raw.listener, "clients");
        let advertise = check.need(at, "advertise", &raw.advertise, "gw-az2-0.example.com");
        let advertise = advertise.and_then(|a| dialable(a, raw.brokers.sni.is_some(), at, check));
        let brokers = endpoints(&raw.brokers, &join(at, "brokers"), check);
        let admin = check.need(at, "admin", &raw.admin, "gw-az2-0.example.com:9644");
        Some(Self {
            id: id?,
            zone: zone?,
            listener: listener?,
            advertise: advertise?,
            brokers: brokers?,
            admin: admin?,
        })
    }
}

impl Gossip {
    fn check(raw: &raw::Gossip, check: &mut Check<'_>) -> Option<Self> {
        let at = "fleet.gossip";
        let bind = check.need(at, "bind", &raw.bind, "0.0.0.0:7946");
        if raw.seeds.is_empty() {
            check.missing::<()>(at, "seeds", "[gw-az2-0.example.com:7946]");
        }
        let seeds = check.list(&join(at, "seeds"), &raw.seeds);
        check.warn(at, "is checked, but this version does not act on it yet: list the members");
        Some(Self { bind: bind?, seeds: seeds.into_iter().map(|(_, seed)| seed).collect() })
    }
}
