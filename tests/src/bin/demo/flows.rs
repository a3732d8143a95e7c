//! Bytes between zones: from the clients' own network counters (direct), from the gateways' ledgers (through).

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tidegate_tests::http;

use super::places::Place;
use super::traffic::{BytesByNode, Progress};

/// What bytes were moved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Everything but writing: fetches, groups, metadata.
    Reading,
    /// Records to their leaders, and the acknowledgements.
    Writing,
}

/// Between whom, both ways together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// No gateway between.
    ClientBroker,
    /// The first half of the way through.
    ClientGateway,
    /// The second.
    GatewayBroker,
}

/// Bytes of one kind between two zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    /// What for.
    pub(crate) work: Work,
    /// Between whom.
    pub(crate) leg: Leg,
    /// Where the client is that caused it.
    pub(crate) client_zone: String,
    /// The zones at its ends, in the order of their names.
    pub(crate) ends: [String; 2],
    /// How many.
    pub(crate) bytes: u64,
}

impl Flow {
    fn new(work: Work, leg: Leg, client_zone: &str, ends: [&str; 2], bytes: u64) -> Self {
        let mut ends = ends.map(str::to_owned);
        ends.sort();
        Self { work, leg, client_zone: client_zone.to_owned(), ends, bytes }
    }

    /// Whether it crosses the border of a zone.
    pub(crate) fn crosses(&self) -> bool {
        self.ends[0] != self.ends[1]
    }
}

/// What clients exchanged, and how much of it crossed a zone on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Bytes at the clients' sockets; through a gateway the same bytes go over two legs and count once.
    pub(crate) all: u64,
    /// Bytes across zones, on any leg.
    pub(crate) crossed: u64,
}

impl Moved {
    /// Which part crossed; 0 if nothing moved.
    pub(crate) fn share(&self) -> f64 {
        if self.all == 0 { 0.0 } else { self.crossed as f64 / self.all as f64 }
    }
}

/// All bytes of a phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flows(Vec<Flow>);

impl Flows {
    /// What the clients counted, talking to brokers. The producer is in the first zone.
    pub(crate) fn of_clients(progress: &Progress, places: &[Place]) -> Result<Self> {
        let mut flows = Vec::new();
        let producer = places.first().context("no zone")?;
        add_client(&mut flows, Work::Writing, &producer.zone, &progress.producer, places)?;
        for group in &progress.consumers {
            add_client(&mut flows, Work::Reading, &group.zone, &group.bytes, places)?;
        }
        Ok(Self(flows))
    }

    /// What the gateways' ledgers say now.
    pub(crate) fn of_gateways(places: &[Place]) -> Result<Self> {
        let mut flows = Vec::new();
        for place in places {
            let answer = http::get(&place.admin, "/status")?;
            ensure!(answer.status == 200, "{}/status answers {}", place.admin, answer.status);
            let status: Status = serde_json::from_str(&answer.body).context("an odd /status")?;
            flows.extend(status.bytes.iter().map(Entry::flow));
        }
        Ok(Self(flows))
    }

    /// The sum over some of them.
    pub(crate) fn bytes(&self, wanted: impl Fn(&Flow) -> bool) -> u64 {
        self.0.iter().filter(|flow| wanted(flow)).map(|flow| flow.bytes).sum()
    }

    /// What clients exchanged for some work.
    pub(crate) fn moved(&self, work: Work, wanted: impl Fn(&Flow) -> bool) -> Moved {
        let ours = |flow: &Flow| flow.work == work && wanted(flow);
        Moved {
            all: self.bytes(|flow| ours(flow) && flow.leg != Leg::GatewayBroker),
            crossed: self.bytes(|flow| ours(flow) && flow.crosses()),
        }
    }
}

/// One client's connections, each to a broker whose zone is known.
fn add_client(
    flows: &mut Vec<Flow>,
    work: Work,
    zone: &str,
    counters: &BytesByNode,
    places: &[Place],
) -> Result<()> {
    for (node, bytes) in counters {
        let broker = broker_zone(node, zone, places).with_context(|| format!("unknown broker {node}"))?;
        flows.push(Flow::new(work, Leg::ClientBroker, zone, [zone, broker], *bytes));
    }
    Ok(())
}

/// The zone of a connection's broker. Java's clients name connections `node-ID`; the one to a group's
/// coordinator has 2³¹ - 1 - ID, and the first, made before any id is known, goes to the broker of the
/// client's zone and has a negative number.
fn broker_zone<'a>(node: &str, client_zone: &'a str, places: &'a [Place]) -> Option<&'a str> {
    let number: i64 = node.strip_prefix("node-")?.parse().ok()?;
    if number < 0 {
        return Some(client_zone);
    }
    let coordinator = i64::from(i32::MAX) - number;
    let is_it = |place: &&Place| [number, coordinator].contains(&place.broker_id);
    places.iter().find(is_it).map(|place| place.zone.as_str())
}

/// The part of `/status` that is needed here.
#[derive(Debug, Deserialize)]
struct Status {
    bytes: Vec<Entry>,
}

/// A line of the ledger.
#[derive(Debug, Deserialize)]
struct Entry {
    direction: String,
    api: String,
    client_zone: String,
    gateway_zone: String,
    broker_zone: String,
    bytes: u64,
}

impl Entry {
    fn flow(&self) -> Flow {
        let work = match self.api.as_str() {
            "Produce" | "InitProducerId" => Work::Writing,
            _ => Work::Reading,
        };
        let (leg, far) = match self.direction.as_str() {
            "client_to_gateway" | "gateway_to_client" => (Leg::ClientGateway, &self.client_zone),
            _ => (Leg::GatewayBroker, &self.broker_zone),
        };
        Flow::new(work, leg, &self.client_zone, [&self.gateway_zone, far], self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn places() -> Vec<Place> {
        let place = |n: i64| Place {
            zone: format!("az{n}"),
            broker_id: n,
            broker: String::new(),
            log_dir: PathBuf::new(),
            gateway: String::new(),
            admin: String::new(),
        };
        (1..=3).map(place).collect()
    }

    #[test]
    fn every_connection_of_a_java_client_has_a_broker_and_so_a_zone() {
        let places = places();
        let zone = |node| broker_zone(node, "az3", &places);
        assert_eq!(zone("node-2"), Some("az2"));
        assert_eq!(zone("node-2147483646"), Some("az1"));
        assert_eq!(zone("node--1"), Some("az3"));
        assert_eq!((zone("node-9"), zone("what")), (None, None));
    }

    #[test]
    fn a_byte_crosses_a_zone_on_the_leg_where_its_ends_differ() {
        let entry = |direction: &str, api: &str| Entry {
            direction: direction.into(),
            api: api.into(),
            client_zone: "az1".into(),
            gateway_zone: "az1".into(),
            broker_zone: "az2".into(),
            bytes: 7,
        };
        let down = entry("gateway_to_client", "Fetch").flow();
        assert_eq!((down.leg, down.work, down.crosses()), (Leg::ClientGateway, Work::Reading, false));
        let up = entry("gateway_to_broker", "Produce").flow();
        assert_eq!((up.leg, up.work, up.crosses()), (Leg::GatewayBroker, Work::Writing, true));
        let back = entry("broker_to_gateway", "Produce").flow();
        assert_eq!(back.ends, up.ends, "both ways are one pair");
        let moved = Flows(vec![down, up, back]).moved(Work::Writing, |_| true);
        assert_eq!(moved, Moved { all: 0, crossed: 14 });
    }

    #[test]
    fn bytes_over_two_legs_count_once_and_cross_on_any() {
        let flow = |leg, far| Flow::new(Work::Reading, leg, "az1", ["az1", far], 10);
        let flows = Flows(vec![flow(Leg::ClientGateway, "az1"), flow(Leg::GatewayBroker, "az3")]);
        let moved = flows.moved(Work::Reading, |_| true);
        assert_eq!((moved, moved.share()), (Moved { all: 10, crossed: 10 }, 1.0));
    }
}
