//! Which zone a client is in: the rules of `zones.clients`, as a pure function of what is known about it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::{Zone, Zones};

/// Keys that carry a zone inside `client.id`: ours, and those of WarpStream, AutoMQ and Inkless.
const TAG_KEYS: [&str; 5] = ["zone", "ws_az", "warpstream_az", "automq_az", "diskless_az"];

/// Characters that end a key-value pair inside `client.id`.
const TAG_ENDS: [char; 5] = [',', ';', ' ', '&', '/'];

/// One rule of `zones.clients`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientRule {
    /// The zone of the listener it came in by.
    Listener,
    /// A tag inside its `client.id`.
    ClientIdTag,
    /// The zone of its network.
    Cidr(CidrMap),
    /// The rack its Fetch names (`client.rack`, KIP-392).
    Rack,
    /// The zone of the gateway it reached.
    Gateway,
}

/// Which kind of rule gave the answer; a bounded metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// `listener`.
    Listener,
    /// `client_id_tag`.
    ClientIdTag,
    /// `cidr`.
    Cidr,
    /// `rack`.
    Rack,
    /// `gateway`: also the answer when no listed rule has one.
    Gateway,
}

/// What is known about a client when its zone is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ClientFacts<'a> {
    /// `zone` of the listener it came in by.
    pub listener_zone: Option<&'a Zone>,
    /// `client.id` of its requests.
    pub client_id: Option<&'a str>,
    /// Where it connects from.
    pub ip: IpAddr,
    /// `rack_id` of its Fetch; the protocol's "" counts as none.
    pub rack: Option<&'a str>,
    /// The zone of the gateway it reached.
    pub gateway_zone: &'a Zone,
}

impl Zones {
    /// The client's zone, and the rule that said so: the first listed rule that has an answer.
    pub fn client_zone(&self, facts: &ClientFacts<'_>) -> (Zone, Rule) {
        let answer = self.clients.iter().find_map(|rule| Some((rule.zone(facts)?, rule.kind())));
        answer.unwrap_or_else(|| (facts.gateway_zone.clone(), Rule::Gateway))
    }
}

impl ClientRule {
    fn zone(&self, facts: &ClientFacts<'_>) -> Option<Zone> {
        match self {
            Self::Listener => facts.listener_zone.cloned(),
            Self::ClientIdTag => zone_tag(facts.client_id?),
            Self::Cidr(networks) => networks.zone_of(facts.ip).cloned(),
            Self::Rack => Zone::new(facts.rack?),
            Self::Gateway => Some(facts.gateway_zone.clone()),
        }
    }

    /// The kind of this rule.
    pub fn kind(&self) -> Rule {
        match self {
            Self::Listener => Rule::Listener,
            Self::ClientIdTag => Rule::ClientIdTag,
            Self::Cidr(_) => Rule::Cidr,
            Self::Rack => Rule::Rack,
            Self::Gateway => Rule::Gateway,
        }
    }
}

impl Rule {
    /// The name, as the file has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::ClientIdTag => "client_id_tag",
            Self::Cidr => "cidr",
            Self::Rack => "rack",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The first tag in `client.id` with a usable value: `app,zone=az1`, `ws_az=use1-az1,foo`.
fn zone_tag(client_id: &str) -> Option<Zone> {
    let pairs = client_id.split(TAG_ENDS).filter_map(|part| part.split_once('='));
    pairs.filter(|(key, _)| TAG_KEYS.contains(key)).find_map(|(_, value)| Zone::new(value))
}

/// Networks and their zones. The longest prefix that holds an address wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CidrMap(Vec<(IpNet, Zone)>);

impl CidrMap {
    /// A map of these networks; networks of IPv4-mapped IPv6 addresses count as IPv4.
    pub fn new(networks: impl IntoIterator<Item = (IpNet, Zone)>) -> Self {
        let mut networks: Vec<_> = networks.into_iter().map(|(net, zone)| (unmapped(net), zone)).collect();
        networks.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        Self(networks)
    }

    /// The zone of the longest prefix that holds `ip`; IPv4-mapped IPv6 addresses count as IPv4.
    pub fn zone_of(&self, ip: IpAddr) -> Option<&Zone> {
        let ip = ip.to_canonical();
        self.0.iter().find(|(net, _)| net.contains(&ip)).map(|(_, zone)| zone)
    }

    /// All networks, longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = (&IpNet, &Zone)> {
        self.0.iter().map(|(net, zone)| (net, zone))
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8` (RFC 4291 section 2.5.5.2).
pub(crate) fn unmapped(net: IpNet) -> IpNet {
    let mapped = |ip: Ipv6Addr| ip.to_ipv4_mapped();
    let IpNet::V6(v6) = net else { return net };
    match (mapped(v6.addr()), v6.prefix_len().checked_sub(96)) {
        (Some(ip), Some(prefix)) => IpNet::new(ip.into(), prefix).unwrap_or(net),
        _ => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prices, Reads, WhenNoGateway};

    fn zone(name: &str) -> Zone {
        Zone::new(name).unwrap()
    }

    fn zones(clients: Vec<ClientRule>) -> Zones {
        Zones {
            clients,
            reads: Reads::InZone,
            when_zone_has_no_gateway: WhenNoGateway::Any,
            brokers: Default::default(),
            prices: Prices { cross_zone: 0.02 },
        }
    }

    fn networks() -> CidrMap {
        let nets =
            [("10.0.0.0/8", "wide"), ("10.0.1.0/24", "az1"), ("10.0.1.7/32", "one"), ("fd00::/8", "six")];
        CidrMap::new(nets.map(|(net, name)| (net.parse().unwrap(), zone(name))))
    }

    #[test]
    fn the_first_rule_with_an_answer_wins_and_is_named() {
        let all = vec![
            ClientRule::Listener,
            ClientRule::ClientIdTag,
            ClientRule::Cidr(networks()),
            ClientRule::Rack,
            ClientRule::Gateway,
        ];
        let (door, here) = (zone("door"), zone("here"));
        // listener's zone, client.id, ip, rack -> zone, rule
        let table = [
            (Some(&door), Some("zone=az9"), "10.0.1.1", Some("r"), "door", Rule::Listener),
            (None, Some("app,zone=az9"), "10.0.1.1", Some("r"), "az9", Rule::ClientIdTag),
            (None, Some("app"), "10.0.1.1", Some("r"), "az1", Rule::Cidr),
            (None, None, "192.0.2.1", Some("r"), "r", Rule::Rack),
            (None, None, "192.0.2.1", Some(""), "here", Rule::Gateway),
            (None, Some("zone="), "192.0.2.1", None, "here", Rule::Gateway),
        ];
        for (listener_zone, client_id, ip, rack, expected, rule) in table {
            let facts =
                ClientFacts { listener_zone, client_id, ip: ip.parse().unwrap(), rack, gateway_zone: &here };
            assert_eq!(zones(all.clone()).client_zone(&facts), (zone(expected), rule), "{facts:?}");
        }
    }

    #[test]
    fn rules_run_in_the_order_of_the_file_and_the_gateway_answers_when_none_does() {
        let (door, here) = (zone("door"), zone("here"));
        let facts = ClientFacts {
            listener_zone: Some(&door),
            client_id: Some("x"),
            ip: [127, 0, 0, 1].into(),
            rack: Some("r"),
            gateway_zone: &here,
        };
        let ask = |rules| zones(rules).client_zone(&facts);
        assert_eq!(ask(vec![ClientRule::Rack, ClientRule::Listener]), (zone("r"), Rule::Rack));
        assert_eq!(ask(vec![ClientRule::Gateway, ClientRule::Rack]), (zone("here"), Rule::Gateway));
        assert_eq!(ask(vec![ClientRule::ClientIdTag]), (zone("here"), Rule::Gateway));
        assert_eq!(ask(vec![]), (zone("here"), Rule::Gateway));
    }

    #[test]
    fn a_tag_is_found_anywhere_in_client_id_and_only_as_a_whole_key() {
        let found = [
            ("zone=az1", "az1"),
            ("app,zone=az1", "az1"),
            ("ws_az=use1-az1,foo", "use1-az1"),
            ("a;warpstream_az=z;b", "z"),
            ("a automq_az=z b", "z"),
            ("a&diskless_az=z&b=c", "z"),
            ("team/zone=z/app", "z"),
            ("zone=,ws_az=z", "z"),
            ("zone=z1,ws_az=z2", "z1"),
            ("zone=a=b", "a=b"),
        ];
        for (client_id, expected) in found {
            assert_eq!(zone_tag(client_id), Some(zone(expected)), "{client_id}");
        }
        for client_id in ["", "zone", "zone=", "myzone=az1", "app:zone=az1", "Zone=az1", "zone =az1", "az=1"]
        {
            assert_eq!(zone_tag(client_id), None, "{client_id}");
        }
        assert_eq!(zone_tag(&format!("zone={}", "z".repeat(200))), None, "a client cannot make a huge label");
    }

    #[test]
    fn the_longest_prefix_wins_and_mapped_addresses_are_ipv4() {
        let table = [
            ("10.9.9.9", Some("wide")),
            ("10.0.1.9", Some("az1")),
            ("10.0.1.7", Some("one")),
            ("::ffff:10.0.1.7", Some("one")),
            ("fd00::1", Some("six")),
            ("192.0.2.1", None),
            ("::1", None),
        ];
        for (ip, expected) in table {
            assert_eq!(networks().zone_of(ip.parse().unwrap()).map(Zone::as_str), expected, "{ip}");
        }
        let mapped = CidrMap::new([("::ffff:10.0.0.0/104".parse().unwrap(), zone("m"))]);
        assert_eq!(mapped.zone_of([10, 1, 1, 1].into()), Some(&zone("m")));
    }
}
