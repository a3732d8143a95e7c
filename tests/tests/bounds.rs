//! What one gateway takes on is bounded, on real connections: whoever meets a bound is counted under its name and written to the log, and what only
//! has to wait loses nothing. The table of all bounds, and of what shows them, is in docs/operations.md; the others are in `entrance.rs` and `hostile.rs`.

#![allow(missing_docs, clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use kafka::api;
use kafka::fetch::answer::Answer;
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, encode};
use kafka::types::{LeaderEpoch, Offset, Partition};
use serde_json::json;
use tidegate_tests::certs::Authority;
use tidegate_tests::raw::Raw;
use tidegate_tests::{Cluster, Fleet, Java, http, wait};

/// How long anything may take that goes at its own pace.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a gateway waits for another one's answer to `/readyz`.
const PROBE: Duration = Duration::from_secs(1);
const VERSION: i16 = 11;
/// Led by broker 1 in az1, with a copy on broker 2 in az2.
const TOPIC: &str = "large";
const MIB: i32 = 1 << 20;

fn cluster() -> &'static Cluster {
    static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
        let cluster = Cluster::builder().brokers(2).racks(["az1", "az2"]).voters(1).start().unwrap();
        let java = Java::resident().unwrap();
        java.admin(&cluster.bootstrap()).create_topic_on(TOPIC, &[&[1, 2]]).unwrap();
        let producer = java.producer(json!({"bootstrap.servers": cluster.bootstrap()})).unwrap();
        let records = json!({"topic": TOPIC, "partition": 0, "count": 2_000, "size": 1_000});
        assert!(producer.send(records).unwrap().iter().all(Result::is_ok));
        cluster
    });
    &SHARED
}

/// A gateway in each of `zones`; `listener` and `sections` as in [`Fleet::start_with`]. Everyday ends of connections are in its log.
fn fleet(zones: &[&str], listener: &str, sections: &str) -> Fleet {
    let upstream = format!("cluster:\n  bootstrap: [{}]", cluster().bootstrap().replace(',', ", "));
    let verbose = [("RUST_LOG", "info,tidegate_proxy=debug")];
    Fleet::launch(cluster(), zones, (&upstream, listener, sections), &verbose).unwrap()
}

/// Waits until it is counted under `reason`, and for a line in the log that says `line`.
fn is_counted_and_logged(fleet: &mut Fleet, reason: &str, line: &str) {
    wait::until_true(&format!("{reason} to be counted"), PATIENCE, || {
        Ok(fleet.metric("tidegate_rejected_total", &[("reason", reason)])? >= 1.0)
    })
    .unwrap();
    let log = fleet.gateways()[0].log().unwrap();
    assert!(log.contains(line), "{reason}: no line has {line:?} in\n{log}");
}

fn is_answered(raw: &mut Raw) -> bool {
    raw.call(1, api::API_VERSIONS, 0, &[]).is_ok()
}

/// A Fetch of the topic's beginning as a client of this zone, as a frame.
fn fetch(zone: &str, correlation_id: i32, max_bytes: i32) -> Vec<u8> {
    let ask = Ask {
        version: VERSION,
        correlation_id,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes,
        isolation_level: 0,
    };
    let part =
        FetchPartition::new(TopicRef::Name(TOPIC), Partition(0), Offset(0), LeaderEpoch(-1), max_bytes);
    encode(ask, &format!("app,zone={zone}"), &[&part])
}

/// The records of the one partition in an answer, and where the client is pointed to (-1: nowhere).
fn records(payload: &[u8], correlation_id: i32) -> (Vec<u8>, i32) {
    assert!(payload.starts_with(&correlation_id.to_be_bytes()), "an answer to another request");
    let answer = Answer::parse(payload, VERSION).unwrap();
    let [p] = &answer.partitions[..] else { panic!("{answer:?}") };
    assert_eq!(p.error, 0);
    (p.records.to_vec(), p.preferred_read_replica.0)
}

/// What the broker itself answers such a fetch with.
fn truth() -> Vec<u8> {
    let mut raw = Raw::connect(cluster().brokers()[0].address()).unwrap();
    raw.write(&fetch("az1", 1, MIB)).unwrap();
    let (truth, _) = records(&raw.recv().unwrap(), 1);
    assert!(truth.len() > MIB as usize - 50_000, "only {} bytes", truth.len());
    truth
}

#[test]
fn connections_beyond_either_bound_are_closed_and_those_within_go_on() {
    let mut fleet = fleet(&["az1"], "", "limits: {connections: 3, connections_per_ip: 2}\n");
    let address = fleet.sites()[0].address();
    let from = |host: u8| Raw::connect_from(IpAddr::from([127, 0, 0, host]), &address).unwrap();
    let mut held: Vec<_> = [31, 31, 32].map(from).into_iter().collect();
    assert!(held.iter_mut().all(is_answered));
    // Refused for the address first: with both bounds reached nothing would tell them apart.
    drop(held.pop());
    wait::until_true("room for one", PATIENCE, || Ok(fleet.metric("tidegate_connections", &[])? == 2.0))
        .unwrap();
    assert!(from(31).closes_within(PATIENCE).unwrap());
    is_counted_and_logged(
        &mut fleet,
        "too_many_connections_per_ip",
        "`limits.connections_per_ip` is reached",
    );
    held.push(from(32));
    assert!(held.iter_mut().all(is_answered), "whoever is in goes on");
    assert!(from(33).closes_within(PATIENCE).unwrap());
    is_counted_and_logged(&mut fleet, "too_many_connections", "`limits.connections` is reached");
    assert!(held.iter_mut().all(is_answered), "whoever is in goes on");
    drop(held);
    wait::until_true("room for a new one", PATIENCE, || Ok(is_answered(&mut from(33)))).unwrap();
}

#[test]
fn who_holds_the_admin_port_and_says_nothing_keeps_no_other_address_from_asking_whether_the_gateway_lives() {
    let mut fleet = fleet(&["az1"], "", "");
    let admin = fleet.gateways()[0].admin().to_owned();
    let hold = || Raw::connect_from(IpAddr::from([127, 0, 0, 31]), &admin).unwrap();
    let mut held: Vec<_> = (0..200).map(|_| hold()).collect();
    let asked = Instant::now();
    let answer = http::get_from(IpAddr::from([127, 0, 0, 32]), &admin, "/readyz").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(asked.elapsed() < PROBE, "another gateway would have given up: {:?}", asked.elapsed());
    is_counted_and_logged(&mut fleet, "admin_connections", "too many connections at once to the admin port");
    // Most at once, the others when they should have asked.
    assert!(held.iter_mut().all(|raw| raw.closes_within(PATIENCE).unwrap()));
    assert_eq!(http::get_from(IpAddr::from([127, 0, 0, 31]), &admin, "/readyz").unwrap().status, 200);
}

#[test]
fn who_begins_nothing_or_goes_on_with_nothing_is_given_up_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let own = Authority::new(dir.path()).unwrap().issue("gateway", &["localhost".into()]).unwrap();
    let tls = format!("tls: {{cert: {}, key: {}}}", own.cert.display(), own.key.display());
    let mut by_tls = fleet(&["az1"], &tls, "limits: {handshake: 1s}\n");
    let mut silent = Raw::connect(by_tls.sites()[0].address()).unwrap();
    assert!(silent.closes_within(PATIENCE).unwrap(), "a TLS handshake that never begins");
    is_counted_and_logged(&mut by_tls, "handshake_timeout", "no TLS handshake within `limits.handshake`");
    drop(by_tls);

    let mut plain = fleet(&["az1"], "", "limits: {handshake: 1s, idle: 1s}\n");
    let address = plain.sites()[0].address();
    let mut silent = Raw::connect(&address).unwrap();
    assert!(silent.closes_within(PATIENCE).unwrap(), "a request that never comes");
    is_counted_and_logged(&mut plain, "first_request_timeout", "no request within `limits.handshake`");
    let mut idle = Raw::connect(&address).unwrap();
    assert!(is_answered(&mut idle));
    assert!(idle.closes_within(PATIENCE).unwrap(), "a second request that never comes");
    is_counted_and_logged(&mut plain, "idle", "idle for `limits.idle`");
}

#[test]
fn frames_longer_than_the_limit_end_their_connection_either_way() {
    let mut fleet = fleet(&["az1"], "", "limits: {frame: 64KiB}\n");
    let address = fleet.sites()[0].broker_address(1).unwrap();
    let mut long = Raw::connect(&address).unwrap();
    long.write(&[&(65_537_i32).to_be_bytes()[..], &[0, 3, 0, 1, 0, 0, 0, 1]].concat()).unwrap();
    assert!(long.closes_within(PATIENCE).unwrap(), "a request of 64 KiB and one byte");
    is_counted_and_logged(&mut fleet, "frame_length", "more than `limits.frame`");
    let mut asks = Raw::connect(&address).unwrap();
    asks.write(&fetch("az1", 1, 40_000)).unwrap();
    let (within, _) = records(&asks.recv().unwrap(), 1);
    assert!(within.len() > 30_000, "an answer within the limit passes");
    asks.write(&fetch("az1", 2, MIB)).unwrap();
    assert!(asks.closes_within(PATIENCE).unwrap(), "an answer of 1 MiB");
    is_counted_and_logged(&mut fleet, "answer", "`limits.frame`");
}

#[test]
fn answers_beyond_the_room_for_them_wait_and_come_whole() {
    let truth = truth();
    let mut fleet = fleet(&["az1", "az2"], "", "limits: {frame: 2MiB, in_flight_bytes: 2MiB}\n");
    let address = fleet.sites()[0].broker_address(1).unwrap();
    let waited = AtomicBool::new(false);
    // In az2, at the endpoint of a broker in az1: pointed to az2 once, and served from there on its behalf since it doesn't follow.
    let reads = |read: &mut usize| {
        let mut raw = Raw::connect(&address).unwrap();
        for id in 1.. {
            raw.write(&fetch("az2", id, MIB)).unwrap();
            let (got, pointed) = records(&raw.recv().unwrap(), id);
            assert!(
                got == truth || pointed == 2 && got.is_empty(),
                "{} bytes, other than the log's",
                got.len()
            );
            *read += usize::from(!got.is_empty());
            if waited.load(Relaxed) && *read > 5 {
                break;
            }
        }
    };
    let mut read = [0; 12];
    thread::scope(|scope| {
        read.iter_mut().for_each(|read| drop(scope.spawn(|| reads(read))));
        let counted = wait::until_true("an answer to wait for room", PATIENCE, || {
            Ok(fleet.metric("tidegate_rejected_total", &[("reason", "in_flight_bytes")])? > 0.0)
        });
        waited.store(true, Relaxed);
        counted.unwrap();
    });
    assert!(read.iter().all(|n| *n > 5), "{read:?}");
    is_counted_and_logged(&mut fleet, "in_flight_bytes", "`limits.in_flight_bytes` is reached");
    assert!(fleet.metric("tidegate_fetch_served_total", &[("reason", "on_behalf")]).unwrap() > 12.0);
}

/// Clients that ask for much and take nothing, and how much each asks for.
const STALLED: usize = 100;
const ASKS: i32 = 32;
/// What each may hold in the gateway: one relay buffer.
const BUFFER: u64 = 256 << 10;
/// And what else the gateway may grow by meanwhile: tasks, sockets, what the allocator keeps.
const SLACK: u64 = 32 << 20;

#[test]
fn clients_that_take_nothing_hold_a_buffer_each_stop_reads_from_brokers_and_miss_nothing_later() {
    let truth = truth();
    let mut fleet = fleet(&["az1"], "", "");
    let address = fleet.sites()[0].broker_address(1).unwrap();
    let mut witness = Raw::connect(&address).unwrap();
    assert!(is_answered(&mut witness));
    let before = fleet.gateways()[0].process().rss_bytes().unwrap();
    let asks: Vec<u8> = (1..=ASKS).flat_map(|id| fetch("az1", id, MIB)).collect();
    let mut stalled: Vec<Raw> = (0..STALLED)
        .map(|_| {
            let mut raw = Raw::connect(&address).unwrap();
            raw.write(&asks).unwrap();
            raw
        })
        .collect();
    let from_brokers = |fleet: &mut Fleet| {
        fleet.metric("tidegate_relayed_bytes_total", &[("direction", "broker_to_gateway"), ("api", "Fetch")])
    };
    // Reads stop: nothing more comes from brokers for some looks in a row.
    let (mut last, mut quiet) = (0.0, 0);
    wait::until_true("reads from brokers to stop", PATIENCE, || {
        let now = from_brokers(&mut fleet)?;
        quiet = if now == last && now > 0.0 { quiet + 1 } else { 0 };
        last = now;
        Ok(quiet >= 20)
    })
    .unwrap();
    let asked = STALLED as f64 * f64::from(ASKS) * truth.len() as f64;
    println!("{:.0} MB of {:.0} MB were read from brokers", last / 1e6, asked / 1e6);
    assert!(last < asked / 2.0, "nothing stalled: the sockets took it all");
    let growth = fleet.gateways()[0].process().rss_bytes().unwrap().saturating_sub(before);
    println!("{STALLED} stalled clients cost {} KiB each", growth / 1024 / STALLED as u64);
    assert!(growth < STALLED as u64 * BUFFER + SLACK, "{growth} bytes more for {STALLED} stalled clients");
    assert!(is_answered(&mut witness), "others go on");
    // What was stalled is all there once it is taken.
    for raw in stalled.iter_mut().take(3) {
        for id in 1..=ASKS {
            let (got, _) = records(&raw.recv().unwrap(), id);
            assert!(got == truth, "answer {id}: {} bytes, other than the log's", got.len());
        }
    }
    let growth = fleet.gateways()[0].process().rss_bytes().unwrap().saturating_sub(before);
    assert!(growth < STALLED as u64 * BUFFER + SLACK, "{growth} bytes more after some were served");
}
