//! Which address a client of some zone is told for each broker.

use std::collections::BTreeMap;

use config::Zone;
use kafka::patch::{AbsentBroker, Directory};
use kafka::types::BrokerId;

use crate::fleet::{Endpoints, Fleet};
use crate::view::{BrokerState, View};

/// The addresses for one answer to one client.
#[derive(Debug)]
pub struct Addresses<'a> {
    view: &'a View,
    by_broker: BTreeMap<BrokerId, (String, u16)>,
}

impl<'a> Addresses<'a> {
    /// Addresses for a client of `zone` that came in by the listener named `listener` with these endpoints.
    pub fn new(view: &'a View, fleet: &Fleet, zone: &Zone, listener: &str, own: &Endpoints) -> Self {
        let brokers = view.brokers.iter().map(|(id, b)| (*id, Some(&b.zone)));
        let by_broker = fleet.addresses(zone, listener, own, brokers);
        Self { view, by_broker }
    }
}

impl Addresses<'_> {
    /// Adds brokers that the view doesn't know yet.
    pub fn add(&mut self, fleet: &Fleet, zone: &Zone, listener: &str, own: &Endpoints, brokers: &[BrokerId]) {
        let brokers = brokers.iter().map(|id| (*id, None));
        self.by_broker.extend(fleet.addresses(zone, listener, own, brokers));
    }
}

impl Directory for Addresses<'_> {
    fn endpoint(&self, id: BrokerId) -> Option<(&str, u16)> {
        self.by_broker.get(&id).map(|(host, port)| (host.as_str(), *port))
    }

    fn absent(&self, present: &[BrokerId]) -> Vec<AbsentBroker> {
        let gone = self.view.brokers.iter().filter(|(id, b)| {
            b.state == BrokerState::Absent && !present.contains(id) && self.by_broker.contains_key(id)
        });
        gone.map(|(id, b)| AbsentBroker { id: *id, rack: b.rack.clone() }).collect()
    }
}
