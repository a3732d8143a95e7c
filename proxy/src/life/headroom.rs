//! How near the gateway is to its limits.

use crate::app::Gateway;
use crate::facade::descriptors;

/// A limit, and what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Its name: a setting's, or `descriptors`, which the operating system sets.
    pub limit: &'static str,
    /// What is used.
    pub used: u64,
    /// What there is.
    pub max: u64,
}

impl Headroom {
    /// Whether nine tenths are used.
    pub fn is_near(&self) -> bool {
        u128::from(self.used) * 10 >= u128::from(self.max) * 9
    }
}

/// All that are counted.
pub fn of(gateway: &Gateway) -> Vec<Headroom> {
    let connections = Headroom {
        limit: "limits.connections",
        used: gateway.connections.open(),
        max: gateway.connections.max(),
    };
    let (used, max) = gateway.held.used();
    let held = Headroom { limit: "limits.in_flight_bytes", used, max };
    let descriptors = descriptors::used().map(|(used, max)| Headroom { limit: "descriptors", used, max });
    [connections, held].into_iter().chain(descriptors).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_are_near_the_end() {
        let of = |used, max| Headroom { limit: "x", used, max }.is_near();
        assert!(!of(89, 100) && of(90, 100) && of(100, 100) && of(0, 0));
        assert!(!of(u64::MAX / 2, u64::MAX));
    }
}
