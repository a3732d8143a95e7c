//! `fleet`: the other gateways, so that a client can be sent to its own zone.

use std::net::SocketAddr;

use super::endpoints::endpoints;
use super::files::secret;
use super::gateway::sound_id;
use super::listeners::dialable;
use crate::check::Check;
use crate::raw::cluster::Secret as RawSecret;
use crate::raw::fleet as raw;
use crate::tree::join;
use crate::{Advertise, BrokerEndpoints, HostPort, Secret, Zone};

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
    /// Where this gateway hears others.
    pub bind: SocketAddr,
    /// Where others reach it; `None`: the address from which it reaches its first seed.
    pub advertise: Option<SocketAddr>,
    /// Gateways to ask first; at least one.
    pub seeds: Vec<HostPort>,
    /// What members prove themselves by; at least one. The first seals, all open.
    pub keys: Vec<Secret>,
}

/// Most members of a fleet: each is asked for its health by every other one.
const MEMBERS_MAX: usize = 1_000;

/// Most seeds: more would only be asked later.
const SEEDS_MAX: usize = 100;

/// Most keys of a fleet at a time: each is tried on what a stranger sends.
const KEYS_MAX: usize = 4;

/// Shortest key, in bytes: whoever hears the gossip can try keys for as long as he likes.
const KEY_BYTES_MIN: usize = 32;

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
        let advertise = advertise.and_then(|a| dialable(a, !raw.brokers.by_ports(), at, check));
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
        let advertise = check.read(at, "advertise", &raw.advertise);
        let seeds = seeds(raw, check);
        let keys = keys(raw, check);
        let advertise = match (advertise, bind) {
            (Some(told), _) if told.ip().is_unspecified() || told.port() == 0 => {
                let reason = format!("{told} is nowhere that another gateway could send to");
                check.wrong("fleet.gossip.advertise", reason, "write this machine's own address and port");
                None
            }
            (None, Some(bind)) if !bind.ip().is_unspecified() && bind.port() != 0 => Some(bind),
            (told, _) => told,
        };
        Some(Self { bind: bind?, advertise, seeds, keys })
    }
}

fn seeds(raw: &raw::Gossip, check: &mut Check<'_>) -> Vec<HostPort> {
    let at = "fleet.gossip";
    if raw.seeds.is_empty() {
        check.missing::<()>(at, "seeds", "[gw-az2-0.example.com:7946]");
    }
    if raw.seeds.len() > SEEDS_MAX {
        check.wrong(
            "fleet.gossip.seeds",
            "is too long",
            format!("list {SEEDS_MAX} seeds at most: they tell of the others"),
        );
    }
    check.list(&join(at, "seeds"), &raw.seeds).into_iter().map(|(_, seed)| seed).collect()
}

fn keys(raw: &raw::Gossip, check: &mut Check<'_>) -> Vec<Secret> {
    let at = "fleet.gossip";
    if raw.keys.is_empty() {
        check.missing::<()>(
            at,
            "keys",
            "[{file: /run/secrets/tidegate-fleet}]   # `openssl rand -hex 32` prints one",
        );
    }
    if raw.keys.len() > KEYS_MAX {
        check.wrong(
            "fleet.gossip.keys",
            "is too long",
            format!("keep {KEYS_MAX} keys at most: a new one, and the one before"),
        );
    }
    let keys = raw.keys.iter().take(KEYS_MAX).enumerate();
    keys.filter_map(|(n, raw)| key(raw, &format!("{at}.keys[{n}]"), check)).collect()
}

fn key(raw: &RawSecret, at: &str, check: &mut Check<'_>) -> Option<Secret> {
    let key = secret(check, at, raw)?;
    if key.reveal().len() < KEY_BYTES_MIN {
        let reason = format!("leads to a key of less than {KEY_BYTES_MIN} characters: it could be guessed");
        check.wrong(at, reason, "put one there that `openssl rand -hex 32` prints");
        return None;
    }
    Some(key)
}
