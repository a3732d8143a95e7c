//! Keys and values that are wrong by themselves: one row each, with its path, line, reason and remedy.
//! The tables are kept out of rustfmt's hands: one row, one line.

use super::{SMALLEST, each_is_the_only_mistake, instead, with, wrong};

#[test]
#[rustfmt::skip]
fn an_unknown_key_is_refused_and_the_nearest_known_one_named() {
    each_is_the_only_mistake(&[
        (with("zone: az1"), "zone", 7, "is an unknown key", "did you mean `zones`?"),
        (with("colour: red"), "colour", 7, "is an unknown key", "known here: gateway, cluster, listeners"),
        (with("limits:\n  fame: 1MiB"), "limits.fame", 8, "is an unknown key", "did you mean `frame`?"),
        (instead("zone: az1", "zone: az1, addmin: x"), "gateway.addmin", 1, "is an unknown key", "did you mean `admin`?"),
        (instead("    brokers: {ports", "    client-ca: x\n    brokers: {ports"), "listeners[0].client-ca", 6, "is an unknown key", "known here: name, bind"),
        (instead("{ports:", "{port: 1, ports:"), "listeners[0].brokers.port", 6, "is an unknown key", "did you mean `ports`?"),
        (with("zones: {prices: {crosszone: 1}}"), "zones.prices.crosszone", 7, "is an unknown key", "did you mean `cross_zone`?"),
        (with("zones:\n  clients:\n    - rack\n    - listner"), "zones.clients[1]", 10, "`listner` is unknown", "did you mean `listener`?"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_value_of_the_wrong_kind_is_refused() {
    each_is_the_only_mistake(&[
        (instead("{zone: az1}", "5"), "gateway", 1, "is a number where a section of keys belongs", "id, zone, admin"),
        (instead("[kafka-1:9092]", "kafka-1:9092"), "cluster.bootstrap", 2, "is a text where a list belongs", "[..]"),
        (instead("zone: az1", "zone: [az1]"), "gateway.zone", 1, "is a list where a single value belongs", ""),
        (instead("zone: az1", "zone: {a: b}"), "gateway.zone", 1, "is a section of keys where a single value", ""),
        (instead("zone: az1", "zone: 1"), "gateway.zone", 1, "`1` is not a text", "\"1\""),
        (instead("zone: az1", "zone: true"), "gateway.zone", 1, "`true` is not a text", "\"true\""),
        (instead("zone: az1", "zone: az1, id: 0.5"), "gateway.id", 1, "`0.5` is not a text", "\"0.5\""),
        (instead("zone: az1", "zone: az1, id: ' '"), "gateway.id", 1, "is empty", "leave the key out"),
        (instead("[kafka-1:9092]", "[kafka-1:9092, ~]"), "cluster.bootstrap[1]", 2, "is empty", "write a value"),
        ("gateway: {zone: a}\ncluster: {bootstrap: ['k:1']}\nlisteners: x".into(), "listeners", 3, "is a text where a list belongs", "[..]"),
        (with("zones: [a]"), "zones", 7, "is a list where a section", "clients, reads"),
        (with("zones: {clients: rack}"), "zones.clients", 7, "is a text where a list", "[..]"),
        (with("zones: {clients: [[]]}"), "zones.clients[0]", 7, "is a list where one name belongs", "listener, client_id_tag"),
        (with("zones: {clients: [cidr]}"), "zones.clients[0]", 7, "`cidr` needs something after it", "cidr: .."),
        (with("zones: {clients: [rack: az1]}"), "zones.clients[0].rack", 7, "takes nothing after its name", "just `rack`"),
        (with("zones: {brokers: [1]}"), "zones.brokers", 7, "is a list where a section", ""),
        (with("limits: {connections: many}"), "limits.connections", 7, "is not a whole number", "digits"),
        (with("limits: {connections: 1.5}"), "limits.connections", 7, "is not a whole number", "digits"),
        (with("limits: {connections: -1}"), "limits.connections", 7, "`-1` is out of range", "4294967295"),
        (with("limits: {frame: 1.5MiB}"), "limits.frame", 7, "`1.5MiB` is not a size", "64MiB"),
        (with("limits: {frame: true}"), "limits.frame", 7, "`true` is not a text", ""),
        (with("limits: {idle: 10}"), "limits.idle", 7, "`10` is not a duration", "10s"),
        (with("zones: {prices: {cross_zone: cheap}}"), "zones.prices.cross_zone", 7, "is not a number", "0.02"),
        (with("store: {s3: {bucket: tide, region: r, path_style: 'yes'}}"), "store.s3.path_style", 7, "is neither true nor false", "true or false"),
        (with("telemetry: {otlp: {endpoint: 'http://c:1', metrics: 1}}"), "telemetry.otlp.metrics", 7, "is neither true nor false", "true or false"),
        (with("telemetry: {otlp: {endpoint: 'http://c:1', headers: {a: b}}}"), "telemetry.otlp.headers.a", 7, "is a text where a section", "file, env"),
        (with("store: {s3: 5}"), "store.s3", 7, "is a number where a section", "bucket"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_missing_key_is_named_with_an_example() {
    let s3 = |keys: &str| with(&format!("store:\n  s3: {{{keys}}}"));
    let gossip =
        |keys: &str| with(&format!("fleet: {{gossip: {{bind: '0.0.0.0:1', seeds: ['h:1'], {keys}}}}}"));
    let member = |keys: &str| with(&format!("fleet:\n  members:\n    - {{{keys}}}"));
    each_is_the_only_mistake(&[
        (instead("{zone: az1}", "{}"), "gateway.zone", 1, "is missing", "zone: use1-az1"),
        (instead("{bootstrap: [kafka-1:9092]}", ""), "cluster.bootstrap", 2, "is missing", "bootstrap: [kafka-1:9092"),
        (instead("  - name: clients\n    bind", "  - bind"), "listeners[0].name", 4, "is missing", "name: clients"),
        (instead("    bind: 127.0.0.1:29092\n", ""), "listeners[0].bind", 4, "is missing", "bind: 0.0.0.0:9092"),
        (instead("{ports: 29100-29199}", ""), "listeners[0].brokers.ports", 6, "is missing", "29100-29199"),
        (instead("{ports: 29100-29199}", "{ids: [1]}"), "listeners[0].brokers.ports", 6, "is missing", "29100-29199"),
        (member("zone: a, listener: clients, advertise: h, brokers: {ports: 1-9}, admin: h:1"), "fleet.members[0].id", 9, "is missing", "id: gw"),
        (member("id: b, listener: clients, advertise: h, brokers: {ports: 1-9}, admin: h:1"), "fleet.members[0].zone", 9, "is missing", "zone: "),
        (member("id: b, zone: a, advertise: h, brokers: {ports: 1-9}, admin: h:1"), "fleet.members[0].listener", 9, "is missing", "listener: "),
        (member("id: b, zone: a, listener: clients, brokers: {ports: 1-9}, admin: h:1"), "fleet.members[0].advertise", 9, "is missing", "advertise: "),
        (member("id: b, zone: a, listener: clients, advertise: h, admin: h:1"), "fleet.members[0].brokers.ports", 9, "is missing", "ports: "),
        (member("id: b, zone: a, listener: clients, advertise: h, brokers: {ports: 1-9}"), "fleet.members[0].admin", 9, "is missing", "admin: "),
        (with("fleet: {gossip: {bind: '0.0.0.0:1', keys: [{env: FLEET_KEY}]}}"), "fleet.gossip.seeds", 7, "is missing", "seeds: ["),
        (with("fleet: {gossip: {seeds: ['h:1'], keys: [{env: FLEET_KEY}]}}"), "fleet.gossip.bind", 7, "is missing", "bind: "),
        (with("fleet: {gossip: {bind: '0.0.0.0:1', seeds: ['h:1']}}"), "fleet.gossip.keys", 7, "is missing", "openssl rand"),
        (gossip("keys: [{env: SECRET}]"), "fleet.gossip.keys[0]", 7, "less than 32 characters", "openssl rand"),
        (gossip("keys: [{env: FLEET_KEY}, {}]"), "fleet.gossip.keys[1]", 7, "says no place", "{file: path}"),
        (gossip(&format!("keys: [{}]", ["{env: FLEET_KEY}"; 5].join(", "))), "fleet.gossip.keys", 7, "is too long", "4 keys at most"),
        (gossip("keys: [{env: FLEET_KEY}], advertise: '0.0.0.0:1'"), "fleet.gossip.advertise", 7, "nowhere", "own address"),
        (with("store: {}"), "store.dir", 7, "is missing", "or s3:"),
        (with("telemetry: {otlp: {}}"), "telemetry.otlp.endpoint", 7, "is missing", "endpoint: http://"),
        (s3("bucket: tide"), "store.s3.region", 8, "is missing", "region: us-east-1"),
        (s3("region: r"), "store.s3.bucket", 8, "is missing", "bucket: tide"),
        (with("store: {dir: d}\ntiering: {}"), "tiering.topics", 8, "is missing", "match:"),
        (with("store: {dir: d}\ntiering: {topics: [{hot: {time: 1h}}]}"), "tiering.topics[0].match", 8, "is missing", "match:"),
        (with("store: {dir: d}\ntiering: {topics: [{match: a, trim: true}]}"), "tiering.topics[0].hot", 8, "is missing", "hot: {time"),
        (with("store: {dir: d}\ntiering: {topics: [{match: a, hot: {time: 1h}}], cache: {disk: {bytes: 1GiB}}}"), "tiering.cache.disk.path", 8, "is missing", "path: "),
        (with("store: {dir: d}\ntiering: {topics: [{match: a, hot: {time: 1h}}], cache: {disk: {path: p}}}"), "tiering.cache.disk.bytes", 8, "is missing", "bytes: 50GiB"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_value_out_of_its_range_is_refused_and_the_range_named() {
    let limits = |keys: &str| with(&format!("limits:\n  {{{keys}}}"));
    let tiering = |keys: &str| {
        with(&format!(
            "store: {{dir: d}}\ntiering: {{topics: [{{match: a, hot: {{time: 2h, bytes: 1GiB}}{keys}}}]}}"
        ))
    };
    let segment = |keys: &str| {
        with(&format!(
            "store: {{dir: d}}\ntiering: {{topics: [{{match: a, hot: {{time: 2h}}}}], segment: {{{keys}}}}}"
        ))
    };
    each_is_the_only_mistake(&[
        (limits("connections: 0"), "limits.connections", 8, "0 is out of range", "1 to 4294967295"),
        (limits("connections: 10, connections_per_ip: 11"), "limits.connections_per_ip", 8, "more than limits.connections", "10 at most"),
        (limits("frame: 1023"), "limits.frame", 8, "1023B is out of range", "1KiB to 2147483647B"),
        (limits("frame: 2GiB, in_flight_bytes: 4GiB"), "limits.frame", 8, "2GiB is out of range", "1KiB to"),
        (limits("in_flight_bytes: 99MiB"), "limits.in_flight_bytes", 8, "99MiB is less than one frame", "100MiB at least"),
        (instead("zone: az1", "zone: az1, drain: 999ms"), "gateway.drain", 1, "999ms is out of range", "1s to 1h"),
        (limits("idle: 999ms"), "limits.idle", 8, "999ms is out of range", "1s to 30d"),
        (limits("idle: 31d"), "limits.idle", 8, "31d is out of range", "1s to 30d"),
        (limits("handshake: 99ms"), "limits.handshake", 8, "99ms is out of range", "100ms to 10m"),
        (limits("accept_rate: 0"), "limits.accept_rate", 8, "0 is out of range", "1 to 4294967295"),
        (limits("handshakes: 0"), "limits.handshakes", 8, "0 is out of range", "1 to 4294967295"),
        (limits("connections: 10, handshakes: 11"), "limits.handshakes", 8, "more than limits.connections", "10 at most"),
        (with("telemetry: {otlp: {endpoint: 'http://c:1', interval: 999ms}}"), "telemetry.otlp.interval", 7, "999ms is out of range", "1s to 1h"),
        (with("telemetry: {otlp: {endpoint: 'http://c:1', traces: {ratio: 1.5}}}"), "telemetry.otlp.traces.ratio", 7, "1.5 is out of range", "0 (none) to 1 (all)"),
        (limits("handshake: 11m"), "limits.handshake", 8, "11m is out of range", "100ms to 10m"),
        (with("zones: {prices: {cross_zone: -1}}"), "zones.prices.cross_zone", 7, "-1 is out of range", "0 to 1000"),
        (tiering(", retain: {time: 1h}"), "tiering.topics[0].retain.time", 8, "1h is less than hot.time", "2h at least"),
        (tiering(", retain: {bytes: 1MiB}"), "tiering.topics[0].retain.bytes", 8, "1MiB is less than hot.bytes", "1GiB at least"),
        (segment("bytes: 1KiB"), "tiering.segment.bytes", 8, "1KiB is out of range", "1MiB to"),
        (segment("bytes: 3GiB"), "tiering.segment.bytes", 8, "3GiB is out of range", "2147483647B"),
        (segment("age: 1ms"), "tiering.segment.age", 8, "1ms is out of range", "1s to 30d"),
    ]);
}

#[test]
#[rustfmt::skip]
fn broken_yaml_is_refused_with_its_line() {
    let twice = format!("{SMALLEST}gateway: {{zone: az2}}\n");
    each_is_the_only_mistake(&[
        (twice, "", 7, "the key `gateway` stands here a second time", ""),
        (with("zones: [a"), "", 7, "is not readable as YAML", "tidegate config example"),
        (instead("127.0.0.1:29092", "[::1]:29092"), "", 5, "is not readable as YAML", "IPv6 address"),
    ]);
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = "\
gatway: {}
gateway: {zone: '', admin: nowhere}
cluster: {bootstrap: [k], tls: 5}
listeners:
  - {name: 7, bind: x, brokers: {ports: 9-1}, colour: red}
limits: {frame: 1, idle: 5, connections: 0}
zones: {clients: [rak, gateway, rack], reads: x}
";
    let errors = wrong(text);
    let found: Vec<_> = errors.iter().map(|e| (e.line.unwrap(), e.path.as_str())).collect();
    let expected = [
        (1, "gatway"),
        (2, "gateway.zone"),
        (2, "gateway.admin"),
        (3, "cluster.tls"),
        (3, "cluster.bootstrap[0]"),
        (5, "listeners[0].colour"),
        (5, "listeners[0].name"),
        (5, "listeners[0].bind"),
        (5, "listeners[0].brokers.ports"),
        (6, "limits.connections"),
        (6, "limits.frame"),
        (6, "limits.idle"),
        (7, "zones.clients[0]"),
        (7, "zones.clients[2]"),
        (7, "zones.reads"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_mistake_reads_as_one_block() {
    let errors = super::parse(&with("limits: {fame: 1MiB, idle: 5}")).unwrap_err();
    let expected = "\
line 7: limits.fame: is an unknown key
    did you mean `frame`? known here: connections, connections_per_ip, frame, in_flight_bytes, idle, handshake, accept_rate, handshakes
line 7: limits.idle: `5` is not a duration; write a whole number and a unit (ms, s, m, h, d), like 10s
    examples: 250ms, 10s, 5m, 2h, 90d";
    assert_eq!(errors.to_string(), expected);
}

/// Truncations of the example, every line left out, words replaced: a verdict, never a panic.
#[test]
fn no_damage_to_a_file_can_do_more_than_be_refused() {
    let text = crate::EXAMPLE;
    let cuts = text.char_indices().step_by(7).map(|(end, _)| text[..end].to_owned());
    let lines: Vec<&str> = text.lines().collect();
    let without = (0..lines.len()).map(|n| [&lines[..n], &lines[n + 1..]].concat().join("\n"));
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 2);
    let odd = ["", "~", "[]", "{a: 1}", "-1", "1e999", "\"", "9223372036854775808", "*a", "\u{0}", "é:"];
    let swapped = words.enumerate().map(|(n, word)| text.replacen(word, odd[n % odd.len()], 1 + n % 3));
    for damaged in cuts.chain(without).chain(swapped) {
        if let Err(errors) = super::parse(&damaged) {
            assert!(!errors.0.is_empty() && errors.0.iter().all(|e| !e.reason.is_empty()), "{damaged}");
        }
    }
}

#[test]
fn a_flood_of_mistakes_is_cut_off() {
    let servers = vec!["x"; 5_000].join(", ");
    assert_eq!(wrong(&instead("kafka-1:9092", &servers)).len(), 1_000);
    let members = vec!["{}"; 1_001].join(", ");
    let errors = wrong(&with(&format!("fleet: {{members: [{members}]}}")));
    assert!(errors.iter().any(|e| e.path == "fleet.members" && e.reason == "is too long"));
    let listeners = "  - {name: x}\n".repeat(1_001);
    assert!(wrong(&with(&listeners)).iter().any(|e| e.path == "listeners" && e.reason == "is too long"));
}
