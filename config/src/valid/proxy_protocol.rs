//! `listeners[].proxy_protocol`: load balancers that say whom they connect.

use std::net::IpAddr;

use ipnet::IpNet;

use super::client_zone::unmapped;
use crate::check::Check;
use crate::raw::listeners as raw;

/// The load balancers in front of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    from: Vec<IpNet>,
}

impl ProxyProtocol {
    pub(crate) fn check(raw: &raw::ProxyProtocol, at: &str, check: &mut Check<'_>) -> Option<Self> {
        if raw.from.is_empty() {
            check.missing::<()>(at, "from", "[10.0.0.0/24]   # the load balancers, nobody else");
        }
        let networks = check.list(&format!("{at}.from"), &raw.from);
        for (path, network) in &networks {
            if network.prefix_len() == 0 {
                check.warn(path, "is everybody: whoever connects may claim any client address");
            }
        }
        Some(Self { from: networks.into_iter().map(|(_, network)| unmapped(network)).collect() })
    }

    /// Whether a connection from this address must begin with the header.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.from.iter().any(|network| network.contains(&ip))
    }
}
