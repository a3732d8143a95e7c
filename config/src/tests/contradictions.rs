//! Values that lead nowhere or contradict each other: one row each, with its path, line, reason and remedy.
//! The tables are kept out of rustfmt's hands: one row, one line.

use super::{each_is_the_only_mistake, instead, with};

#[test]
#[rustfmt::skip]
fn addresses_that_lead_nowhere_are_refused() {
    let sni = |pattern: &str| instead("{ports: 29100-29199}", &format!("{{sni: \"{pattern}\"}}"));
    each_is_the_only_mistake(&[
        (instead("kafka-1:9092", "kafka-1"), "cluster.bootstrap[0]", 2, "`kafka-1` is not a host and a port", "host:port"),
        (instead("kafka-1:9092", "'http://k:1'"), "cluster.bootstrap[0]", 2, "is not a host and a port", "kafka-1.example.com:9092"),
        (instead("kafka-1:9092", "k:0"), "cluster.bootstrap[0]", 2, "is not a host and a port", "host:port"),
        (instead("127.0.0.1:29092", "localhost:29092"), "listeners[0].bind", 5, "`localhost:29092` is not an IP address and a port", "0.0.0.0:9092"),
        (instead("127.0.0.1:29092", "0.0.0.0:29092"), "listeners[0].advertise", 4, "clients cannot dial 0.0.0.0", "host that clients reach"),
        (instead("29092\n", "29092\n    advertise: '::'\n"), "listeners[0].advertise", 6, "clients cannot dial ::", "host that clients reach"),
        (instead("29092\n", "29092\n    advertise: 'a b'\n"), "listeners[0].advertise", 6, "`a b` is not a host", "DNS name"),
        (instead("29092\n", "29092\n    advertise: k:9092\n"), "listeners[0].advertise", 6, "port 9092 has no meaning", "leave the port out"),
        (instead("zone: az1", "zone: az1, admin: 9644"), "gateway.admin", 1, "`9644` is not a text", ""),
        (instead("zone: az1", "zone: az1, admin: 'x:1'"), "gateway.admin", 1, "is not an IP address and a port", "ip:port"),
        (instead("29100-29199", "29199-29100"), "listeners[0].brokers.ports", 6, "`29199-29100` is an empty range", "29100-29199"),
        (instead("29100-29199", "29100-99999"), "listeners[0].brokers.ports", 6, "is not a range of ports", "1 to 65535"),
        (instead("29100-29199", "0-9"), "listeners[0].brokers.ports", 6, "is not a range of ports", "1 to 65535"),
        (instead("29100-29199", "many"), "listeners[0].brokers.ports", 6, "is not a range of ports", "29100-29199"),
        (sni("b{id}.example.com"), "listeners[0].brokers.sni", 6, "needs TLS", "tls: {cert"),
        (sni("b.example.com"), "listeners[0].brokers.sni", 6, "not a host name with one {id}", "b{id}.kafka"),
        (sni("b{id}.{id}.com"), "listeners[0].brokers.sni", 6, "not a host name with one {id}", "b{id}.kafka"),
        (sni("b {id}"), "listeners[0].brokers.sni", 6, "not a host name with one {id}", "b{id}.kafka"),
        (instead("{ports", "{sni: 'b{id}.x', ports"), "listeners[0].brokers", 6, "mixes `sni` with `ports`", "keep either"),
        (with("store: {s3: {bucket: tide, region: r, endpoint: 'ftp://x'}}"), "store.s3.endpoint", 7, "is not an http:// or https:// URL", "http://127"),
        (with("store: {s3: {bucket: Tide, region: r}}"), "store.s3.bucket", 7, "`Tide` is not a bucket name", "lower-case"),
        (with("store: {dir: d, s3: {bucket: tide, region: r}}"), "store", 7, "has both `dir` and `s3`", "keep one"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_collector_that_cannot_be_sent_to_is_refused() {
    let otlp = |endpoint: &str, more: &str| with(&format!("telemetry: {{otlp: {{endpoint: '{endpoint}'{more}}}}}"));
    let header = |name: &str, value: &str| otlp("https://c", &format!(", headers: {{'{name}': {value}}}"));
    each_is_the_only_mistake(&[
        (otlp("c:4317", ""), "telemetry.otlp.endpoint", 7, "is not an http:// or https:// URL", "collector.example.com:4318"),
        (otlp("http://c:0", ""), "telemetry.otlp.endpoint", 7, "is not an http:// or https:// URL", "collector.example.com:4318"),
        (otlp("http://c/a?key=hunter2", ""), "telemetry.otlp.endpoint", 7, "without `?` and `#`", "collector.example.com:4318"),
        (otlp("http://u:hunter2@c", ""), "telemetry.otlp.endpoint", 7, "holds a user name or password", "headers"),
        (header("a b", "{env: SECRET}"), "telemetry.otlp.headers.a b", 7, "is no name of a header", "authorization"),
        (header("Content-Type", "{env: SECRET}"), "telemetry.otlp.headers.Content-Type", 7, "is decided by the request itself", "take it out"),
        (header("a", "{env: SECRET}, A: {env: SECRET}"), "telemetry.otlp.headers.a", 7, "stands here twice", "keep one"),
        (header("a", "{env: LINES}"), "telemetry.otlp.headers.a", 7, "other than visible ASCII", "one line"),
        (header("a", "{env: EMPTY}"), "telemetry.otlp.headers.a", 7, "leads to an empty secret", "put the secret there"),
    ]);
}

#[test]
#[rustfmt::skip]
fn ports_that_two_things_want_are_refused() {
    let second = |keys: &str| with(&format!("  - {{name: other, {keys}}}"));
    each_is_the_only_mistake(&[
        (instead("29100-29199", "29000-29199"), "listeners[0].brokers.ports", 6, "29000-29199 overlaps with listeners[0].bind (29092)", "choose ports"),
        (instead("zone: az1", "zone: az1, admin: 127.0.0.1:29150"), "listeners[0].brokers.ports", 6, "overlaps with gateway.admin (29150)", "choose ports"),
        (second("bind: 127.0.0.1:29092, brokers: {ports: 30000-30009}"), "listeners[1].bind", 7, "29092 overlaps with listeners[0].bind (29092)", "choose ports"),
        (second("bind: 127.0.0.1:30092, advertise: other, brokers: {ports: 29199-29300}"), "listeners[1].brokers.ports", 7, "29199-29300 overlaps with listeners[0].brokers.ports (29100-29199)", "choose ports"),
        (second("bind: '[::]:30092', advertise: other, brokers: {ports: 29199-29300}"), "listeners[1].brokers.ports", 7, "overlaps with listeners[0].brokers.ports", "choose ports"),
        (second("bind: 127.0.0.2:29092, advertise: 127.0.0.1, brokers: {ports: 29100-29199}"), "listeners[1].brokers", 7, "tells clients the same addresses as listeners[0]", "advertise"),
        (with("fleet: {gossip: {bind: '127.0.0.1:29092', seeds: ['h:1'], keys: [{env: FLEET_KEY}]}}"), "fleet.gossip.bind", 7, "overlaps with listeners[0].bind", "choose ports"),
        (instead("kafka-1:9092", "127.0.0.1:29092"), "cluster.bootstrap[0]", 2, "is this gateway itself (listeners[0].bind)", "name the Kafka brokers"),
        (instead("kafka-1:9092", "127.0.0.1:29101"), "cluster.bootstrap[0]", 2, "is this gateway itself (listeners[0].brokers.ports)", "brokers"),
        (second("bind: 127.0.0.2:29092, brokers: {ports: 29100-29199}").replace("other", "clients"), "listeners[1].name", 7, "`clients` is the name of listeners[0] too", "name of its own"),
    ]);
}

#[test]
#[rustfmt::skip]
fn broker_ids_that_do_not_fit_are_refused() {
    let ids = |ids: &str| instead("{ports: 29100-29199}", &format!("{{ports: 29100-29109, ids: {ids}}}"));
    each_is_the_only_mistake(&[
        (ids("[1001-1011]"), "listeners[0].brokers.ids", 6, "11 broker ids need as many ports; there are 10", "29100-29110"),
        (ids("[0-2147483647]"), "listeners[0].brokers.ids", 6, "2147483648 broker ids", "widen ports"),
        (ids("[1, 5, 1-2]"), "listeners[0].brokers.ids[2]", 6, "broker 1 is named twice", "once"),
        (ids("[]"), "listeners[0].brokers.ids", 6, "names no broker", "[1001-1010]"),
        (ids("[9-1]"), "listeners[0].brokers.ids[0]", 6, "`9-1` is an empty range", "1-9"),
        (ids("[1, -1]"), "listeners[0].brokers.ids[1]", 6, "`-1` is neither a broker id", "1001-1010"),
        (with("zones: {brokers: {az1: [1, 2], az2: [2]}}"), "zones.brokers.az2[0]", 7, "broker 2 is in zone az1 already", "once"),
        (with("zones: {brokers: {az1: [0-2147483647]}}"), "zones.brokers", 7, "names 2147483648 brokers", "at most"),
        (with("zones: {brokers: {'': [1]}}"), "zones.brokers.", 7, "`` is not a zone name", "1 to 128 bytes"),
    ]);
}

#[test]
#[rustfmt::skip]
fn zones_that_contradict_themselves_are_refused() {
    let rules = |rules: &str| with(&format!("zones:\n  clients: [{rules}]"));
    each_is_the_only_mistake(&[
        (instead("zone: az1", "zone: ' '"), "gateway.zone", 1, "` ` is not a zone name", "use1-az1"),
        (instead("29092\n", "29092\n    zone: ''\n"), "listeners[0].zone", 6, "`` is not a zone name", "use1-az1"),
        (rules("rack, rack"), "zones.clients[1]", 8, "`rack` stands in the list twice", "keep one"),
        (rules("gateway, rack"), "zones.clients[1]", 8, "is never asked", "move `gateway` to the end"),
        (rules("cidr: {}"), "zones.clients[0].cidr", 8, "names no network", "10.0.1.0/24"),
        (rules("cidr: {a: [10.0.0.1]}"), "zones.clients[0].cidr.a[0]", 8, "`10.0.0.1` is not a network", "/32"),
        (rules("cidr: {a: [10.0.0.1/24]}"), "zones.clients[0].cidr.a[0]", 8, "bits set behind its prefix", "10.0.0.0/24"),
        (rules("cidr: {a: [10.0.0.0/33]}"), "zones.clients[0].cidr.a[0]", 8, "is not a network", "10.0.1.0/24"),
        (rules("cidr: {a: [10.0.0.0/24], b: [10.0.0.0/24]}"), "zones.clients[0].cidr.b[0]", 8, "10.0.0.0/24 stands at zones.clients[0].cidr.a[0] too", "one zone"),
        (rules("cidr: {a: [10.0.0.0/8], b: ['::ffff:10.0.0.0/104']}"), "zones.clients[0].cidr.b[0]", 8, "stands at zones.clients[0].cidr.a[0] too", "one zone"),
        (rules("cidr: {' a': [10.0.0.0/8]}"), "zones.clients[0].cidr. a", 8, "is not a zone name", "white space"),
        (with("zones: {reads: inzone}"), "zones.reads", 7, "`inzone` is unknown", "did you mean `in_zone`?"),
        (with("zones: {when_zone_has_no_gateway: drop}"), "zones.when_zone_has_no_gateway", 7, "`drop` is unknown", "any, refuse"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_fleet_that_contradicts_itself_is_refused() {
    let fleet = |rows: &[&str]| {
        let rows: String = rows.iter().map(|row| format!("    - {{{row}}}\n")).collect();
        with(&format!("fleet:\n  members:\n{rows}"))
    };
    let b = "id: b, zone: az2, listener: clients, advertise: b, brokers: {ports: 1-9}, admin: b:1";
    let c = "id: c, zone: az2, listener: clients, advertise: c, brokers: {ports: 1-9}, admin: c:1";
    each_is_the_only_mistake(&[
        (fleet(&[b, &c.replace("id: c", "id: b")]), "fleet.members[1].id", 10, "`b` is the id of fleet.members[0] too", "own"),
        (fleet(&[&b.replace("id: b", "id: gw-host")]), "fleet.members[0].id", 9, "`gw-host` is this gateway itself", "only the other gateways"),
        (fleet(&[&b.replace("id: b", "id: 'b c'")]), "fleet.members[0].id", 9, "`b c` is not a gateway id", "letters"),
        (fleet(&[&b.replace("clients", "client")]), "fleet.members[0].listener", 9, "`client` is not a listener of this file", "did you mean `clients`?"),
        (fleet(&[b, &c.replace("advertise: c", "advertise: B")]), "fleet.members[1].brokers", 10, "same addresses as fleet.members[0]", "own advertise"),
        (fleet(&[&b.replace("advertise: b", "advertise: 127.0.0.1").replace("1-9", "29150-29160")]), "fleet.members[0].brokers", 9, "same addresses as listeners[0]", "own advertise"),
        (fleet(&[&b.replace("advertise: b", "advertise: 0.0.0.0")]), "fleet.members[0].advertise", 9, "clients cannot dial 0.0.0.0", "host"),
        (fleet(&[&b.replace("ports: 1-9", "sni: 'b{id}.x'")]), "fleet.members[0].brokers.sni", 9, "needs TLS on listeners[0]", "or use ports here"),
        (fleet(&[&b.replace("b:1", "b")]), "fleet.members[0].admin", 9, "is not a host and a port", "host:port"),
        (fleet(&[b]) + "  gossip: {bind: '0.0.0.0:1', seeds: ['h:1'], keys: [{env: FLEET_KEY}]}\n", "fleet.gossip", 11, "stands beside members", "keep one"),
    ]);
    let two_listeners =
        fleet(&[b, &b.replace("clients", "inner").replace("1-9", "11-19").replace("az2", "az3")]);
    let two_listeners = two_listeners
        .replace("fleet:", "  - {name: inner, bind: 127.0.0.3:29092, brokers: {ports: 29100-29199}}\nfleet:");
    each_is_the_only_mistake(&[(two_listeners.clone(), "fleet.members[1].zone", 11, "b is in az2 by fleet.members[0]", "one zone")]);
    assert!(
        super::parse(&two_listeners.replace("az3", "az2")).is_ok(),
        "one gateway may stand there once per listener"
    );
}

#[test]
#[rustfmt::skip]
fn tiering_that_cannot_work_is_refused() {
    let rule = |pattern: &str| format!("{{match: \"{pattern}\", hot: {{time: 1h}}}}");
    let tiering = |rules: &str| with(&format!("store: {{dir: d}}\ntiering: {{topics: [{rules}]}}"));
    each_is_the_only_mistake(&[
        (with(&format!("tiering: {{topics: [{}]}}", rule("a"))), "tiering", 7, "has nowhere to put data", "store: {dir"),
        (tiering(&rule("a b")), "tiering.topics[0].match", 8, "`a b` matches no topic name", "wildcards"),
        (tiering(&format!("{}, {}", rule("a"), rule("a"))), "tiering.topics[1].match", 8, "`a` stands above too", "keep one"),
    ]);
}
