//! What `/status` says, and `tidegate status` prints.

use serde::{Deserialize, Serialize};

use crate::app::Gateway;
use crate::life::drain::Spread;
use crate::life::{headroom, ready};
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
    /// Whether it runs or ends.
    #[serde(default)]
    pub life: Life,
    /// Limits, and what is used of them.
    #[serde(default)]
    pub limits: Vec<Limit>,
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

/// Whether the gateway runs or ends, and what it has taken over while it ran.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Life {
    /// What is missing for it to be ready; nothing: it is.
    pub not_ready: Vec<String>,
    /// Seconds until what is still open is cut, once it is draining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_seconds_left: Option<u64>,
    /// What became of changed files, by outcome.
    pub reloads: Vec<Rejected>,
    /// Sections of the file that count from the next start.
    pub needs_restart: Vec<String>,
    /// Why the file last read was refused; none if it wasn't.
    pub refused: Option<String>,
    /// How long the gateway has run, seconds.
    pub up_seconds: u64,
}

/// A limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// Its name.
    pub limit: String,
    /// What is used.
    pub used: u64,
    /// What there is.
    pub max: u64,
    /// Whether nine tenths are used.
    pub near: bool,
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
    /// `in_zone`, `cross_zone` or `tier`.
    pub from: String,
    /// Why from there.
    pub reason: String,
    /// How many.
    pub fetches: u64,
}

/// A line of the ledger.
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
            state: b.state.label().to_owned(),
        });
        let settings = gateway.settings();
        let peers = settings.fleet.peers();
        let fleet =
            peers.iter().map(|p| Member { id: p.id.clone(), zone: p.zone.to_string(), alive: p.is_alive() });
        Self {
            gateway: gateway.id.to_string(),
            zone: gateway.zone.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: view.cluster_id.clone(),
            life: life(gateway),
            limits: limits(gateway),
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

fn life(gateway: &Gateway) -> Life {
    let left = |(began, spread): (tokio::time::Instant, Spread)| {
        spread.deadline.saturating_sub(began.elapsed()).as_secs()
    };
    let reloads = gateway.reloads.counts().filter(|(_, n)| *n > 0);
    Life {
        not_ready: ready::of(gateway).iter().map(ToString::to_string).collect(),
        drain_seconds_left: gateway.drain.begun().map(left),
        reloads: reloads.map(|(reason, count)| Rejected { reason: reason.into(), count }).collect(),
        needs_restart: gateway.reloads.needs_restart().into_iter().map(Into::into).collect(),
        refused: gateway.reloads.refused(),
        up_seconds: gateway.started.elapsed().as_secs(),
    }
}

fn limits(gateway: &Gateway) -> Vec<Limit> {
    let all = headroom::of(gateway).into_iter();
    all.map(|h| Limit { limit: h.limit.into(), used: h.used, max: h.max, near: h.is_near() }).collect()
}

fn clients(gateway: &Gateway) -> Vec<Clients> {
    let counts = gateway.clients.counts().into_iter().filter(|(_, _, n)| *n > 0);
    counts
        .map(|(zone, how, clients)| Clients { zone: zone.to_string(), how: how.to_string(), clients })
        .collect()
}

fn fetches(gateway: &Gateway) -> Vec<Fetches> {
    let counts = gateway.counters.served_counts().into_iter().filter(|(_, _, n)| *n > 0);
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
    let counts = gateway.rejects.counts().into_iter().filter(|(_, n)| *n > 0);
    counts.map(|(reason, count)| Rejected { reason: reason.label().into(), count }).collect()
}
