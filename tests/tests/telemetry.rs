//! What a gateway tells an OpenTelemetry collector, and that a collector that takes nothing harms nobody.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use kafka::api;
use serde_json::{Value, json};
use tidegate_tests::certs::Authority;
use tidegate_tests::collector::{Attributes, Collector, Span};
use tidegate_tests::gateway::{Site, Sites};
use tidegate_tests::ports::Ports;
use tidegate_tests::raw::Raw;
use tidegate_tests::{Cluster, Gateway, Java, wait};

/// For whatever is no promise about time.
const PATIENCE: Duration = Duration::from_secs(90);
const ZONES: [&str; 2] = ["az1", "az2"];
const SECRET: &str = "Bearer nobody-may-see-this";

/// Two zones with a broker each, and a topic that is led in the second and has a replica in the first.
fn cluster() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
        let cluster = Cluster::builder().brokers(2).racks(ZONES).start().unwrap();
        Java::resident().unwrap().admin(&cluster.bootstrap()).create_topic_on("t", &[&[2, 1]]).unwrap();
        cluster
    });
    &SHARED
}

fn file(site: &Site, otlp: &str) -> String {
    let upstream = format!("cluster:\n  bootstrap: [{}]", cluster().bootstrap().replace(',', ", "));
    site.yaml(&upstream, &[], "", &format!("telemetry: {{otlp: {{{otlp}}}}}"))
}

/// Writes records through a gateway and reads them back, with a real client.
fn write_and_read(site: &Site, group: &str) {
    let java = Java::resident().unwrap();
    let producer =
        java.producer(json!({"bootstrap.servers": site.address(), "client.id": "writer"})).unwrap();
    let sent = producer.send(json!({"topic": "t", "partition": 0, "count": 500, "size": 100})).unwrap();
    assert!(sent.iter().all(Result::is_ok));
    let props = json!({
        "bootstrap.servers": site.address(), "client.id": "reader,zone=az1", "group.id": group, "auto.offset.reset": "earliest",
    });
    let consumer = java.subscribe(props, &["t"]).unwrap();
    consumer.records(500, PATIENCE).unwrap();
    consumer.close().unwrap();
}

fn until(what: &str, mut look: impl FnMut() -> bool) {
    wait::until_true(what, PATIENCE, || Ok(look())).unwrap();
}

fn reload(gateway: &mut Gateway, yaml: &str) {
    let applied = |gateway: &Gateway| {
        gateway.metrics().map(|m| m.sum("tidegate_reloads_total", &[("outcome", "applied")])).unwrap()
    };
    let before = applied(gateway);
    gateway.reload(yaml).unwrap();
    until("the file to be taken over", || applied(gateway) > before);
}

/// The requests among these spans: those that are part of no other.
fn requests<'a>(spans: &'a [Span], api: &str) -> Vec<&'a Span> {
    spans.iter().filter(|s| s.parent.is_empty() && s.name == api).collect()
}

fn says(span: &Span, key: &str) -> String {
    span.attributes.get(key).cloned().unwrap_or_default()
}

/// The names of a request's steps.
fn steps(spans: &[Span], request: &Span) -> BTreeSet<String> {
    spans.iter().filter(|s| s.parent == request.id).map(|s| s.name.clone()).collect()
}

#[test]
fn spans_and_metrics_arrive_over_tls_as_the_gateway_sees_them_and_secrets_show_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path()).unwrap();
    let identity = authority.issue("collector", &["127.0.0.1".to_owned()]).unwrap();
    let mut ports = Ports::lease().unwrap();
    let collector = Collector::start(ports.one().unwrap(), Some(&identity)).unwrap();
    let sites = Sites::of(cluster(), &["az1"]).unwrap();
    let site = &sites.all[0];
    let yaml = |traces: &str| {
        let (at, ca) = (collector.address(), authority.ca());
        let otlp = "headers: {authorization: {env: OTLP_TOKEN}}, interval: 1s";
        file(site, &format!("endpoint: 'https://{at}', ca: {}, {otlp}, traces: {traces}", ca.display()))
    };
    let mut gateway = Gateway::start_with(&yaml("{ratio: 1}"), &[("OTLP_TOKEN", SECRET)]).unwrap();
    write_and_read(site, "first");

    // Everything was traced: what the client did, and what became of it.
    let hinted = |spans: &[Span]| {
        let fetches = requests(spans, "Fetch");
        fetches.iter().any(|s| says(s, "tidegate.decision") == "hint")
            && fetches.iter().any(|s| says(s, "tidegate.served.reason") == "follower")
    };
    until("a hint and a fetch from the follower to be traced", || hinted(&collector.spans()));
    let spans = collector.spans();
    for (api, decision) in [
        ("Metadata", "rewrite"),
        ("FindCoordinator", "rewrite"),
        ("Produce", "rewrite"),
        ("ApiVersions", "rewrite"),
    ] {
        let found = requests(&spans, api);
        assert!(found.iter().any(|s| says(s, "tidegate.decision") == decision), "{api}: {found:#?}");
    }
    let hint =
        requests(&spans, "Fetch").into_iter().find(|s| says(s, "tidegate.decision") == "hint").unwrap();
    let said = [
        ("messaging.system", "kafka"),
        ("messaging.operation.type", "receive"),
        ("tidegate.api", "Fetch"),
        ("tidegate.client.zone", "az1"),
        ("tidegate.gateway.zone", "az1"),
        ("tidegate.broker.id", "2"),
        ("tidegate.broker.zone", "az2"),
        ("tidegate.listener", "clients"),
        ("tidegate.served.from", "in_zone"),
        ("tidegate.served.reason", "hinted"),
    ];
    said.iter().for_each(|(key, value)| assert_eq!(says(hint, key), *value, "{key} of {hint:#?}"));
    for key in ["tidegate.api.version", "tidegate.request.bytes", "tidegate.answer.bytes"] {
        assert!(says(hint, key).parse::<u32>().unwrap() > 0, "{key} of {hint:#?}");
    }
    let took = steps(&spans, hint);
    assert!(["plan", "ask", "reply"].iter().all(|step| took.contains(*step)), "{took:?}");
    let asked = spans.iter().find(|s| s.parent == hint.id && s.name == "ask").unwrap();
    assert_eq!((says(asked, "tidegate.broker.id"), &asked.trace), ("2".to_owned(), &hint.trace));
    assert!(spans.iter().all(|s| !s.backwards), "time goes on");
    let produced = requests(&spans, "Produce");
    assert!(produced.iter().all(|s| !s.failed && steps(&spans, s).contains("ask")), "{produced:#?}");
    let names =
        |key: &str, value: &str| collector.resources().iter().all(|r| r.get(key).is_some_and(|v| v == value));
    assert!(names("service.name", "tidegate") && names("service.instance.id", &site.id));
    assert!(!spans.iter().any(|s| format!("{s:?}").contains("writer")), "no client is named");

    // The same numbers as /metrics, name by name.
    for (name, scraped) in [
        ("tidegate_relayed_bytes", "tidegate_relayed_bytes_total"),
        ("tidegate_fetch_served", "tidegate_fetch_served_total"),
        ("tidegate_brokers", "tidegate_brokers"),
        ("tidegate_limit_max", "tidegate_limit_max"),
    ] {
        until(&format!("{name} to be what /metrics shows"), || {
            same(&gateway, scraped, collector.values(name))
        });
    }

    // None, from one request to the next; all again, with who asks.
    reload(&mut gateway, &yaml("{ratio: 0}"));
    let mut raw = Raw::connect(site.address()).unwrap();
    let untraced = requests(&collector.spans(), "ListOffsets").len();
    let list_offsets = (-1i32).to_be_bytes().iter().chain(&0i32.to_be_bytes()).copied().collect::<Vec<_>>();
    (0..200).for_each(|_| drop(raw.call(1, api::LIST_OFFSETS, 1, &list_offsets).unwrap()));
    reload(&mut gateway, &yaml("{ratio: 1, client_ids: true}"));
    // One thing after another: when this one is there, whatever came before it would be.
    raw.call(1, api::METADATA, 1, &0i32.to_be_bytes()).unwrap();
    let named = |s: &&Span| says(s, "messaging.client.id") == "raw";
    until("a request to be traced again", || requests(&collector.spans(), "Metadata").iter().any(named));
    assert_eq!(requests(&collector.spans(), "ListOffsets").len(), untraced, "traced at a ratio of 0");

    assert!(collector.headers().iter().all(|h| h.get("authorization").is_some_and(|v| v == SECRET)));
    let shown = [gateway.log().unwrap(), gateway.status().unwrap().to_string()].concat();
    assert!(!shown.contains("nobody-may-see-this"), "{shown}");

    // A gateway that ends sends what it has. Nobody is connected and no other lives, so its drain is over at once.
    raw.call(1, api::LIST_OFFSETS, 1, &list_offsets).unwrap();
    drop(raw);
    assert_eq!(gateway.stop().unwrap(), Some(0));
    assert_eq!(requests(&collector.spans(), "ListOffsets").len(), untraced + 1, "the last words");
    let draining = collector.values("tidegate_draining");
    assert_eq!(draining.iter().map(|(_, v)| *v).collect::<Vec<_>>(), [1.0], "and its last numbers");
}

/// Whether a collector has the very values that `/metrics` shows.
fn same(gateway: &Gateway, scraped: &str, mut sent: Vec<(Attributes, f64)>) -> bool {
    let metrics = gateway.metrics().unwrap();
    let of = metrics.0.into_iter().filter(|s| s.name == scraped);
    let mut here: Vec<_> = of.map(|s| (s.labels, s.value)).collect();
    here.sort_by(|a, b| a.0.cmp(&b.0));
    sent.sort_by(|a, b| a.0.cmp(&b.0));
    !here.is_empty() && here == sent
}

#[test]
fn a_collector_that_is_away_or_refuses_costs_spans_that_are_counted_and_nothing_else() {
    let mut ports = Ports::lease().unwrap();
    let port = ports.one().unwrap();
    let sites = Sites::of(cluster(), &["az1"]).unwrap();
    let site = &sites.all[0];
    let yaml =
        file(site, &format!("endpoint: 'http://127.0.0.1:{port}', interval: 1s, traces: {{ratio: 1}}"));
    let gateway = Gateway::start_logging_json(&yaml).unwrap();
    let sum = |name: &str, labels: &[(&str, &str)]| gateway.metrics().unwrap().sum(name, labels);
    let dropped = || sum("tidegate_telemetry_dropped_spans_total", &[("reason", "collector")]);
    let failed =
        |signal: &str| sum("tidegate_telemetry_exports_total", &[("signal", signal), ("outcome", "failed")]);

    // Nobody is there.
    write_and_read(site, "away");
    until("what nobody took to be counted", || {
        dropped() > 0.0 && failed("traces") > 0.0 && failed("metrics") > 1.0
    });

    // Somebody is, and refuses.
    let (before, by_then) = (dropped(), failed("metrics"));
    let collector = Collector::answering(port, None, 503).unwrap();
    write_and_read(site, "refused");
    until("what was refused to be counted", || {
        collector.refused() > 0 && dropped() > before && failed("metrics") > by_then
    });
    assert!(collector.spans().is_empty());

    // And takes it in the end.
    collector.answer(200);
    write_and_read(site, "taken");
    until("spans and metrics to arrive", || {
        !requests(&collector.spans(), "Produce").is_empty()
            && !collector.values("tidegate_connections").is_empty()
    });
    let says = |text: &str| said(&gateway, text);
    until("both to be news", || says("takes it again").len() == 2);
    let down = says("does not take it");
    assert_eq!(down.len(), 2, "one line for each signal, however many requests failed: {down:#?}");
    assert!(down.iter().all(|l| l["fields"]["endpoint"] == format!("http://127.0.0.1:{port}").as_str()));
    assert!(down.iter().all(|l| l["fields"]["error"].as_str().unwrap().contains("refused")), "{down:#?}");
}

/// The log lines whose message has this in it. Every line must be one JSON object with the same keys.
fn said(gateway: &Gateway, text: &str) -> Vec<Value> {
    let log = gateway.log().unwrap();
    // The last line may still be being written.
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    let lines = whole
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{line}: {e}")));
    let lines: Vec<_> = lines.collect();
    for line in &lines {
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "{key} of {line}");
        }
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    lines.into_iter().filter(|l| l["fields"]["message"].as_str().unwrap().contains(text)).collect()
}
