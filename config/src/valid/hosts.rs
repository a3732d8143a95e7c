//! Hosts and ports as typed: `kafka-1.example.com:9092`, `[fd00::1]:9092`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A host and a port. Resolved when dialled, not when read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// DNS name or IP address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port, 1 to 65535.
    pub port: u16,
}

/// The host, and perhaps the port, that clients are told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Advertise {
    /// DNS name or IP address; an IPv6 address without its brackets.
    pub host: String,
    /// The port told under SNI, when a load balancer in front listens on another one; default: the listener's own.
    pub port: Option<u16>,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(f, &self.host)?;
        write!(f, ":{}", self.port)
    }
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(f, &self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }
}

impl HostPort {
    /// Reads `host:port`, `1.2.3.4:port` or `[v6]:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let Advertise { host, port } = Advertise::parse(text)?;
        Some(Self { host, port: port? })
    }
}

impl Advertise {
    /// Reads what [`HostPort`] reads, and the same without a port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Some(Self { host: ip.to_string(), port: None });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (ip, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { Some(port_number(port.strip_prefix(':')?)?) };
            return Some(Self { host: ip.parse::<Ipv6Addr>().ok()?.to_string(), port });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port_number(port)?)),
            None => (text, None),
        };
        is_host(host).then(|| Self { host: host.to_owned(), port })
    }
}

/// A port number from 1 to 65535, digits only.
pub(crate) fn port_number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// Whether this is an IP address or a DNS name by RFC 1123 section 2.1 (plus `_`, which private zones use).
pub fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |l: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&l.len()) && l.bytes().all(legal) && !l.starts_with('-') && !l.ends_with('-')
    };
    text.parse::<IpAddr>().is_ok() || looks_like_a_name(text) && text.split('.').all(label)
}

/// Four numbers with dots are a mistyped address, not a name: resolvers would go and look for it.
fn looks_like_a_name(text: &str) -> bool {
    let numeric_end = text.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 253 && !(numeric_end && text.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_round_trip_through_their_text() {
        for text in ["127.0.0.1:9092", "kafka-1.example.com:9092", "localhost:1", "[fd00::1]:65535"] {
            assert_eq!(HostPort::parse(text).map(|h| h.to_string()).as_deref(), Some(text));
            assert_eq!(Advertise::parse(text).map(|h| h.to_string()).as_deref(), Some(text));
        }
        for text in ["127.0.0.1", "kafka.example.com", "[fd00::1]"] {
            assert_eq!(Advertise::parse(text).map(|h| h.to_string()).as_deref(), Some(text));
            assert_eq!(HostPort::parse(text), None);
        }
        assert_eq!(Advertise::parse("fd00::1").map(|h| h.host).as_deref(), Some("fd00::1"));
    }

    #[test]
    fn what_no_resolver_could_dial_is_refused() {
        let bad = [
            "",
            ":9092",
            "a:0",
            "a:65536",
            "a:+1",
            "a:",
            "a b:1",
            "http://a:1",
            "a:1:2",
            "[a]:1",
            "[::1]x",
            "-a:1",
            "10.0.0.256:1",
            "10.0.0:1",
            "a..b:1",
        ];
        for text in bad {
            assert_eq!(HostPort::parse(text), None, "{text:?}");
        }
    }
}
