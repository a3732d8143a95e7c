//! Where a gateway answers for each broker: one port per broker, or one TLS server name per broker.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::hosts::is_host;
use crate::check::Check;
use crate::leaf::Leaf;
use crate::raw::listeners::{Brokers, IdRange, PortRange};
use crate::tree::join;

/// The rule that turns a broker id into the address clients are told, and back. Serialised where gateways tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerEndpoints {
    /// Broker `N` answers on `first + N`, up to and including `last`.
    Ports {
        /// Port of broker 0.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The broker at place `i` of `ids` answers on `first + i`: for ids that are sparse or large.
    Ids {
        /// Broker ids in the order of their ports; as many as there are ports at most.
        ids: Vec<i32>,
        /// Port of the first id.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// Every broker answers on the listener's own port and is told apart by TLS server name (RFC 6066 section 3).
    Sni {
        /// A host name with one `{id}` in it: `b{id}.kafka.example.com`.
        pattern: String,
    },
}

impl BrokerEndpoints {
    /// The port that stands for a broker; `None` when it has none of its own.
    pub fn port_of(&self, broker: i32) -> Option<u16> {
        let (place, first, last) = match self {
            Self::Ports { first, last } => (u16::try_from(broker).ok()?, *first, *last),
            Self::Ids { ids, first, last } => {
                let place = ids.iter().position(|id| *id == broker)?;
                (u16::try_from(place).ok()?, *first, *last)
            }
            Self::Sni { .. } => return None,
        };
        first.checked_add(place).filter(|port| *port <= last)
    }

    /// The broker a port stands for; `None` for ports outside the range, spare ports, and under SNI.
    pub fn broker_of(&self, port: u16) -> Option<i32> {
        match self {
            Self::Ports { first, last } => {
                (*first..=*last).contains(&port).then(|| i32::from(port) - i32::from(*first))
            }
            Self::Ids { ids, first, last } if port <= *last => {
                ids.get(usize::from(port.checked_sub(*first)?)).copied()
            }
            Self::Ids { .. } | Self::Sni { .. } => None,
        }
    }

    /// The host name that stands for a broker under SNI; `None` for ports and for negative ids.
    pub fn host_of(&self, broker: i32) -> Option<String> {
        match self {
            Self::Sni { pattern } if broker >= 0 => Some(pattern.replace("{id}", &broker.to_string())),
            _ => None,
        }
    }

    /// The broker a TLS server name stands for. Case and one trailing dot don't count (RFC 1034 section 3.1);
    /// leading zeros and signs do, so that one broker has one name.
    pub fn broker_of_sni(&self, host: &str) -> Option<i32> {
        let Self::Sni { pattern } = self else { return None };
        let (before, after) = pattern.split_once("{id}")?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let id = strip_prefix_any_case(host, before)?;
        let id = id
            .get(..id.len().checked_sub(after.len())?)
            .filter(|i| id[i.len()..].eq_ignore_ascii_case(after))?;
        let canonical =
            !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) && (id == "0" || !id.starts_with('0'));
        canonical.then(|| id.parse().ok()).flatten()
    }

    /// Whether it is a rule that a file could have stated: for one that came over the network.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Ports { first, last } => (1..=*last).contains(first),
            Self::Ids { ids, first, last } => {
                let distinct = ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
                let ports = usize::from(last.saturating_sub(*first)) + 1;
                (1..=*last).contains(first) && distinct && (1..=ports).contains(&ids.len())
            }
            Self::Sni { pattern } => is_pattern(pattern),
        }
    }

    /// The range of ports, both ends included; `None` under SNI.
    pub fn port_range(&self) -> Option<(u16, u16)> {
        match self {
            Self::Ports { first, last } | Self::Ids { first, last, .. } => Some((*first, *last)),
            Self::Sni { .. } => None,
        }
    }
}

/// The endpoints a `brokers` section means.
pub(crate) fn endpoints(raw: &Brokers, at: &str, check: &mut Check<'_>) -> Option<BrokerEndpoints> {
    match (&raw.ports, &raw.ids, &raw.sni) {
        (None, None, Some(_)) => Some(BrokerEndpoints::Sni { pattern: sni(raw, at, check)? }),
        (_, _, Some(_)) => {
            check.wrong(at, "mixes `sni` with `ports` or `ids`", "keep either sni, or ports (with ids)");
            None
        }
        (None, _, None) => check.missing(at, "ports", "29100-29199   # or sni: \"b{id}.kafka.example.com\""),
        (Some(_), None, None) => {
            let PortRange { first, last } = check.read(at, "ports", &raw.ports)?;
            Some(BrokerEndpoints::Ports { first, last })
        }
        (Some(_), Some(ids), None) => {
            let ports = check.read(at, "ports", &raw.ports);
            sparse(ids, ports?, &join(at, "ids"), check)
        }
    }
}

fn sni(raw: &Brokers, at: &str, check: &mut Check<'_>) -> Option<String> {
    let pattern = check.read(at, "sni", &raw.sni)?;
    if is_pattern(&pattern) {
        return Some(pattern);
    }
    let reason = format!("`{pattern}` is not a host name with one {{id}} in it");
    check.wrong(&join(at, "sni"), reason, "write it like \"b{id}.kafka.example.com\"");
    None
}

/// Whether every broker id makes a host name of it.
fn is_pattern(pattern: &str) -> bool {
    pattern.matches("{id}").count() == 1 && is_host(&pattern.replace("{id}", &i32::MAX.to_string()))
}

fn sparse(
    raw: &[Leaf<IdRange>],
    ports: PortRange,
    at: &str,
    check: &mut Check<'_>,
) -> Option<BrokerEndpoints> {
    let ranges = check.list(at, raw);
    let ids: i64 = ranges.iter().map(|(_, r)| i64::from(r.last) - i64::from(r.first) + 1).sum();
    let places = i64::from(ports.last) - i64::from(ports.first) + 1;
    if raw.is_empty() {
        check.wrong(at, "names no broker", "write the ids, like [1001-1010], or leave the key out");
        return None;
    }
    if ids > places {
        let remedy = format!("widen ports to {}-{}", ports.first, i64::from(ports.first) + ids - 1);
        check.wrong(at, format!("{ids} broker ids need as many ports; there are {places}"), remedy);
        return None;
    }
    let ids = distinct(&ranges, check);
    Some(BrokerEndpoints::Ids { ids, first: ports.first, last: ports.last })
}

/// The ids of all ranges, in their order. Their number is known to be small here.
fn distinct(ranges: &[(String, IdRange)], check: &mut Check<'_>) -> Vec<i32> {
    let mut seen = std::collections::HashSet::new();
    let all = ranges.iter().flat_map(|(path, range)| (range.first..=range.last).map(move |id| (path, id)));
    let mut ids = Vec::new();
    for (path, id) in all {
        if !seen.insert(id) {
            check.wrong(path, format!("broker {id} is named twice"), "name each broker once");
        }
        ids.push(id);
    }
    ids
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_n_answers_on_first_plus_n_and_nowhere_else() {
        let ports = BrokerEndpoints::Ports { first: 29100, last: 29199 };
        for broker in 0..100 {
            assert_eq!(ports.broker_of(ports.port_of(broker).unwrap()), Some(broker));
        }
        for outside in [-1, 100, 65535, 65536, i32::MIN, i32::MAX] {
            assert_eq!(ports.port_of(outside), None);
        }
        assert_eq!((ports.broker_of(29099), ports.broker_of(29200)), (None, None));
        assert_eq!((ports.host_of(1), ports.broker_of_sni("b1")), (None, None));
        let top = BrokerEndpoints::Ports { first: 65530, last: 65535 };
        assert_eq!((top.port_of(5), top.port_of(6)), (Some(65535), None));
    }

    #[test]
    fn sparse_ids_take_ports_in_their_order_and_spare_ports_stand_for_nobody() {
        let ids = BrokerEndpoints::Ids { ids: vec![1001, 7, i32::MAX], first: 100, last: 104 };
        assert_eq!([1001, 7, i32::MAX].map(|b| ids.port_of(b)), [Some(100), Some(101), Some(102)]);
        assert_eq!(
            [99, 100, 102, 103, 104, 105].map(|p| ids.broker_of(p)),
            [None, Some(1001), Some(i32::MAX), None, None, None]
        );
        assert_eq!(ids.port_of(0), None);
    }

    #[test]
    fn a_server_name_stands_for_one_broker_and_one_broker_has_one_name() {
        let sni = BrokerEndpoints::Sni { pattern: "b{id}.Kafka.example.com".into() };
        assert_eq!(sni.host_of(12).as_deref(), Some("b12.Kafka.example.com"));
        assert_eq!((sni.host_of(-1), sni.port_of(1), sni.broker_of(1)), (None, None, None));
        for name in ["b12.kafka.example.com", "B12.KAFKA.EXAMPLE.COM.", "b12.Kafka.example.com"] {
            assert_eq!(sni.broker_of_sni(name), Some(12), "{name}");
        }
        assert_eq!(sni.broker_of_sni("b0.kafka.example.com"), Some(0));
        let others = [
            "b.kafka.example.com",
            "b012.kafka.example.com",
            "b-1.kafka.example.com",
            "b+1.kafka.example.com",
            "kafka.example.com",
            "",
            "b",
            "b1",
            "b99999999999.kafka.example.com",
            "b1.kafka.example.org",
            "é1.kafka.example.com",
            "b1é.kafka.example.com",
            "b1.kafka.example.com..",
        ];
        for name in others {
            assert_eq!(sni.broker_of_sni(name), None, "{name}");
        }
    }

    #[test]
    fn what_no_file_could_have_stated_is_not_sound() {
        let sni = |pattern: &str| BrokerEndpoints::Sni { pattern: pattern.into() };
        let ids = |ids: &[i32], first, last| BrokerEndpoints::Ids { ids: ids.into(), first, last };
        let ports = |first, last| BrokerEndpoints::Ports { first, last };
        for sound in [ports(1, 1), ports(1, 65535), ids(&[9, 4], 10, 11), sni("b{id}.example.com")] {
            assert!(sound.is_sound(), "{sound:?}");
        }
        let bad = [ports(0, 9), ports(9, 8), ids(&[], 1, 2), ids(&[1, 1], 1, 2), ids(&[1, 2, 3], 1, 2)];
        for bad in bad.into_iter().chain([sni("b.example.com"), sni("{id}{id}"), sni("b{id} x"), sni("")]) {
            assert!(!bad.is_sound(), "{bad:?}");
        }
    }
}
