//! Metrics of a running gateway against those that dashboards, alerts and docs name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::certs::Authority;
use tidegate_tests::gateway::{Fleet, Metrics};
use tidegate_tests::{Cluster, Java, wait};

use super::named::{self, Matcher};
use super::{at, read, yaml};

const LIMIT: Duration = Duration::from_secs(90);
/// What Prometheus and our own rules add to the gateway's labels.
const ADDED: [&str; 3] = ["instance", "job", "z"];
/// Labels of which every value that an expression names must have been seen. Others need faults to be seen.
const EVERYDAY: [&str; 3] = ["api", "direction", "layer"];

/// Every expression in the dashboard and in the rules.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(at("deploy/grafana/tidegate.json"))).unwrap();
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    yaml(at("deploy/prometheus/alerts.yaml")).iter().for_each(|rules| collect(rules, &mut found));
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
        Value::Object(all) => all.iter().for_each(|(key, one)| match one.as_str() {
            Some(text) if ["expr", "query", "definition"].contains(&key.as_str()) => {
                found.push(text.to_owned())
            }
            _ => collect(one, found),
        }),
        _ => {}
    }
}

/// Every metric that somebody is told of.
fn named() -> BTreeSet<String> {
    let pages = [
        "README.md",
        "docs/operations.md",
        "docs/tiering.md",
        "docs/steering.md",
        "docs/ledger.md",
        "docs/configuration.md",
    ];
    let texts = pages.map(|page| read(at(page)));
    texts.iter().chain(&expressions()).flat_map(|text| named::metrics(text)).collect()
}

/// Metrics with their labels and values.
type Seen = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn seen(metrics: &Metrics) -> Seen {
    let mut seen = Seen::new();
    for sample in &metrics.0 {
        let labels = seen.entry(sample.name.clone()).or_default();
        sample.labels.iter().for_each(|(k, v)| {
            labels.entry(k.clone()).or_default().insert(v.clone());
        });
    }
    seen
}

/// What one gateway exposes once it has relayed, steered, refused, tiered and read back.
fn exposed(wanted: &BTreeSet<String>) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let tiering =
        "tiering:\n  topics: [{match: \"orders.*\", hot: {time: 1s}}]\n  segment: {bytes: 1MiB, age: 1s}\n";
    // A file of certificates, whose end is shown; nobody listens there.
    let authorities = tempfile::tempdir().unwrap();
    let ca = Authority::new(authorities.path()).unwrap().ca();
    let sections = format!(
        "store: {{dir: {}}}\n{tiering}telemetry: {{otlp: {{endpoint: 'https://127.0.0.1:1', ca: {}}}}}\n",
        dir.path().display(),
        ca.display()
    );
    let cluster = Cluster::builder().brokers(1).racks(["az1"]).start().unwrap();
    let mut fleet = Fleet::start(&cluster, &["az1"], &sections).unwrap();
    let (java, through) = (Java::resident().unwrap(), fleet.sites()[0].address());
    java.admin(&cluster.bootstrap()).create_topic_on("orders.eu", &[&[1]]).unwrap();
    let producer = java.producer(json!({"bootstrap.servers": through})).unwrap();
    let consumer = json!({"bootstrap.servers": through, "group.id": "g", "auto.offset.reset": "earliest"});
    let _consumer = java.subscribe(consumer, &["orders.eu"]).unwrap();
    let mut now = Seen::new();
    let all_there = wait::until_true("every metric", LIMIT, || {
        let acks = producer.send(json!({"topic": "orders.eu", "partition": 0, "count": 50, "size": 1000}))?;
        assert!(acks.iter().all(Result::is_ok));
        TcpStream::connect(&through)?.write_all(b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n")?;
        now = seen(&fleet.gateways()[0].metrics()?);
        Ok(wanted.iter().all(|name| now.contains_key(name)))
    });
    println!("{all_there:?}; {} metrics exposed, {} named", now.len(), wanted.len());
    now
}

#[test]
fn every_metric_and_label_that_a_dashboard_an_alert_or_a_page_names_is_exposed_by_a_gateway() {
    let wanted = named();
    assert!(wanted.len() > 20, "{wanted:?}");
    let exposed = exposed(&wanted);
    let unknown: Vec<_> = wanted.iter().filter(|name| !exposed.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "named, but not exposed: {unknown:?}");

    let expressions = expressions();
    let wrong: BTreeSet<_> =
        expressions.iter().flat_map(|e| named::matchers(e)).filter(|m| !fits(m, &exposed)).collect();
    assert!(wrong.is_empty(), "labels or values that no metric has: {wrong:#?}");

    let labels: BTreeSet<_> =
        exposed.values().flat_map(|labels| labels.keys().map(String::as_str)).chain(ADDED).collect();
    let groupings = expressions.iter().flat_map(|e| named::groupings(e));
    let wrong: BTreeSet<_> = groupings.filter(|label| !labels.contains(label.as_str())).collect();
    assert!(wrong.is_empty(), "grouped by labels that no metric has: {wrong:?}");
}

fn fits(matcher: &Matcher, exposed: &Seen) -> bool {
    if ADDED.contains(&matcher.label.as_str()) {
        return true;
    }
    let Some(values) = exposed.get(&matcher.metric).and_then(|labels| labels.get(&matcher.label)) else {
        return false;
    };
    let everyday = EVERYDAY.contains(&matcher.label.as_str());
    matcher.value.as_ref().is_none_or(|value| !everyday || values.contains(value))
}
