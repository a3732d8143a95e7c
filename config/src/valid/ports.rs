//! No two things may listen on, or tell clients, the same address.

use std::net::{IpAddr, SocketAddr};

use super::cluster::Cluster;
use super::fleet::Fleet;
use super::gateway::Gateway;
use super::listeners::Listener;
use crate::check::Check;

/// Ports of one address that a setting takes, both ends included.
struct Claim {
    path: String,
    ip: IpAddr,
    first: u16,
    last: u16,
}

pub(crate) fn check(
    gateway: Option<&Gateway>,
    listeners: &[(String, Listener)],
    fleet: &Fleet,
    cluster: Option<&Cluster>,
    check: &mut Check<'_>,
) {
    let admin = gateway.map(|g| Claim::one("gateway.admin".to_owned(), g.admin));
    let gossip = fleet.gossip.as_ref().map(|g| Claim::one("fleet.gossip.bind".to_owned(), g.bind));
    let of_listeners: Vec<Claim> =
        listeners.iter().flat_map(|(at, listener)| Claim::of_listener(at, listener)).collect();
    if let Some(cluster) = cluster {
        check_loops(cluster, &of_listeners, check);
    }
    let claims: Vec<Claim> =
        admin.into_iter().chain(of_listeners).chain(gossip).filter(|c| c.first > 0).collect();
    for (n, claim) in claims.iter().enumerate() {
        if let Some(other) = claims[..n].iter().find(|other| claim.clashes(other)) {
            let reason = format!("{} overlaps with {} ({})", claim.ports(), other.path, other.ports());
            check.wrong(&claim.path, reason, "choose ports that nothing else has on this address");
        }
    }
}

/// A gateway that dials itself would do so for ever.
fn check_loops(cluster: &Cluster, listeners: &[Claim], check: &mut Check<'_>) {
    for (n, server) in cluster.bootstrap.iter().enumerate() {
        let Ok(ip) = server.host.parse::<IpAddr>() else { continue };
        let own = |c: &&Claim| c.ip == ip || c.ip.is_unspecified() && ip.is_loopback();
        let found = listeners.iter().find(|c| own(c) && (c.first..=c.last).contains(&server.port));
        if let Some(claim) = found {
            let reason = format!("{server} is this gateway itself ({})", claim.path);
            check.wrong(
                &format!("cluster.bootstrap[{n}]"),
                reason,
                "name the Kafka brokers, or move the listener",
            );
        }
    }
}

impl Claim {
    fn one(path: String, addr: SocketAddr) -> Self {
        Self { path, ip: addr.ip(), first: addr.port(), last: addr.port() }
    }

    fn of_listener(at: &str, listener: &Listener) -> impl Iterator<Item = Self> {
        let bootstrap = Self::one(format!("{at}.bind"), listener.bind);
        let ip = listener.bind.ip();
        let brokers = listener.brokers.port_range();
        let brokers =
            brokers.map(|(first, last)| Self { path: format!("{at}.brokers.ports"), ip, first, last });
        [bootstrap].into_iter().chain(brokers)
    }

    fn clashes(&self, other: &Self) -> bool {
        same_address(self.ip, other.ip) && self.first <= other.last && other.first <= self.last
    }

    fn ports(&self) -> String {
        if self.first == self.last {
            format!("{}", self.first)
        } else {
            format!("{}-{}", self.first, self.last)
        }
    }
}

/// Whether a socket on one keeps the other from its port: `0.0.0.0` covers IPv4, `::` covers both families.
fn same_address(a: IpAddr, b: IpAddr) -> bool {
    let covers = |a: IpAddr, b: IpAddr| a.is_unspecified() && (a.is_ipv6() || b.is_ipv4());
    a == b || covers(a, b) || covers(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_covers_its_family_and_ipv6_covers_both() {
        let table = [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0", "127.0.0.2", true),
            ("::", "127.0.0.2", true),
            ("::", "::1", true),
            ("0.0.0.0", "::1", false),
            ("::", "0.0.0.0", true),
        ];
        for (a, b, same) in table {
            let (a, b) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!((same_address(a, b), same_address(b, a)), (same, same), "{a} {b}");
        }
    }
}
