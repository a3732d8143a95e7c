//! The metrics of the fleet, as this gateway sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::app::Gateway;
use crate::fleet::Fleet;

/// Registers them; values are read when somebody asks.
pub fn register(meter: &Meter, gateway: &Arc<Gateway>) {
    let g = gateway.clone();
    meter
        .u64_observable_gauge("tidegate_gateways")
        .with_description("Gateways of the fleet by zone, and whether this one would send clients there")
        .with_callback(move |o| {
            for ((zone, alive), n) in counts(&g.settings().fleet) {
                let state = if alive { "alive" } else { "silent" };
                o.observe(n, &[KeyValue::new("zone", zone), KeyValue::new("state", state)]);
            }
        })
        .build();
}

/// Gateways by zone and whether they live, this one included. One with several listeners counts once.
fn counts(fleet: &Fleet) -> BTreeMap<(String, bool), u64> {
    let peers = fleet.peers();
    let all: BTreeMap<_, _> = peers.iter().map(|p| (&*p.id, (p.zone.to_string(), p.is_alive()))).collect();
    let own = (fleet.zone.to_string(), true);
    let mut counts = BTreeMap::new();
    for gateway in all.into_values().chain([own]) {
        *counts.entry(gateway).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::app::testing::{peer, set_peers};
    use crate::view::View;

    #[test]
    fn each_gateway_counts_once_under_its_zone() {
        let gateway = crate::app::testing::gateway(View::default());
        let inner = crate::fleet::Peer { listener: "inner".into(), ..peer("b", "az2") };
        let dead = peer("c", "az2");
        dead.alive.store(false, Relaxed);
        set_peers(&gateway, [peer("b", "az2"), inner, dead]);
        let counts = counts(&gateway.settings().fleet);
        let of = |zone: &str, alive| counts.get(&(zone.to_owned(), alive)).copied();
        assert_eq!((of("az1", true), of("az2", true), of("az2", false)), (Some(1), Some(1), Some(1)));
    }
}
