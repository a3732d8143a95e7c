//! What a change of the file needs.

use super::{SMALLEST, instead, right, with};
use crate::{Changes, diff, taken_over};

fn change(new: &str) -> Changes {
    diff(&right(SMALLEST), &right(new))
}

#[test]
fn each_section_says_whether_it_can_change_while_running() {
    assert_eq!(change(SMALLEST), Changes::default());
    let member = "{id: b, zone: az2, listener: clients, advertise: b, brokers: {ports: 1-9}, admin: b:1}";
    let otlp =
        |traces: &str| with(&format!("telemetry: {{otlp: {{endpoint: 'http://c:4318', traces: {traces}}}}}"));
    let live = [
        (with("zones: {reads: as_is}"), "zones"),
        (with(&format!("fleet: {{members: [{member}]}}")), "fleet"),
        (with("limits: {idle: 1h}"), "limits"),
        (instead("zone: az1", "zone: az1, drain: 5s"), "gateway.drain"),
    ];
    for (text, section) in live {
        assert_eq!(change(&text), Changes { live: vec![section], restart: vec![] });
    }
    let restart = [
        (instead("zone: az1", "zone: az2"), vec!["gateway"]),
        (instead("kafka-1", "kafka-2"), vec!["cluster"]),
        (instead("29199", "29198"), vec!["listeners"]),
        (with("store: {dir: d}\ntiering: {topics: [{match: a, hot: {time: 1h}}]}"), vec!["store", "tiering"]),
    ];
    for (text, sections) in restart {
        assert_eq!(change(&text), Changes { live: vec![], restart: sections });
    }
    // What is traced is decided anew for each request; where it goes isn't.
    let (some, more) = (right(&otlp("{ratio: 0.1}")), right(&otlp("{ratio: 1}")));
    assert_eq!(diff(&some, &more), Changes { live: vec!["telemetry.otlp.traces"], restart: vec![] });
    assert_eq!(taken_over(&some, &more), more);
    assert_eq!(change(&otlp("{}")), Changes { live: vec![], restart: vec!["telemetry"] });
}

#[test]
fn a_key_of_the_fleet_may_change_while_running_but_not_where_gossip_goes() {
    let gossip = |bind: &str, keys: &str| {
        right(&with(&format!("fleet: {{gossip: {{bind: '{bind}', seeds: ['h:1'], keys: [{keys}]}}}}")))
    };
    let old = gossip("127.0.0.1:1", "{env: FLEET_KEY}");
    let rotated = gossip("127.0.0.1:1", "{env: NEXT_FLEET_KEY}, {env: FLEET_KEY}");
    assert_eq!(diff(&old, &rotated), Changes { live: vec!["fleet"], restart: vec![] });
    assert_eq!(taken_over(&old, &rotated), rotated);
    let moved = gossip("127.0.0.1:2", "{env: NEXT_FLEET_KEY}");
    assert_eq!(diff(&old, &moved), Changes { live: vec!["fleet"], restart: vec!["fleet.gossip"] });
    let running = taken_over(&old, &moved).fleet.gossip.unwrap();
    assert_eq!((running.bind.port(), running.keys[0].reveal().starts_with("fedc")), (1, true));
    for (old, new) in [(&old, &right(SMALLEST)), (&right(SMALLEST), &old)] {
        assert_eq!(diff(old, new), Changes { live: vec![], restart: vec!["fleet.gossip"] });
        assert_eq!(&taken_over(old, new), old);
    }
}

/// Two files with TLS, whose second differs from the first by `from` -> `to`.
fn with_tls(from: &str, to: &str) -> (crate::Config, crate::Config) {
    let dir = tempfile::tempdir().unwrap();
    for (name, what) in [("a", "CERTIFICATE"), ("b", "CERTIFICATE"), ("a.key", "PRIVATE KEY")] {
        let pem = format!("-----BEGIN {what}-----\nAA==\n-----END {what}-----\n");
        std::fs::write(dir.path().join(name), pem).unwrap();
    }
    let old = format!("{SMALLEST}    tls: {{cert: a, key: a.key}}\n");
    assert!(old.contains(from), "{from}");
    let parse = |text: &str| super::parse_at(text, dir.path()).unwrap_or_else(|e| panic!("{text}\n{e}"));
    (parse(&old), parse(&old.replacen(from, to, 1)))
}

#[test]
fn certificates_may_move_and_client_certificates_be_asked_for_but_tls_comes_and_goes_with_a_restart() {
    for to in ["cert: b", "client_ca: b, cert: a"] {
        let (old, new) = with_tls("cert: a", to);
        assert_eq!(diff(&old, &new), Changes { live: vec!["listeners[].tls"], restart: vec![] }, "{to}");
        assert_eq!(taken_over(&old, &new), new, "{to}");
    }
    let (old, new) = with_tls("    tls: {cert: a, key: a.key}\n", "");
    assert_eq!(diff(&old, &new), Changes { live: vec![], restart: vec!["listeners"] });
    assert_eq!(taken_over(&old, &new), old);
}

#[test]
fn what_needs_a_restart_stays_and_is_named_again_until_there_was_one() {
    let old = right(SMALLEST);
    let new = right(&format!("{}limits: {{connections: 7}}\n", instead("kafka-1", "kafka-2")));
    let running = taken_over(&old, &new);
    assert_eq!((running.limits.connections, &running.cluster), (7, &old.cluster));
    assert_eq!(diff(&running, &new), Changes { live: vec![], restart: vec!["cluster"] });
}
