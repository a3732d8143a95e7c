//! What right files mean, beyond the example.

use super::{instead, right, with};
use crate::{Advertise, BrokerEndpoints, Checksums, Reads, S3, Secret, Store, Traces, WhenNoGateway};

#[test]
fn sparse_broker_ids_are_numbers_and_ranges() {
    let config = right(&instead("{ports: 29100-29199}", "{ids: [7, 1001-1003], ports: 29100-29109}"));
    let brokers = &config.listeners[0].brokers;
    assert_eq!(*brokers, BrokerEndpoints::Ids { ids: vec![7, 1001, 1002, 1003], first: 29100, last: 29109 });
}

#[test]
fn one_port_is_a_range_too() {
    let config = right(&instead("29100-29199", "29100"));
    assert_eq!(config.listeners[0].brokers, BrokerEndpoints::Ports { first: 29100, last: 29100 });
}

#[test]
fn zones_of_brokers_prices_and_words_are_taken_over() {
    let zones = "zones: {brokers: {az1: [1, 4-5], az2: [2]}, prices: {cross_zone: 1}, reads: as_is, when_zone_has_no_gateway: refuse}";
    let zones = right(&with(zones)).zones;
    let brokers: Vec<_> = zones.brokers.iter().map(|(id, zone)| (*id, zone.as_str())).collect();
    assert_eq!(brokers, [(1, "az1"), (2, "az2"), (4, "az1"), (5, "az1")]);
    assert_eq!((zones.prices.cross_zone, zones.reads), (1.0, Reads::AsIs));
    assert_eq!(zones.when_zone_has_no_gateway, WhenNoGateway::Refuse);
}

#[test]
fn a_collector_is_taken_over_with_its_headers_in_small_letters_and_no_slash_at_its_end() {
    let short = right(&with("telemetry: {otlp: {endpoint: 'https://c.example.com/otlp/'}}"));
    let otlp = short.otlp.expect("a collector");
    assert_eq!((otlp.endpoint.as_str(), otlp.interval.as_secs()), ("https://c.example.com/otlp", 30));
    assert!(
        otlp.metrics && otlp.headers.is_empty() && otlp.traces == Traces { ratio: 0.0, client_ids: false }
    );
    let long = "telemetry: {otlp: {endpoint: 'http://c:4318', headers: {Authorization: {env: SECRET}}, interval: 5s, metrics: false, traces: {ratio: 1, client_ids: true}}}";
    let long = right(&with(long));
    let otlp = long.otlp.expect("a collector");
    assert_eq!(otlp.headers.get("authorization"), Some(&Secret::new("hunter2")));
    assert_eq!((otlp.interval.as_secs(), otlp.metrics), (5, false));
    assert_eq!(otlp.traces, Traces { ratio: 1.0, client_ids: true });
    let clear = "line 7: telemetry.otlp.headers: go over the network in clear: the endpoint is http://";
    assert_eq!((short.warnings.len(), long.warnings), (0, vec![clear.to_owned()]));
    assert!(right(&with("telemetry: {}")).otlp.is_none());
}

#[test]
fn an_s3_store_is_taken_over_and_its_prefix_has_no_stray_slashes() {
    let config = right(&with(
        "store: {s3: {bucket: tide, prefix: /prod/, region: r, endpoint: 'http://127.0.0.1:7070', path_style: true, checksums: when_required, kms_key: k1}}",
    ));
    let expected = S3 {
        bucket: "tide".into(),
        prefix: "prod".into(),
        region: "r".into(),
        endpoint: Some("http://127.0.0.1:7070".into()),
        path_style: true,
        checksums: Checksums::WhenRequired,
        kms_key: Some("k1".into()),
    };
    assert_eq!(config.store, Some(Store::S3(expected)));
}

#[test]
fn ipv6_addresses_lose_their_brackets() {
    let config =
        right(&instead("127.0.0.1:29092", "'[::1]:29092'").replace("kafka-1:9092", "'[fd00::2]:9092'"));
    assert_eq!(config.listeners[0].advertise, Advertise { host: "::1".into(), port: None });
    assert_eq!(config.cluster.bootstrap[0].host, "fd00::2");
}

#[test]
fn a_small_gateway_needs_no_second_limit() {
    let limits = right(&with("limits: {connections: 10, frame: 1048576}")).limits;
    assert_eq!((limits.connections_per_ip, limits.frame.0), (10, 1 << 20));
}

#[test]
fn a_section_left_empty_counts_as_left_out() {
    let config = right(&with("zones:\nfleet:\nlimits: ~\nstore:\ntiering:"));
    assert!(config.store.is_none() && config.tiering.is_none());
    assert_eq!(config.zones, right(super::SMALLEST).zones);
}

#[test]
fn load_balancers_are_trusted_by_network_and_mapped_addresses_are_ipv4() {
    let text = with("    proxy_protocol: {from: [10.0.0.0/24, '::ffff:10.9.0.1/128', 'fd00::/8']}");
    let balancers = right(&text).listeners.remove(0).proxy_protocol.unwrap();
    for (ip, trusted) in [
        ("10.0.0.7", true),
        ("::ffff:10.0.0.7", true),
        ("10.9.0.1", true),
        ("fd00::1", true),
        ("10.0.1.7", false),
        ("::1", false),
    ] {
        assert_eq!(balancers.trusts(ip.parse().unwrap()), trusted, "{ip}");
    }
}

#[test]
fn accepts_have_a_rate_only_if_it_is_written_and_handshakes_always_a_bound() {
    let limits = right(super::SMALLEST).limits;
    assert_eq!((limits.accept_rate, limits.handshakes), (None, 5_000));
    let limits = right(&with("limits: {accept_rate: 20, connections: 10}")).limits;
    assert_eq!((limits.accept_rate.map(u32::from), limits.handshakes), (Some(20), 10));
}

#[test]
fn what_stays_on_the_brokers_has_to_be_said_only_where_they_are_trimmed() {
    let config =
        right(&with("store: {dir: d}\ntiering: {topics: [{match: a}, {match: b, retain: {time: 1h}}]}"));
    let rules = config.tiering.expect("it is there").topics;
    assert!(rules.iter().all(|rule| !rule.trim && rule.hot == crate::Keep::default()));
}

#[test]
fn what_is_unwise_is_a_warning_with_its_line() {
    let table = [
        (
            with("    proxy_protocol: {from: [0.0.0.0/0]}"),
            "line 7: listeners[0].proxy_protocol.from[0]: is everybody",
        ),
        (
            with(
                "store: {dir: d}\ntiering: {topics: [{match: a}]}\n\
                 fleet: {members: [{id: g2, zone: az2, listener: clients, advertise: b, brokers: {ports: 29100-29199}, admin: b:1}]}",
            ),
            "line 7: store.dir: a folder of this machine's own is another store on each gateway",
        ),
        (
            with("store: {dir: d}\ntiering: {topics: [{match: a, hot: {time: 1h}, trim: true}]}"),
            "line 8: tiering.topics[0].trim: brokers will drop what the tier holds",
        ),
        (
            instead("9092]}", "9092], auth: {mechanism: PLAIN, username: u, password: {env: SECRET}}}"),
            "line 2: cluster.auth: without cluster.tls the secret crosses the network in clear",
        ),
    ];
    for (text, start) in table {
        let warnings = right(&text).warnings;
        assert!(warnings.last().is_some_and(|w| w.starts_with(start)), "{warnings:?}");
    }
}
