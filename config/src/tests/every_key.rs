//! Every key of the schema, wrong in every way its kind can be: one mistake, with path, line, reason and remedy. A new key is among them by itself,
//! once a file below has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::outside::folder;
use super::parse_at;
use super::spread::Spread;
use crate::reference::KIND;
use crate::{Error, Errors, schema};

/// Right files that together have every key. Two keys that exclude each other stand in different ones.
pub(super) fn files() -> Vec<Value> {
    let auths = [
        "{mechanism: PLAIN, username: u, password: {file: password}}",
        "{mechanism: SCRAM-SHA-512, username: u, password: {env: SECRET}}",
        "{mechanism: OAUTHBEARER, token: {file: password}}",
        "{mechanism: OAUTHBEARER, token: {env: SECRET}}",
    ];
    let file = |(n, auth): (usize, &&str)| {
        let text = WHOLE.replace("{auth}", auth);
        let text = if n % 2 == 0 { text } else { text.replace("{file: token}", "{env: TOKEN}") };
        let text = if n % 2 == 0 { text.replace("{store}", S3) } else { text.replace("{store}", "dir: new") };
        let text = if n < 3 { text.replace("{fleet}", MEMBERS) } else { text.replace("{fleet}", GOSSIP) };
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{text}\n{e}"))
    };
    auths.iter().enumerate().map(file).collect()
}

const WHOLE: &str = "\
gateway: {id: gw, zone: az1, admin: 127.0.0.1:9644, admin_token: {file: token}, drain: 20s}
cluster:
  bootstrap: [kafka-1:9092, kafka-2:9092]
  tls: {ca: ca.pem, cert: cert.pem, key: key.pem, server_name: kafka.example.com}
  auth: {auth}
listeners:
  - name: clients
    bind: 127.0.0.1:29092
    advertise: gw.example.com
    brokers: {ids: [1, 1001-1003], ports: 29100-29199}
    zone: az1
    proxy_protocol: {from: [10.0.0.0/24]}
  - name: certificates
    bind: 127.0.0.1:9093
    advertise: gw.example.com:443
    brokers: {sni: 'b{id}.kafka.example.com'}
    tls:
      cert: cert.pem
      key: key.pem
      client_ca: ca.pem
      identities:
        - {subject: 'CN=a', auth: {mechanism: PLAIN, username: a, password: {file: password}}}
        - {subject: 'CN=b', auth: {mechanism: PLAIN, username: b, password: {env: SECRET}}}
        - {subject: 'CN=c', auth: {mechanism: OAUTHBEARER, token: {file: password}}}
        - {subject: 'CN=d', auth: {mechanism: OAUTHBEARER, token: {env: SECRET}}}
zones:
  clients: [listener, client_id_tag, {cidr: {az1: [10.0.1.0/24], az2: ['fd00::/8']}}, rack, gateway]
  reads: in_zone
  when_zone_has_no_gateway: any
  brokers: {az1: [1, 4-5]}
  prices: {cross_zone: 0.01}
fleet: {fleet}
limits: {connections: 5000, connections_per_ip: 100, frame: 10MiB, in_flight_bytes: 100MiB, idle: 5m, handshake: 5s, accept_rate: 100, handshakes: 50}
store: {{store}}
tiering:
  topics: [{match: 'orders.*', hot: {time: 2h, bytes: 1GiB}, retain: {time: 90d, bytes: 1TiB}, trim: true}]
  segment: {bytes: 64MiB, age: 5m}
  upload_rate: 10MiB
  cache: {memory: 256MiB, disk: {path: folder, bytes: 1GiB}}
telemetry:
  otlp:
    endpoint: 'https://collector.example.com:4318'
    headers: {authorization: {file: password}, x-team: {env: SECRET}}
    ca: ca.pem
    interval: 20s
    metrics: true
    traces: {ratio: 0.5, client_ids: false}
";
const S3: &str = "s3: {bucket: tide, prefix: p, region: r, endpoint: 'http://127.0.0.1:7070', path_style: true, checksums: always, kms_key: k}";
const MEMBERS: &str = "{members: [
  {id: b, zone: az2, listener: clients, advertise: b, brokers: {ids: [1], ports: 1-9}, admin: b:1},
  {id: c, zone: az2, listener: certificates, advertise: c, brokers: {sni: 'c{id}.example.com'}, admin: c:1}]}";
const GOSSIP: &str = "{gossip: {bind: '127.0.0.1:7946', advertise: '10.0.0.1:7946', seeds: [h:7946], keys: [{env: FLEET_KEY}, {file: fleet-key}]}}";

/// What the schema says is at each place: `listeners[].tls.cert`.
pub(super) fn places() -> BTreeMap<String, Value> {
    let schema = schema();
    let mut places = BTreeMap::new();
    add_places(&schema, &schema, String::new(), &mut places);
    places
}

fn add_places(schema: &Value, at: &Value, place: String, out: &mut BTreeMap<String, Value>) {
    if let Some(name) = at["$ref"].as_str() {
        return add_places(schema, &schema["$defs"][name.trim_start_matches("#/$defs/")], place, out);
    }
    let some = at["anyOf"].as_array().and_then(|any| any.iter().find(|one| one["type"] != "null"));
    if let Some(some) = some {
        return add_places(schema, some, place, out);
    }
    for variant in at["oneOf"].as_array().into_iter().flatten() {
        // A word of its own stands for the whole place; one with something behind it has places below.
        let inner = variant["properties"].as_object().into_iter().flatten();
        inner.for_each(|(name, inner)| add_places(schema, inner, format!("{place}.{name}"), out));
    }
    for (name, inner) in at["properties"].as_object().into_iter().flatten() {
        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        add_places(schema, inner, place, out);
    }
    if at["items"].is_object() {
        add_places(schema, &at["items"], format!("{place}[]"), out);
    }
    if at["additionalProperties"].is_object() {
        add_places(schema, &at["additionalProperties"], format!("{place}.*"), out);
    }
    out.insert(place, at.clone());
}

/// One setting of a file: its path, and the place of the schema it stands at.
pub(super) struct Setting {
    pub(super) pointer: String,
    pub(super) path: String,
    pub(super) place: String,
}

pub(super) fn settings(file: &Value, places: &BTreeMap<String, Value>) -> Vec<Setting> {
    let mut out = Vec::new();
    add_settings(file, (String::new(), String::new(), String::new()), places, &mut out);
    out
}

fn add_settings(
    at: &Value,
    (pointer, path, place): (String, String, String),
    places: &BTreeMap<String, Value>,
    out: &mut Vec<Setting>,
) {
    let dot = if path.is_empty() { "" } else { "." };
    for (name, inner) in at.as_object().into_iter().flatten() {
        let named = format!("{place}{dot}{name}");
        let place = if places.contains_key(&named) { named } else { format!("{place}.*") };
        add_settings(inner, (format!("{pointer}/{name}"), format!("{path}{dot}{name}"), place), places, out);
    }
    for (n, inner) in at.as_array().into_iter().flatten().enumerate() {
        add_settings(
            inner,
            (format!("{pointer}/{n}"), format!("{path}[{n}]"), format!("{place}[]")),
            places,
            out,
        );
    }
    out.push(Setting { pointer, path, place });
}

/// The mistakes of a file, of which there must be one only; and the line on which this path stands.
fn only_mistake(file: &Value, path: &str, base: &Path, what: &str) -> (Error, u64) {
    let spread = Spread::of(file);
    let Err(Errors(errors)) = parse_at(&spread.text, base) else { panic!("{what}: nothing is wrong") };
    let [error] = &errors[..] else { panic!("{what}: {errors:#?}") };
    (error.clone(), spread.line(path))
}

/// Puts `value` at a setting and expects the one mistake to be at `path`, with these words in its reason.
fn refused(file: &Value, setting: &Setting, value: Value, path: &str, reason: &str, base: &Path) {
    let what = format!("{} = {value}", setting.path);
    let mut file = file.clone();
    *file.pointer_mut(&setting.pointer).unwrap() = value;
    let (error, line) = only_mistake(&file, path, base, &what);
    assert_eq!((error.path.as_str(), error.line), (path, Some(line)), "{what}: {error}");
    assert!(error.reason.contains(reason), "{what}: {error}\nthe reason should have: {reason}");
    assert!(!error.remedy.is_empty(), "{what}: no remedy: {error}");
}

/// The JSON type of a value that is there.
fn type_of(at: &Value) -> Option<&str> {
    at["type"].as_array().map_or(&at["type"], |types| &types[0]).as_str()
}

/// Values that no setting of this kind can have, and what is said of each.
fn wrong_values(at: &Value) -> Vec<(Value, &'static str)> {
    let text = |more: Vec<(Value, &'static str)>| {
        [vec![(json!(5), "`5` is not a text"), (json!(true), "`true` is not a text")], more].concat()
    };
    if at["enum"].is_array() {
        return text(vec![(json!("nonsense"), "`nonsense` is unknown"), (json!(""), "is unknown")]);
    }
    let long = "x".repeat(254);
    match at[KIND].as_str() {
        Some("zone") => text(vec![(json!(" a"), "is not a zone name"), (json!(long), "is not a zone name")]),
        Some("host:port") => {
            let bad = ["h", "h:0", "h:65536", "a b:1", "http://h:1"];
            text(bad.map(|bad| (json!(bad), "is not a host and a port")).to_vec())
        }
        Some("ip:port") => {
            let bad = ["h:1", "1.2.3.4", "1.2.3.4:65536", "1.2.3.256:1"];
            text(bad.map(|bad| (json!(bad), "is not an IP address and a port")).to_vec())
        }
        Some("host") => {
            text(["a b", "-a", "", "10.0.0.256", "h:0"].map(|bad| (json!(bad), "is not a host")).to_vec())
        }
        Some("network") => text(vec![
            (json!("10.0.0.0"), "is not a network"),
            (json!("10.0.0.0/33"), "is not a network"),
            (json!("10.0.0.1/8"), "has bits set behind its prefix"),
        ]),
        Some("size") => vec![
            (json!(true), "`true` is not a text"),
            (json!("many"), "is not a size"),
            (json!(-1), "is not a size"),
            (json!("1.5MiB"), "is not a size"),
            (json!("18446744073709551616"), "is too large"),
        ],
        Some("duration") => vec![
            (json!(true), "`true` is not a text"),
            (json!(5), "`5` is not a duration"),
            (json!("-1s"), "is not a duration"),
            (json!("1w"), "is not a duration"),
            (json!("99999999999999999d"), "is too large"),
        ],
        Some("first-last") => vec![
            (json!("9-1"), "is an empty range"),
            (json!("0-9"), "is not a range of ports"),
            (json!("1-65536"), "is not a range of ports"),
            (json!(true), "`true` is not a text"),
        ],
        Some("broker id") => vec![
            (json!(-1), "is neither a broker id"),
            (json!(2_147_483_648_u64), "is neither a broker id"),
            (json!("9-1"), "is an empty range"),
            (json!("one"), "is neither a broker id"),
        ],
        Some("path") | None => match type_of(at) {
            Some("boolean") => {
                vec![(json!("yes"), "is neither true nor false"), (json!(1), "is neither true nor false")]
            }
            Some("integer") => vec![
                (json!("many"), "is not a whole number"),
                (json!(0.5), "is not a whole number"),
                (json!(-1), "out of range"),
                (json!(4_294_967_296_u64), "out of range"),
            ],
            Some("number") => vec![
                (json!("cheap"), "is not a number"),
                (json!(-0.1), "out of range"),
                (json!(1000.5), "out of range"),
            ],
            Some("string") => text(vec![(json!(""), "is empty"), (json!(" "), "is empty")]),
            other => panic!("a kind of value without a mistake in this test: {other:?} in {at}"),
        },
        Some(kind) => panic!("a kind of value without a mistake in this test: {kind}"),
    }
}

/// The same for sections, lists and names too.
fn wrong_for(at: &Value) -> Vec<(Value, &'static str)> {
    if at["properties"].is_object() || at["additionalProperties"].is_object() {
        return vec![
            (json!(5), "is a number where a section of keys belongs"),
            (json!("x"), "is a text where a section of keys belongs"),
            (json!([]), "is a list where a section of keys belongs"),
        ];
    }
    if at["items"].is_object() {
        let wrong = [(json!("x"), "is a text where a list belongs")];
        return [wrong, [(json!({"a": 1}), "is a section of keys where a list belongs")]].concat();
    }
    if at["oneOf"].is_array() {
        return vec![
            (json!("nonsense"), "`nonsense` is unknown"),
            (json!(5), "is a number where one name belongs"),
            (json!([]), "is a list where one name belongs"),
        ];
    }
    let kinds = [
        (json!([]), "is a list where a single value belongs"),
        (json!({"a": 1}), "is a section of keys where a single value belongs"),
    ];
    kinds.into_iter().chain(wrong_values(at)).collect()
}

#[test]
fn the_files_of_this_test_are_right_and_have_every_key_of_the_schema() {
    let (dir, places) = (folder(), places());
    let mut seen = BTreeSet::new();
    for file in files() {
        let text = Spread::of(&file).text;
        parse_at(&text, dir.path()).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        seen.extend(settings(&file, &places).into_iter().map(|s| s.place));
    }
    let missing: Vec<_> = places.keys().filter(|place| !seen.contains(*place)).collect();
    assert!(missing.is_empty(), "no file of this test has {missing:?}");
    assert!(seen.iter().all(|place| places.contains_key(place)));
}

#[test]
fn every_value_of_a_wrong_kind_or_out_of_range_is_refused_by_name_and_line_with_a_remedy() {
    let (dir, places) = (folder(), places());
    let mut tried = 0;
    for file in files() {
        for setting in settings(&file, &places) {
            let at = &places[&setting.place];
            for (value, reason) in wrong_for(at) {
                refused(&file, &setting, value, &setting.path, reason, dir.path());
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "only {tried} mistakes were made");
}

#[test]
fn every_unknown_key_is_refused_and_a_slip_of_the_fingers_finds_the_key_that_was_meant() {
    let (dir, places) = (folder(), places());
    for file in files() {
        for setting in settings(&file, &places) {
            let Some(keys) = places[&setting.place]["properties"].as_object() else { continue };
            let section = file.pointer(&setting.pointer).unwrap().as_object().unwrap();
            let dot = if setting.path.is_empty() { "" } else { "." };
            for typo in keys.keys().map(|key| format!("{key}x")).chain(["colour".to_owned()]) {
                let mut section = section.clone();
                section.insert(typo.clone(), json!("red"));
                let path = format!("{}{dot}{typo}", setting.path);
                refused(&file, &setting, json!(section), &path, "is an unknown key", dir.path());
                let meant =
                    crate::nearest::advice(&typo, &keys.keys().map(String::as_str).collect::<Vec<_>>());
                assert!(typo == "colour" || meant.contains("did you mean"), "{path}: {meant}");
            }
        }
    }
}

#[test]
fn every_key_that_must_be_there_is_named_with_what_to_write_when_it_is_not() {
    let (dir, places) = (folder(), places());
    let mut tried = 0;
    for file in files() {
        for setting in settings(&file, &places) {
            let required = places[&setting.place]["required"].as_array().into_iter().flatten();
            for key in required.filter_map(Value::as_str) {
                let mut without = file.clone();
                let section = without.pointer_mut(&setting.pointer).unwrap().as_object_mut().unwrap();
                section.remove(key);
                let what = format!("{} without {key}", setting.path);
                let (error, line) = only_mistake(&without, &setting.path, dir.path(), &what);
                let dot = if setting.path.is_empty() { "" } else { "." };
                // What stands below is named where the section itself has no value of its own.
                let path = format!("{}{dot}{key}", setting.path);
                assert!(error.path.starts_with(&path) && error.reason == "is missing", "{what}: {error}");
                assert_eq!(error.line, Some(line), "{what}: {error}");
                let last = error.path.rsplit('.').next().unwrap();
                assert!(error.remedy.starts_with(&format!("write {last}: ")), "{what}: {error}");
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "only {tried} keys were left out");
}

/// Sizes, durations and counts for which the least or the most that can be typed makes sense: nothing stays hot, everything is kept, nothing is cached.
const WITHOUT_BOUND: [(&str, &str); 12] = [
    ("limits.accept_rate", "most"),
    ("limits.connections", "most"),
    ("limits.in_flight_bytes", "most"),
    ("tiering.cache.disk.bytes", "least"),
    ("tiering.cache.disk.bytes", "most"),
    ("tiering.cache.memory", "least"),
    ("tiering.cache.memory", "most"),
    ("tiering.topics[].hot.bytes", "least"),
    ("tiering.topics[].hot.time", "least"),
    ("tiering.topics[].retain.bytes", "most"),
    ("tiering.topics[].retain.time", "most"),
    ("tiering.upload_rate", "most"),
];

#[test]
fn the_least_and_the_most_that_can_be_typed_are_refused_or_are_known_to_make_sense() {
    let (dir, places) = (folder(), places());
    let mut open = BTreeSet::new();
    for file in files() {
        for setting in settings(&file, &places) {
            let at = &places[&setting.place];
            let ends = match (at[KIND].as_str(), type_of(at)) {
                (Some("size"), _) => [json!(0), json!(u64::MAX)],
                (Some("duration"), _) => [json!("0s"), json!("18446744073709551615ms")],
                (None, Some("integer")) => [json!(0), json!(u32::MAX)],
                _ => continue,
            };
            for (end, value) in ["least", "most"].into_iter().zip(ends) {
                let mut file = file.clone();
                *file.pointer_mut(&setting.pointer).unwrap() = value.clone();
                let spread = Spread::of(&file);
                match parse_at(&spread.text, dir.path()) {
                    Ok(_) => {
                        open.insert((setting.place.clone(), end));
                    }
                    Err(Errors(errors)) => {
                        let [error] = &errors[..] else { panic!("{} = {value}: {errors:#?}", setting.path) };
                        // More hot than is kept at all is a mistake of what is kept.
                        let named = setting.path.rsplit('.').take(2).collect::<Vec<_>>();
                        let other = error.reason.contains(&format!("{}.{}", named[1], named[0]));
                        assert!(error.path == setting.path || other, "{} = {value}: {error}", setting.path);
                        assert_eq!(error.line, Some(spread.line(&error.path)), "{error}");
                        assert!(!error.remedy.is_empty(), "{error}");
                    }
                }
            }
        }
    }
    let known = WITHOUT_BOUND.iter().map(|(place, end)| ((*place).to_owned(), *end)).collect();
    assert_eq!(open, known, "a bound, or a place in the list");
}
