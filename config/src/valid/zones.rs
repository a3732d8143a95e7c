//! `zones`: which zone clients and brokers are in, and what follows from it.

use std::collections::BTreeMap;

use crate::{ClientRule, Zone};

/// Which zone is whose, and how reads are steered.
#[derive(Clone, Debug, PartialEq)]
pub struct Zones {
    /// Rules that say a client's zone; the first that answers wins.
    pub clients: Vec<ClientRule>,
    /// Which replica serves reads.
    pub reads: Reads,
    /// What a client of a zone without a gateway gets.
    pub when_zone_has_no_gateway: WhenNoGateway,
    /// Zones of brokers by broker id, for clusters whose brokers have no racks.
    pub brokers: BTreeMap<i32, Zone>,
    /// What traffic costs.
    pub prices: Prices,
}

/// Which replica serves a consumer's reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The in-sync replica in the client's zone.
    InZone,
    /// Whichever the client asks.
    AsIs,
}

/// What a client gets when no gateway lives in its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenNoGateway {
    /// A gateway of any other zone.
    Any,
    /// No broker addresses: it cannot go on.
    Refuse,
}

/// Prices of traffic, for the tables that say what is saved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// US dollars per GB (10^9 bytes) that crosses a zone, both directions together.
    pub cross_zone: f64,
}
