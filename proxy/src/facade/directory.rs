//! Which address a client of some zone is told for each broker.

use std::collections::BTreeMap;

use config::Zone;
use kafka::patch::{AbsentBroker, Directory};
use kafka::types::BrokerId;

use crate::fleet::{Endpoints, Fleet};
use crate::view::View;

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

    /// Whatever the view thinks of them: an answer may know sooner than the view, by up to a refresh, that a broker
    /// left. kafkajs, told once that its replica's broker is gone, keeps the replica for five minutes and reads nothing.
    fn absent(&self, present: &[BrokerId]) -> Vec<AbsentBroker> {
        let known = self.view.brokers.iter();
        let gone = known.filter(|(id, _)| !present.contains(id) && self.by_broker.contains_key(id));
        gone.map(|(id, b)| AbsentBroker { id: *id, rack: b.rack.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::brokers;
    use crate::view::BrokerState;

    #[test]
    fn a_broker_that_an_answer_misses_is_still_shown_before_the_view_knows_that_it_left() {
        let states = [
            (1, BrokerState::Live),
            (2, BrokerState::Live),
            (3, BrokerState::Suspect),
            (4, BrokerState::Absent),
        ];
        let view =
            View { brokers: brokers(&states.map(|(id, state)| (id, "az1", state))), ..View::default() };
        let mut addresses = Addresses { view: &view, by_broker: BTreeMap::new() };
        let shown = |addresses: &Addresses<'_>| -> Vec<i32> {
            addresses.absent(&[BrokerId(1)]).iter().map(|broker| broker.id.0).collect()
        };
        assert!(shown(&addresses).is_empty(), "who has no endpoint cannot be shown");
        addresses.by_broker =
            (1..=4).map(|id| (BrokerId(id), ("gw".to_owned(), 29_100 + id as u16))).collect();
        assert_eq!(shown(&addresses), [2, 3, 4]);
    }
}
