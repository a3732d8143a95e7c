//! What `/status` says, and `tidegate status` prints.

use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use crate::app::Gateway;
use crate::tier::report::{self, TierStatus};

/// The whole page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The gateway's id.
    pub gateway: String,
    /// Its zone.
    pub zone: String,
    /// Its version.
    pub version: String,
    /// The cluster's id, once it has answered.
    pub cluster_id: Option<String>,
    /// Open client connections.
    pub connections: u64,
    /// Brokers.
    pub brokers: Vec<Broker>,
    /// The other gateways.
    pub fleet: Vec<Member>,
    /// Clients by zone and rule.
    pub clients: Vec<Clients>,
    /// Consumer fetches by where they were served.
    pub fetches: Vec<Fetches>,
    /// The byte ledger.
    pub bytes: Vec<Bytes>,
    /// Connections ended, answers curtailed and waits for room in memory, by reason.
    pub rejected: Vec<Rejected>,
    /// The tier, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierStatus>,
}

/// A broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Where it listens.
    pub address: String,
    /// Its zone.
    pub zone: String,
    /// `live`, `suspect` or `absent`.
    pub state: String,
}

/// Another gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its zone.
    pub zone: String,
    /// Whether it answers.
    pub alive: bool,
}

/// Clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clients {
    /// Their zone.
    pub zone: String,
    /// The rule that said so.
    pub how: String,
    /// How many.
    pub clients: u64,
}

/// Fetches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fetches {
    /// `in_zone` or `cross_zone`.
    pub from: String,
    /// Why from there.
    pub reason: String,
    /// How many.
    pub fetches: u64,
}

/// A line of the ledger, summed over APIs of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bytes {
    /// The leg.
    pub direction: String,
    /// The API.
    pub api: String,
    /// The client's zone.
    pub client_zone: String,
    /// The gateway's zone.
    pub gateway_zone: String,
    /// The broker's zone.
    pub broker_zone: String,
    /// Bytes so far.
    pub bytes: u64,
}

/// A reason and its count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
}

impl Status {
    /// The status now.
    pub fn of(gateway: &Gateway) -> Self {
        let view = gateway.cluster.view();
        let brokers = view.brokers.iter().map(|(id, b)| Broker {
            id: id.0,
            address: format!("{}:{}", b.host, b.port),
            zone: b.zone.to_string(),
            state: format!("{:?}", b.state).to_lowercase(),
        });
        let peers = gateway.fleet.peers.iter();
        let fleet = peers.map(|p| Member {
            id: p.id.clone(),
            zone: p.zone.to_string(),
            alive: p.alive.load(Relaxed),
        });
        Self {
            gateway: gateway.fleet.id.to_string(),
            zone: gateway.fleet.zone.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: view.cluster_id.clone(),
            connections: gateway.connections.open(),
            brokers: brokers.collect(),
            fleet: fleet.collect(),
            clients: clients(gateway),
            fetches: fetches(gateway),
            bytes: bytes(gateway),
            rejected: rejected(gateway),
            tier: report::of(gateway),
        }
    }
}

fn clients(gateway: &Gateway) -> Vec<Clients> {
    let counts = gateway.clients.counts().into_iter().filter(|(_, _, n)| *n > 0);
    counts
        .map(|(zone, how, clients)| Clients { zone: zone.to_string(), how: how.to_string(), clients })
        .collect()
}

fn fetches(gateway: &Gateway) -> Vec<Fetches> {
    let counts = gateway.counters.served_counts().into_iter();
    counts
        .map(|(from, reason, fetches)| Fetches { from: from.into(), reason: reason.into(), fetches })
        .collect()
}

fn bytes(gateway: &Gateway) -> Vec<Bytes> {
    let entries = gateway.ledger.entries().into_iter();
    entries
        .map(|e| Bytes {
            direction: e.direction.into(),
            api: e.api.into(),
            client_zone: e.client_zone.to_string(),
            gateway_zone: e.gateway_zone.to_string(),
            broker_zone: e.broker_zone.to_string(),
            bytes: e.bytes,
        })
        .collect()
}

fn rejected(gateway: &Gateway) -> Vec<Rejected> {
    let counts = gateway.rejected_counts().into_iter();
    counts.map(|(reason, count)| Rejected { reason: reason.into(), count }).collect()
}
