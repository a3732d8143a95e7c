//! The gateways of the fleet: which of them answer, and which one a client of a zone is sent to.

pub mod gossip;
pub mod metrics;
pub mod probe;
pub mod roster;
pub mod share;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use config::{BrokerEndpoints, WhenNoGateway, Zone};
use kafka::types::BrokerId;

use roster::Roster;
use share::{Candidate, deal};

/// How a gateway's endpoints are named: by port on one host, or by host name under TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// The host clients are told (unless SNI names one per broker).
    pub host: String,
    /// The port clients are told where SNI tells brokers apart.
    pub sni_port: u16,
    /// Broker id to port or host name.
    pub brokers: BrokerEndpoints,
}

impl Endpoints {
    /// The address of a broker's endpoint; `None` for an id outside the configured range.
    pub fn of(&self, id: BrokerId) -> Option<(String, u16)> {
        match self.brokers.host_of(id.0) {
            Some(host) => Some((host, self.sni_port)),
            None => self.brokers.port_of(id.0).map(|port| (self.host.clone(), port)),
        }
    }
}

/// Another gateway.
#[derive(Debug)]
pub struct Peer {
    /// Its id.
    pub id: String,
    /// Its zone.
    pub zone: Zone,
    /// The listener whose clients it takes.
    pub listener: String,
    /// Its endpoints.
    pub endpoints: Endpoints,
    /// Where its admin port is asked whether it lives; `None` if gossip says so.
    pub admin: Option<(String, u16)>,
    /// Whether it answered last time, or was heard. Optimistic until the first probe.
    pub alive: AtomicBool,
}

impl Peer {
    /// Whether the other one, of another file, is this one.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.id, &self.listener, &self.admin) == (&other.id, &other.listener, &other.admin)
    }

    /// Whether clients can be sent there.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Relaxed)
    }
}

/// This gateway among the others.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// This gateway's id.
    pub id: Arc<str>,
    /// This gateway's zone.
    pub zone: Zone,
    /// The others.
    pub roster: Roster,
    /// What to do when a zone has no living gateway.
    pub fallback: WhenNoGateway,
    /// Set once this gateway is about to end: clients are told others then, if there are any.
    pub leaving: Arc<AtomicBool>,
}

impl Fleet {
    /// The others, as of now.
    pub fn peers(&self) -> Arc<Vec<Peer>> {
        self.roster.peers()
    }

    /// The endpoints told to clients of `zone` that came in by `listener`, for each of `brokers` and its zone.
    ///
    /// Living gateways of the zone share the brokers ([`deal`]); a zone without one gets those of all other zones, this gateway included, or nothing
    /// where the file says `refuse`.
    pub fn addresses<'a>(
        &self,
        zone: &Zone,
        listener: &str,
        own: &Endpoints,
        brokers: impl Iterator<Item = (BrokerId, Option<&'a Zone>)>,
    ) -> BTreeMap<BrokerId, (String, u16)> {
        let peers = self.peers();
        let candidates = self.candidates(&peers, zone, listener, own);
        let dealt = deal(&candidates, brokers).into_iter();
        dealt.filter_map(|(id, to)| Some((id, to.endpoints.of(id)?))).collect()
    }

    /// Whether a gateway lives in `zone` for clients that came in by `listener`. This one is alive.
    pub fn has_gateway(&self, zone: &Zone, listener: &str) -> bool {
        let lives = |p: &Peer| p.zone == *zone && p.listener == listener && p.is_alive();
        self.zone == *zone || self.peers().iter().any(lives)
    }

    /// How many others live.
    pub fn living_peers(&self) -> usize {
        self.peers().iter().filter(|p| p.is_alive()).count()
    }

    fn candidates<'a>(
        &'a self,
        peers: &'a [Peer],
        zone: &Zone,
        listener: &str,
        own: &'a Endpoints,
    ) -> Vec<Candidate<'a>> {
        let stays = !self.leaving.load(Relaxed);
        let living = |in_zone: bool, with_here: bool| {
            let peers = peers.iter().filter(move |p| p.listener == listener && p.is_alive());
            let peers = peers.filter(move |p| !in_zone || p.zone == *zone);
            let here = Candidate { id: &self.id, zone: &self.zone, endpoints: own };
            let here = (with_here && (!in_zone || self.zone == *zone)).then_some(here);
            let peers = peers.map(|p| Candidate { id: &p.id, zone: &p.zone, endpoints: &p.endpoints });
            peers.chain(here).collect::<Vec<_>>()
        };
        let anywhere = self.fallback == WhenNoGateway::Any;
        // Better one that is about to end than none at all: it may come back at the same address.
        let choices =
            [(true, stays, true), (false, stays, anywhere), (true, true, true), (false, true, anywhere)];
        let mut found = choices.iter().filter(|c| c.2).map(|c| living(c.0, c.1));
        found.find(|found| !found.is_empty()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(host: &str) -> Endpoints {
        Endpoints {
            host: host.into(),
            sni_port: 0,
            brokers: BrokerEndpoints::Ports { first: 1000, last: 1099 },
        }
    }

    fn zone(name: &str) -> Zone {
        Zone::new(name).expect("a zone")
    }

    fn fleet(fallback: WhenNoGateway) -> Fleet {
        let peer = |id: &str, z: &str| Peer {
            id: id.into(),
            zone: zone(z),
            listener: "clients".into(),
            endpoints: endpoints(id),
            admin: Some(("x".into(), 1)),
            alive: AtomicBool::new(true),
        };
        let peers = [peer("b0", "az2"), peer("b1", "az2"), peer("c0", "az3")];
        let roster = Roster::Listed(Arc::new(peers.into()));
        Fleet { id: "a0".into(), zone: zone("az1"), roster, fallback, leaving: Arc::default() }
    }

    fn hosts(fleet: &Fleet, z: &str) -> Vec<String> {
        let own = endpoints("a0");
        let all = fleet.addresses(&zone(z), "clients", &own, (0..50).map(|id| (BrokerId(id), None)));
        let mut hosts: Vec<_> = all.into_values().map(|(host, _)| host).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    #[test]
    fn clients_are_told_living_gateways_of_their_own_zone_and_those_share_the_brokers() {
        let fleet = fleet(WhenNoGateway::Any);
        assert_eq!(hosts(&fleet, "az1"), ["a0"]);
        assert_eq!(hosts(&fleet, "az2"), ["b0", "b1"]);
        fleet.peers()[0].alive.store(false, Relaxed);
        assert_eq!(hosts(&fleet, "az2"), ["b1"], "the other one takes all");
        fleet.peers()[0].alive.store(true, Relaxed);
        assert_eq!(hosts(&fleet, "az2"), ["b0", "b1"], "and gives back when it returns");
    }

    #[test]
    fn a_zone_without_a_living_gateway_gets_the_others_or_is_refused_as_the_file_says() {
        let any = fleet(WhenNoGateway::Any);
        any.peers()[2].alive.store(false, Relaxed);
        assert_eq!(hosts(&any, "az3"), ["a0", "b0", "b1"]);
        assert_eq!(hosts(&any, "az9"), ["a0", "b0", "b1"]);
        assert!(hosts(&fleet(WhenNoGateway::Refuse), "az9").is_empty());
    }

    #[test]
    fn a_gateway_that_leaves_sends_clients_to_others_as_long_as_there_are_any() {
        let any = fleet(WhenNoGateway::Any);
        any.leaving.store(true, Relaxed);
        assert_eq!(hosts(&any, "az1"), ["b0", "b1", "c0"]);
        assert_eq!(hosts(&any, "az2"), ["b0", "b1"]);
        any.peers().iter().for_each(|p| p.alive.store(false, Relaxed));
        assert_eq!(hosts(&any, "az1"), ["a0"], "nobody else is there");
        assert_eq!(hosts(&any, "az2"), ["a0"]);
        let refuse = fleet(WhenNoGateway::Refuse);
        refuse.leaving.store(true, Relaxed);
        assert_eq!(hosts(&refuse, "az1"), ["a0"], "no other gateway of the zone, and no other zone's");
        assert!(hosts(&refuse, "az9").is_empty());
    }

    #[test]
    fn a_zone_without_a_gateway_reaches_each_broker_by_a_gateway_in_the_brokers_zone() {
        let (fleet, own) = (fleet(WhenNoGateway::Any), endpoints("a0"));
        fleet.peers()[2].alive.store(false, Relaxed);
        let zones = ["az1", "az2", "az3"].map(zone);
        let brokers = (0..30).map(|id| (BrokerId(id), Some(&zones[id as usize % 3])));
        let told = fleet.addresses(&zone("az3"), "clients", &own, brokers);
        let hosts =
            |z: i32| told.iter().filter(move |(id, _)| id.0 % 3 == z).map(|(_, (host, _))| host.as_str());
        assert!(hosts(0).all(|h| h == "a0"), "of az1");
        assert!(hosts(1).all(|h| h.starts_with('b')), "of az2");
        assert_eq!(hosts(2).count(), 10, "those of the zone itself have an endpoint too");
        let at_home =
            fleet.addresses(&zone("az1"), "clients", &own, [(BrokerId(1), Some(&zones[1]))].into_iter());
        assert_eq!(at_home[&BrokerId(1)].0, "a0", "a zone with a gateway goes by it, wherever the broker is");
    }

    #[test]
    fn a_zone_has_a_gateway_while_one_lives_there_for_that_listener() {
        let fleet = fleet(WhenNoGateway::Any);
        let has = |z: &str| fleet.has_gateway(&zone(z), "clients");
        assert_eq!(["az1", "az2", "az3", "az9"].map(has), [true, true, true, false]);
        assert!(!fleet.has_gateway(&zone("az3"), "others"), "by another listener");
        fleet.peers()[2].alive.store(false, Relaxed);
        assert!(!has("az3"));
        fleet.peers()[2].alive.store(true, Relaxed);
        assert!(has("az3"), "it is back");
    }
}
