//! The byte ledger: every byte relayed, by leg, API and zones. Every saving we claim is computed from it.
//!
//! A connection holds the [`Account`] of its zone pair; counting is one relaxed addition. What is counted is Kafka's
//! own bytes: no TCP, IP or TLS overhead (docs/ledger.md says how much that is).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use config::Zone;
use dashmap::DashMap;

/// One of the four ways a byte can go. A hint or an answer on behalf uses only some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Read from a client.
    ClientToGateway,
    /// Written to a broker.
    GatewayToBroker,
    /// Read from a broker.
    BrokerToGateway,
    /// Written to a client.
    GatewayToClient,
}

impl Leg {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ClientToGateway, Self::GatewayToBroker, Self::BrokerToGateway, Self::GatewayToClient];

    /// The label `direction`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientToGateway => "client_to_gateway",
            Self::GatewayToBroker => "gateway_to_broker",
            Self::BrokerToGateway => "broker_to_gateway",
            Self::GatewayToClient => "gateway_to_client",
        }
    }
}

/// API keys with a counter of their own; higher ones share the last.
const APIS: usize = 128;
/// The slot of bytes outside any Kafka frame: SASL tokens after SaslHandshake v0.
pub const OPAQUE: i16 = APIS as i16 - 1;

/// The counters of one (client zone, broker zone).
#[derive(Debug)]
pub struct Account {
    bytes: [[AtomicU64; APIS]; 4],
}

impl Account {
    /// Adds `n` bytes that went over `leg` as part of a frame of this API.
    pub fn add(&self, leg: Leg, key: i16, n: usize) {
        let slot = usize::try_from(key).map_or(APIS - 1, |k| k.min(APIS - 1));
        self.bytes[leg as usize][slot].fetch_add(n as u64, Relaxed);
    }

    /// What went over `leg` by the label `api`, where it isn't zero.
    fn by_api(&self, leg: Leg) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for (slot, bytes) in self.bytes[leg as usize].iter().enumerate() {
            let bytes = bytes.load(Relaxed);
            if bytes > 0 {
                *sums.entry(api_label(slot as i16)).or_default() += bytes;
            }
        }
        sums
    }
}

/// One line of the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The leg's name.
    pub direction: &'static str,
    /// The API's name.
    pub api: &'static str,
    /// The client's zone.
    pub client_zone: Zone,
    /// This gateway's zone.
    pub gateway_zone: Zone,
    /// The broker's zone.
    pub broker_zone: Zone,
    /// Bytes so far.
    pub bytes: u64,
}

/// All accounts of this gateway. Bounded by zones squared.
#[derive(Debug)]
pub struct Ledger {
    gateway_zone: Zone,
    accounts: DashMap<(Zone, Zone), Arc<Account>>,
}

impl Ledger {
    /// An empty ledger of a gateway in this zone.
    pub fn new(gateway_zone: Zone) -> Self {
        Self { gateway_zone, accounts: DashMap::new() }
    }

    /// The account of a zone pair.
    pub fn account(&self, client: &Zone, broker: &Zone) -> Arc<Account> {
        let fresh = || {
            Arc::new(Account { bytes: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))) })
        };
        self.accounts.entry((client.clone(), broker.clone())).or_insert_with(fresh).clone()
    }

    /// Every line that isn't zero, and no two alike but for their bytes: of those OpenTelemetry would keep the last one only.
    pub fn entries(&self) -> Vec<Entry> {
        let mut out = Vec::new();
        for account in &self.accounts {
            let (client, broker) = account.key();
            for leg in Leg::ALL {
                out.extend(account.by_api(leg).into_iter().map(|(api, bytes)| Entry {
                    direction: leg.name(),
                    api,
                    client_zone: client.clone(),
                    gateway_zone: self.gateway_zone.clone(),
                    broker_zone: broker.clone(),
                    bytes,
                }));
            }
        }
        out
    }
}

/// The label `api`: the API's name, or one word for all that have none.
pub fn api_label(key: i16) -> &'static str {
    kafka::api::name_of(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_apis_without_a_name_are_one_line() {
        let zone = |name: &str| Zone::new(name).expect("a zone");
        let ledger = Ledger::new(zone("az1"));
        let account = ledger.account(&zone("az1"), &zone("az2"));
        for key in [100, 120, OPAQUE, i16::MAX, -1] {
            account.add(Leg::ClientToGateway, key, 10);
        }
        account.add(Leg::ClientToGateway, kafka::api::FETCH, 7);
        account.add(Leg::GatewayToBroker, 100, 3);
        let mut lines: Vec<_> = ledger.entries().iter().map(|e| (e.direction, e.api, e.bytes)).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                ("client_to_gateway", "Fetch", 7),
                ("client_to_gateway", "unknown", 50),
                ("gateway_to_broker", "unknown", 3)
            ]
        );
    }
}
