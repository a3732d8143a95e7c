//! SIGHUP and SIGTERM on a gateway before a real broker: what changes while it runs, what is refused, and how it ends.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use kafka::api;
use kafka::client::metadata::{self, Topics};
use kafka::client::{ClientTls, Connection, Dialer, Security, client_config};
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, encode};
use kafka::types::{LeaderEpoch, Offset, Partition};
use kafka::wire::Reader;
use tidegate_tests::certs::{Authority, Identity};
use tidegate_tests::gateway::{Site, Sites};
use tidegate_tests::raw::Raw;
use tidegate_tests::{Cluster, Gateway, Java, wait};

/// For whatever is no promise about time.
const PATIENCE: Duration = Duration::from_secs(60);

fn cluster() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
        let cluster = Cluster::builder().brokers(1).racks(["az1"]).start().unwrap();
        Java::resident().unwrap().admin(&cluster.bootstrap()).create_topic("t", 1, 1).unwrap();
        cluster
    });
    &SHARED
}

fn upstream() -> String {
    format!("cluster:\n  bootstrap: [{}]", cluster().bootstrap())
}

/// The file of `site` with another drain.
fn file(site: &Site, others: &[Site], drain: &str, listener: &str, sections: &str) -> String {
    let yaml = site.yaml(&upstream(), others, listener, sections);
    yaml.replacen("gateway: {", &format!("gateway: {{drain: {drain}, "), 1)
}

/// The host that a client on this connection is told for broker 1.
fn told(raw: &mut Raw) -> Result<String> {
    let answer = raw.call(1, api::METADATA, 1, &0i32.to_be_bytes())?;
    let mut reader = Reader::new(&answer);
    reader.i32()?;
    reader.array_len(false, 12)?;
    reader.i32()?;
    Ok(reader.string(false)?.to_owned())
}

fn reloads(gateway: &Gateway, outcome: &str) -> Result<f64> {
    Ok(gateway.metrics()?.sum("tidegate_reloads_total", &[("outcome", outcome)]))
}

/// Reloads with this file and waits until that has this outcome.
fn reload(gateway: &mut Gateway, yaml: &str, outcome: &str) {
    let before = reloads(gateway, outcome).unwrap();
    gateway.reload(yaml).unwrap();
    wait::until_true(&format!("a reload to be {outcome}"), PATIENCE, || {
        Ok(reloads(gateway, outcome)? > before)
    })
    .unwrap();
}

#[test]
fn a_reload_moves_clients_and_bounds_and_a_file_with_a_mistake_changes_nothing() {
    let sites = Sites::of(cluster(), &["az1", "az2"]).unwrap();
    let (first, second) = (&sites.all[0], &sites.all[1]);
    let of = |sections: &str| file(first, std::slice::from_ref(second), "5s", "", sections);
    let mut gateway = Gateway::start(&of("")).unwrap();
    let _other = Gateway::start(&file(second, std::slice::from_ref(first), "5s", "", "")).unwrap();
    let mut raw = Raw::connect(first.broker_address(1).unwrap()).unwrap();
    assert_eq!(told(&mut raw).unwrap(), first.host);

    // A changed rule moves a client, on the connection that it has.
    let az2 = "zones: {clients: [{cidr: {az2: [127.0.0.0/8]}}, gateway]}";
    reload(&mut gateway, &of(az2), "applied");
    // The other one may have been started after the last look at it.
    wait::until_true("the client to be told its new zone's gateway", PATIENCE, || {
        Ok(told(&mut raw)? == second.host)
    })
    .unwrap();

    // A lower bound keeps others out, and nobody who is in.
    reload(&mut gateway, &of(&format!("{az2}\nlimits: {{connections: 1}}")), "applied");
    let refused = |gateway: &Gateway| -> Result<f64> {
        let reason = [("reason", "too_many_connections")];
        gateway.metrics().map(|m| m.sum("tidegate_rejected_total", &reason))
    };
    assert_eq!(refused(&gateway).unwrap(), 0.0);
    let mut another = Raw::connect(first.broker_address(1).unwrap()).unwrap();
    assert!(another.closes_within(PATIENCE).unwrap());
    assert!(refused(&gateway).unwrap() > 0.0);
    assert_eq!(told(&mut raw).unwrap(), second.host);

    // A file with a mistake changes nothing at all.
    reload(&mut gateway, &of("limits: {connections: 0, idle: 1h}"), "refused");
    assert_eq!(told(&mut raw).unwrap(), second.host, "the rule before it still counts");
    assert!(gateway.log().unwrap().contains("limits.connections: 0 is out of range"));

    // What can't change is named, and the rest of the file counts.
    let elsewhere = of(&format!("{az2}\nlimits: {{connections: 9}}")).replacen(
        "bootstrap: [",
        "bootstrap: [\"127.0.0.1:1\", ",
        1,
    );
    reload(&mut gateway, &elsewhere, "applied");
    let life = gateway.status().unwrap()["life"].clone();
    assert_eq!(life["needs_restart"], serde_json::json!(["cluster"]));
    assert!(gateway.log().unwrap().contains("sections=[\"cluster\"]"));
    let mut another = Raw::connect(first.broker_address(1).unwrap()).unwrap();
    wait::until_true("the raised bound to let somebody in", PATIENCE, || {
        Ok(told(&mut another)? == second.host)
    })
    .unwrap();
}

fn dialer(ca: &Path) -> Dialer {
    let config = client_config(Some(ca), None, None).unwrap();
    Dialer {
        security: Security { tls: Some(ClientTls::new(config, Some("gw.test")).unwrap()), sasl: None },
        client_id: "test".to_owned(),
        connect_timeout: Duration::from_secs(10),
        call_timeout: Duration::from_secs(20),
    }
}

/// Puts another's certificate and key where those of `to` are, by renaming, as those do who renew certificates.
fn replace(to: &Identity, by: &Identity) {
    fs::rename(&by.cert, &to.cert).unwrap();
    fs::rename(&by.key, &to.key).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_to_new_connections_and_those_that_are_open_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let authority = |name: &str| {
        let dir = dir.path().join(name);
        fs::create_dir(&dir).unwrap();
        Authority::new(&dir).unwrap()
    };
    let (old, new) = (authority("old"), authority("new"));
    let names = ["gw.test".to_owned()];
    let identity = old.issue("gateway", &names).unwrap();
    let sites = Sites::of(cluster(), &["az1"]).unwrap();
    let site = &sites.all[0];
    let listener = format!("tls: {{cert: {}, key: {}}}", identity.cert.display(), identity.key.display());
    let mut gateway = Gateway::start(&file(site, &[], "5s", &listener, "")).unwrap();
    let connect = async |authority: &Authority| {
        Connection::connect(&dialer(&authority.ca()), &site.host, site.bootstrap).await
    };
    let mut open = connect(&old).await.unwrap();
    assert!(connect(&new).await.is_err(), "not yet");

    let (shown, end) = (identity.cert.display().to_string(), Duration::from_secs(4_000_000_000));
    let ends = |gateway: &Gateway| {
        let metrics = gateway.metrics().unwrap();
        metrics.sum("tidegate_certificate_expiry_timestamp_seconds", &[("file", &shown)])
    };
    assert!(ends(&gateway) > end.as_secs_f64(), "{}", ends(&gateway));
    replace(&identity, &new.issue_until(SystemTime::UNIX_EPOCH + end, "gateway", &names).unwrap());
    let renewed = || Ok(reloads(&gateway, "renewed")? > 0.0);
    wait::until_true("the certificate to be renewed without any signal", PATIENCE, renewed).unwrap();
    assert_eq!(ends(&gateway), end.as_secs_f64());
    let mut fresh = connect(&new).await.unwrap();
    assert!(connect(&old).await.is_err(), "the old certificate is served no more");
    for connection in [&mut open, &mut fresh] {
        metadata::fetch(connection, Topics::None).await.unwrap();
    }

    // Half of a pair fits nothing: what was there stays, until the other half is there, too.
    let third = old.issue("third", &names).unwrap();
    fs::rename(&third.cert, &identity.cert).unwrap();
    let refused = || Ok(reloads(&gateway, "renewal_refused")? > 0.0);
    wait::until_true("half a pair to be refused", PATIENCE, refused).unwrap();
    connect(&new).await.unwrap();
    fs::rename(&third.key, &identity.key).unwrap();
    let whole = reloads(&gateway, "renewed").unwrap() + reloads(&gateway, "applied").unwrap();
    // A signal does it, too, unless the look every two seconds comes first.
    gateway.reload(&file(site, &[], "5s", &listener, "")).unwrap();
    wait::until_true("the other half to be read", PATIENCE, || {
        Ok(reloads(&gateway, "renewed")? + reloads(&gateway, "applied")? > whole)
    })
    .unwrap();
    connect(&old).await.unwrap();
    metadata::fetch(&mut open, Topics::None).await.unwrap();
}

/// A connection with a Fetch under way that the broker answers in a minute.
fn parked(site: &Site) -> Raw {
    let mut raw = Raw::connect(site.broker_address(1).unwrap()).unwrap();
    told(&mut raw).unwrap();
    let ask = Ask {
        version: 11,
        correlation_id: 7,
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation_level: 0,
    };
    let partition =
        FetchPartition::new(TopicRef::Name("t"), Partition(0), Offset(0), LeaderEpoch(-1), 1 << 20);
    raw.write(&encode(ask, "parked", &[&partition])).unwrap();
    raw
}

/// Bytes of a Fetch have gone to the broker.
fn wait_parked(gateway: &Gateway) {
    let sent = || {
        let labels = [("direction", "gateway_to_broker"), ("api", "Fetch")];
        Ok(gateway.metrics()?.sum("tidegate_relayed_bytes_total", &labels) > 0.0)
    };
    wait::until_true("the fetch to be under way", PATIENCE, sent).unwrap();
}

#[test]
fn what_is_still_under_way_when_the_drain_is_over_is_cut_and_counted() {
    let sites = Sites::of(cluster(), &["az1"]).unwrap();
    let mut gateway = Gateway::start(&file(&sites.all[0], &[], "2s", "", "")).unwrap();
    let mut idle = Raw::connect(sites.all[0].broker_address(1).unwrap()).unwrap();
    told(&mut idle).unwrap();
    let mut busy = parked(&sites.all[0]);
    wait_parked(&gateway);
    let began = Instant::now();
    gateway.terminate().unwrap();
    assert!(idle.closes_within(PATIENCE).unwrap());
    drop(idle);
    assert_eq!(gateway.wait_stopped().unwrap(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(2), "the fetch was given its time");
    assert!(busy.closes_within(PATIENCE).unwrap());
    assert_eq!(gateway.last_words().unwrap(), (1, 1));
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let sites = Sites::of(cluster(), &["az1"]).unwrap();
    let mut gateway = Gateway::start(&file(&sites.all[0], &[], "1h", "", "")).unwrap();
    let mut busy = parked(&sites.all[0]);
    wait_parked(&gateway);
    gateway.terminate().unwrap();
    wait::until_true("the drain to begin", PATIENCE, || Ok(!gateway.readyz()?.0)).unwrap();
    gateway.terminate().unwrap();
    assert_eq!(gateway.wait_stopped().unwrap(), Some(0));
    assert!(busy.closes_within(PATIENCE).unwrap());
    assert_eq!(gateway.last_words().unwrap(), (0, 1));
}
