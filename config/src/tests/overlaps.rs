//! Everything that can want an address for itself, beside everything else that can: the later of the two is named, with its line.
//! The tables are kept out of rustfmt's hands: one row, one line.

use super::outside::folder;
use super::parse_at;
use crate::Errors;

/// Two listeners and gossip that get on with each other.
const PEACE: &str = "\
gateway: {zone: az1, id: gw, admin: 127.0.0.1:9644}
cluster: {bootstrap: [kafka-1:9092]}
listeners:
  - {name: one, bind: 127.0.0.1:9001, advertise: one, brokers: {ports: 9100-9109}}
  - {name: two, bind: 127.0.0.1:9002, advertise: two, brokers: {ports: 9200-9209}}
fleet: {gossip: {bind: 127.0.0.1:7946, seeds: [h:1], keys: [{env: FLEET_KEY}]}}
";

/// Two listeners by server name, and two gateways beside.
const PEACE_BY_NAME: &str = "\
gateway: {zone: az1, id: gw}
cluster: {bootstrap: [kafka-1:9092]}
listeners:
  - {name: one, bind: 127.0.0.1:9001, advertise: one, brokers: {sni: 'b{id}.one.example.com'}, tls: {cert: cert.pem, key: key.pem}}
  - {name: two, bind: 127.0.0.1:9002, advertise: two, brokers: {sni: 'b{id}.two.example.com'}, tls: {cert: cert.pem, key: key.pem}}
fleet:
  members:
    - {id: x, zone: az1, listener: one, advertise: x, brokers: {sni: 'b{id}.x.example.com'}, admin: 'x:1'}
    - {id: y, zone: az1, listener: two, advertise: y, brokers: {ports: 9100-9109}, admin: 'y:1'}
";

/// (the file that is changed, what is replaced, by what, the path and line that are named, part of the reason)
type Row = (&'static str, &'static str, &'static str, &'static str, u64, &'static str);

#[rustfmt::skip]
const CLASHES: [Row; 20] = [
    (PEACE, "bind: 127.0.0.1:9001", "bind: 127.0.0.1:9644", "listeners[0].bind", 4, "9644 overlaps with gateway.admin (9644)"),
    (PEACE, ", admin: 127.0.0.1:9644", ", admin: 127.0.0.1:9105", "listeners[0].brokers.ports", 4, "9100-9109 overlaps with gateway.admin (9105)"),
    (PEACE, "bind: 127.0.0.1:9001", "bind: 0.0.0.0:9644", "listeners[0].bind", 4, "overlaps with gateway.admin"),
    (PEACE, "bind: 127.0.0.1:9001", "bind: '[::]:9644'", "listeners[0].bind", 4, "overlaps with gateway.admin"),
    (PEACE, "bind: 127.0.0.1:9001", "bind: 127.0.0.1:9100", "listeners[0].brokers.ports", 4, "overlaps with listeners[0].bind (9100)"),
    (PEACE, "bind: 127.0.0.1:9002", "bind: 127.0.0.1:9001", "listeners[1].bind", 5, "9001 overlaps with listeners[0].bind (9001)"),
    (PEACE, "bind: 127.0.0.1:9002", "bind: 127.0.0.1:9109", "listeners[1].bind", 5, "9109 overlaps with listeners[0].brokers.ports (9100-9109)"),
    (PEACE, "9200-9209", "9000-9001", "listeners[1].brokers.ports", 5, "9000-9001 overlaps with listeners[0].bind (9001)"),
    (PEACE, "9200-9209", "9109-9209", "listeners[1].brokers.ports", 5, "9109-9209 overlaps with listeners[0].brokers.ports (9100-9109)"),
    (PEACE, "9200-9209", "9101", "listeners[1].brokers.ports", 5, "9101 overlaps with listeners[0].brokers.ports (9100-9109)"),
    (PEACE, "bind: 127.0.0.1:7946", "bind: 127.0.0.1:9644", "fleet.gossip.bind", 6, "overlaps with gateway.admin (9644)"),
    (PEACE, "bind: 127.0.0.1:7946", "bind: 127.0.0.1:9205", "fleet.gossip.bind", 6, "overlaps with listeners[1].brokers.ports (9200-9209)"),
    (PEACE, "bind: 127.0.0.1:7946", "bind: 0.0.0.0:9002", "fleet.gossip.bind", 6, "overlaps with listeners[1].bind (9002)"),
    (PEACE, "kafka-1:9092", "127.0.0.1:9205", "cluster.bootstrap[0]", 2, "is this gateway itself (listeners[1].brokers.ports)"),
    (PEACE, "name: two", "name: one", "listeners[1].name", 5, "`one` is the name of listeners[0] too"),
    (PEACE_BY_NAME, "bind: 127.0.0.1:9002", "bind: 127.0.0.1:9001", "listeners[1].bind", 5, "9001 overlaps with listeners[0].bind (9001)"),
    (PEACE_BY_NAME, "b{id}.two", "B{id}.One", "listeners[1].brokers", 5, "tells clients the same addresses as listeners[0]"),
    (PEACE_BY_NAME, "b{id}.x", "b{id}.two", "fleet.members[0].brokers", 8, "tells clients the same addresses as listeners[1]"),
    (PEACE_BY_NAME, "id: y", "id: gw", "fleet.members[1].id", 9, "`gw` is this gateway itself"),
    (PEACE_BY_NAME, "'y:1'", "'x:1'", "fleet.members[1].admin", 9, "x:1 is the admin address of fleet.members[0] too"),
];

#[test]
fn whatever_wants_an_address_that_something_else_has_is_named_with_what_has_it() {
    let dir = folder();
    for peace in [PEACE, PEACE_BY_NAME] {
        assert!(parse_at(peace, dir.path()).is_ok(), "{peace}");
    }
    for (peace, of, by, path, line, reason) in CLASHES {
        assert!(peace.contains(of), "{of} is not in\n{peace}");
        let text = peace.replacen(of, by, 1);
        let Err(Errors(errors)) = parse_at(&text, dir.path()) else {
            panic!("nothing is wrong with\n{text}")
        };
        let [error] = &errors[..] else { panic!("{text}\n{errors:#?}") };
        assert_eq!((error.path.as_str(), error.line), (path, Some(line)), "{error}\n{text}");
        assert!(
            error.reason.contains(reason) && !error.remedy.is_empty(),
            "{error}\nthe reason should have: {reason}"
        );
    }
}

/// Neighbours that don't clash: other hosts, other families, a port range that ends one before.
#[rustfmt::skip]
const NEIGHBOURS: [(&str, &str, &str); 6] = [
    (PEACE, "bind: 127.0.0.1:9002", "bind: 127.0.0.2:9001"),
    (PEACE, "bind: 127.0.0.1:9001", "bind: '[::1]:9644'"),
    (PEACE, "9200-9209", "9110-9209"),
    (PEACE, "bind: 127.0.0.1:7946", "bind: 127.0.0.2:9644"),
    (PEACE, "kafka-1:9092", "127.0.0.2:9001"),
    (PEACE_BY_NAME, "b{id}.two", "c{id}.one"),
];

#[test]
fn neighbours_that_do_not_clash_are_left_in_peace() {
    let dir = folder();
    for (peace, of, by) in NEIGHBOURS {
        let text = peace.replacen(of, by, 1);
        assert!(text != peace, "{of} is not in\n{peace}");
        parse_at(&text, dir.path()).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    }
}
