//! `zones`: which zone clients and brokers are in, and what follows from it.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::client_zone::unmapped;
use crate::check::Check;
use crate::leaf::{Leaf, Noted, Scalar};
use crate::raw::zones as raw;
use crate::tree::join;
use crate::{CidrMap, ClientRule, Rule, Zone, defaults};

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

impl Zones {
    pub(crate) fn check(raw: &raw::Zones, check: &mut Check<'_>) -> Self {
        Self {
            clients: raw
                .clients
                .as_ref()
                .map_or_else(defaults::client_rules, |rules| client_rules(rules, check)),
            reads: check.read("zones", "reads", &raw.reads).unwrap_or(defaults::READS),
            when_zone_has_no_gateway: check
                .read("zones", "when_zone_has_no_gateway", &raw.when_zone_has_no_gateway)
                .unwrap_or(defaults::WHEN_ZONE_HAS_NO_GATEWAY),
            brokers: brokers(raw, check),
            prices: prices(&raw.prices, check),
        }
    }
}

fn client_rules(raw: &[Noted<raw::ClientRule>], check: &mut Check<'_>) -> Vec<ClientRule> {
    let mut rules: Vec<ClientRule> = Vec::new();
    for (n, raw) in raw.iter().enumerate() {
        let Some(raw) = &raw.0 else { continue };
        let path = format!("zones.clients[{n}]");
        let rule = client_rule(raw, &path, check);
        let before = |kind: Rule| rules.iter().any(|r| r.kind() == kind);
        if before(rule.kind()) {
            check.wrong(&path, format!("`{}` stands in the list twice", rule.kind()), "keep one of them");
        } else if before(Rule::Gateway) {
            check.wrong(
                &path,
                "is never asked: `gateway` before it always answers",
                "move `gateway` to the end",
            );
        }
        rules.push(rule);
    }
    rules
}

fn client_rule(raw: &raw::ClientRule, path: &str, check: &mut Check<'_>) -> ClientRule {
    match raw {
        raw::ClientRule::Listener => ClientRule::Listener,
        raw::ClientRule::ClientIdTag => ClientRule::ClientIdTag,
        raw::ClientRule::Rack => ClientRule::Rack,
        raw::ClientRule::Gateway => ClientRule::Gateway,
        raw::ClientRule::Cidr(zones) => {
            let at = join(path, "cidr");
            let networks = by_zone(zones, &at, check);
            if zones.is_empty() {
                check.wrong(&at, "names no network", "write cidr: {az1: [10.0.1.0/24]}");
            }
            ClientRule::Cidr(CidrMap::new(distinct_networks(networks, check)))
        }
    }
}

/// Equal networks would make the zone a matter of chance; nested ones are settled by the longest prefix.
fn distinct_networks(networks: Vec<(String, IpNet, Zone)>, check: &mut Check<'_>) -> Vec<(IpNet, Zone)> {
    let mut seen: BTreeMap<IpNet, String> = BTreeMap::new();
    for (path, net, _) in &networks {
        if let Some(first) = seen.get(&unmapped(*net)) {
            check.wrong(
                path,
                format!("{net} stands at {first} too"),
                "keep one of them: a network is in one zone",
            );
        } else {
            seen.insert(unmapped(*net), path.clone());
        }
    }
    networks.into_iter().map(|(_, net, zone)| (net, zone)).collect()
}

/// A map from zone names to lists, as (path, item, zone).
fn by_zone<T: Scalar>(
    raw: &BTreeMap<String, Vec<Leaf<T>>>,
    at: &str,
    check: &mut Check<'_>,
) -> Vec<(String, T, Zone)> {
    let mut all = Vec::new();
    for (name, items) in raw {
        let path = join(at, name);
        let Some(zone) = Zone::new(name) else {
            check.wrong(
                &path,
                format!("`{name}` is not a zone name"),
                "write 1 to 128 bytes, without white space at the ends",
            );
            continue;
        };
        let items = check.list(&path, items);
        all.extend(items.into_iter().map(|(path, item)| (path, item, zone.clone())));
    }
    all
}

/// Most brokers named in `zones.brokers`: a range typed by mistake must not fill the memory.
const BROKERS_MAX: i64 = 100_000;

fn brokers(raw: &raw::Zones, check: &mut Check<'_>) -> BTreeMap<i32, Zone> {
    let ranges = by_zone(&raw.brokers, "zones.brokers", check);
    let count: i64 = ranges.iter().map(|(_, r, _)| i64::from(r.last) - i64::from(r.first) + 1).sum();
    if count > BROKERS_MAX {
        check.wrong("zones.brokers", format!("names {count} brokers"), format!("name {BROKERS_MAX} at most"));
        return BTreeMap::new();
    }
    let mut zones: BTreeMap<i32, Zone> = BTreeMap::new();
    for (path, range, zone) in ranges {
        for id in range.first..=range.last {
            if let Some(first) = zones.insert(id, zone.clone()) {
                check.wrong(
                    &path,
                    format!("broker {id} is in zone {first} already"),
                    "name each broker once",
                );
            }
        }
    }
    zones
}

fn prices(raw: &raw::Prices, check: &mut Check<'_>) -> Prices {
    let cross_zone =
        check.read("zones.prices", "cross_zone", &raw.cross_zone).unwrap_or(defaults::PRICES.cross_zone);
    if !(0.0..=1000.0).contains(&cross_zone) {
        let remedy = "write US dollars per GB, 0 to 1000, like 0.02";
        check.wrong("zones.prices.cross_zone", format!("{cross_zone} is out of range"), remedy);
    }
    Prices { cross_zone }
}
