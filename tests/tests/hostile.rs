//! Hostile bytes harm nobody: the connection that sends them is closed and counted, the process stays up and
//! small, and other clients notice nothing.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use kafka::api;
use kafka::wire::put_string;
use serde_json::json;
use tidegate_tests::java::Producer;
use tidegate_tests::random::Random;
use tidegate_tests::raw::{Raw, request};
use tidegate_tests::schema::Schemas;
use tidegate_tests::transparency::{Ask, Scene, listed};
use tidegate_tests::{Cluster, Fleet, Java};

/// How long a connection may outlive the hostile bytes on it.
const CLOSE_LIMIT: Duration = Duration::from_secs(15);

/// How much memory an attack may cost, in bytes.
const GROWTH_MAX: u64 = 64 << 20;

struct Stage {
    cluster: Cluster,
    fleet: Fleet,
    witness: Producer,
    sent: i64,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::builder().property("auto.create.topics.enable", "false").start().unwrap();
        let fleet = Fleet::single(&cluster).unwrap();
        let java = Java::resident().unwrap();
        java.admin(&cluster.bootstrap()).create_topic("witness", 1, 1).unwrap();
        let witness = java.producer(json!({"bootstrap.servers": fleet.sites()[0].address()})).unwrap();
        let mut stage = Self { cluster, fleet, witness, sent: 0 };
        stage.others_are_unharmed();
        stage
    }

    /// A client that was there before still writes, in order and on its first connection.
    fn others_are_unharmed(&mut self) {
        let acks = self.witness.send(json!({"topic": "witness", "partition": 0, "count": 10})).unwrap();
        let wanted: Vec<_> = (self.sent..self.sent + 10).map(|offset| Ok((0, offset))).collect();
        assert_eq!(acks, wanted);
        self.sent += 10;
        assert!(self.fleet.gateways()[0].is_alive());
    }

    fn rejected(&mut self, reason: &str) -> f64 {
        self.fleet.metric("tidegate_rejected_total", &[("reason", reason)]).unwrap()
    }

    fn rss(&mut self) -> u64 {
        self.fleet.gateways()[0].process().rss_bytes().unwrap()
    }

    fn broker_endpoint(&self) -> String {
        self.fleet.sites()[0].broker_address(1).unwrap()
    }
}

/// A request's payload with its frame length.
fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes(), payload].concat()
}

/// The first bytes of a Fetch v12 request up to its topics, with this header.
fn fetch(header: i16, topics: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1i32).to_be_bytes()); // replica
    body.extend([0; 8]); // wait, min bytes
    body.extend(1_000_000i32.to_be_bytes()); // max bytes
    body.push(0); // isolation
    body.extend(0i32.to_be_bytes()); // session
    body.extend((-1i32).to_be_bytes()); // epoch
    body.extend(topics);
    frame(&request(header, api::FETCH, 12, 1, "hostile", &body))
}

fn classes() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let mut long_client_id = Vec::new();
    long_client_id.extend([0, 3, 0, 12, 0, 0, 0, 1]);
    long_client_id.extend(30_000i16.to_be_bytes());
    long_client_id.extend(b"short");
    let mut client = Vec::new();
    put_string(&mut client, "hostile", false);
    vec![
        ("a length of 0", vec![0; 4], Some("frame_length")),
        ("a negative length", vec![0xff, 0xff, 0xff, 0xf0, 0, 3, 0, 12], Some("frame_length")),
        ("a length of 2 GiB", vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 12], Some("frame_length")),
        ("a frame shorter than a header", frame(&[0, 3, 0]), Some("frame_length")),
        ("a TLS hello", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7, 7, 7, 7, 7], Some("tls_on_plain")),
        ("HTTP", b"GET /metrics HTTP/1.1\r\nHost: kafka\r\n\r\n".to_vec(), Some("http")),
        ("a client id longer than its frame", frame(&long_client_id), Some("malformed")),
        // The broker's to refuse where we do not read the body; the connection ends all the same.
        ("a header of the wrong version", fetch(1, &[1, 1, 1, 0]), None),
        ("2^31 topics", frame(&request(1, api::METADATA, 1, 1, "hostile", &i32::MAX.to_be_bytes())), None),
        ("2^32 compact topics", fetch(2, &[0xff, 0xff, 0xff, 0xff, 0x0f]), None),
        ("an unterminated varint", fetch(2, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None),
        (
            "random bytes",
            [0, 0, 0, 40].into_iter().chain((0..40).map(|n: u8| n.wrapping_mul(37) ^ 0x5a)).collect(),
            None,
        ),
    ]
}

#[test]
fn every_class_of_hostile_bytes_is_closed_and_counted_and_harms_nobody() {
    let mut stage = Stage::new();
    let before = stage.rss();
    let addresses = [stage.fleet.sites()[0].address(), stage.broker_endpoint()];
    for (class, bytes, reason) in classes() {
        for address in &addresses {
            let counted = reason.map(|r| stage.rejected(r));
            let mut raw = Raw::connect(address).unwrap();
            raw.write(&bytes).unwrap();
            assert!(raw.closes_within(CLOSE_LIMIT).unwrap(), "{class}: still open");
            if let Some(counted) = counted {
                let reason = reason.unwrap();
                assert_eq!(stage.rejected(reason), counted + 1.0, "{class}: {reason}");
            }
        }
    }
    stage.others_are_unharmed();
    let growth = stage.rss().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes more");
    let lines = stage.fleet.gateways()[0].log().unwrap().matches("connection refused").count();
    assert!(lines >= 7, "only {lines} lines say why");
}

#[test]
fn truncated_frames_and_lengths_that_never_come_cost_nothing() {
    let mut stage = Stage::new();
    let before = stage.rss();
    let whole = fetch(2, &[1, 1, 1, 0]);
    for cut in 0..whole.len() {
        let mut raw = Raw::connect(stage.broker_endpoint()).unwrap();
        raw.write(&whole[..cut]).unwrap();
        raw.stream().shutdown(Shutdown::Write).unwrap();
        assert!(raw.closes_within(CLOSE_LIMIT).unwrap(), "cut at {cut}: still open");
    }
    // A hundred clients that announce 2 MiB each and send 64 bytes. (Not more: the broker itself allocates
    // what is announced, and dies of it.)
    let announced: Vec<Raw> = (0..100)
        .map(|_| {
            let mut raw = Raw::connect(stage.broker_endpoint()).unwrap();
            raw.write(&(2i32 << 20).to_be_bytes()).unwrap();
            raw.write(&request(1, api::PRODUCE, 8, 1, "hostile", &[0; 64])).unwrap();
            raw
        })
        .collect();
    stage.others_are_unharmed();
    let growth = stage.rss().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes more for announced lengths");
    drop(announced);
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let stage = Stage::new();
    let mut raw = Raw::connect(stage.broker_endpoint()).unwrap();
    for byte in frame(&request(1, api::METADATA, 1, 9, "slow", &0i32.to_be_bytes())) {
        raw.stream().write_all(&[byte]).unwrap();
        raw.stream().flush().unwrap();
    }
    assert!(raw.recv().unwrap().starts_with(&9i32.to_be_bytes()));
}

/// Changes, cuts or lengthens a frame in one to four places.
fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(frame.len().max(1));
        match random.below(6) {
            0 => frame.truncate(at),
            1 => frame.insert(at, random.number() as u8),
            2 => frame.iter_mut().skip(at).take(4).for_each(|b| *b = 0xff),
            3 => frame.iter_mut().skip(at).take(4).for_each(|b| *b = 0),
            _ => frame.iter_mut().skip(at).take(1).for_each(|b| *b = random.number() as u8),
        }
    }
}

#[test]
fn mutated_requests_of_every_api_we_read_harm_nobody() {
    let mut random = Random::from_env();
    let mut stage = Stage::new();
    let schemas = Schemas::of(stage.cluster.dist()).unwrap();
    let scene = Scene {
        topic: "no-such-topic".into(),
        topic_id: [7; 16],
        group: "no-such-group".into(),
        batch: vec![0; 80],
    };
    let read = |a: &Ask<'_>| api::lookup(a.key).is_some_and(|row| row.handling != api::Handling::Forward);
    let asks: Vec<Ask<'_>> =
        Ask::all(&schemas, &listed(&stage.broker_endpoint()).unwrap()).into_iter().filter(read).collect();
    assert!(asks.len() > 50, "only {} to mutate", asks.len());
    let before = stage.rss();
    for round in 0..1500 {
        let mut bytes = frame(&asks[random.below(asks.len())].payload(&scene).unwrap());
        mutate(&mut bytes, &mut random);
        let mut raw = Raw::connect(stage.broker_endpoint()).unwrap();
        // The other side may close before it has read everything.
        let _ = raw.stream().write_all(&bytes);
        let _ = raw.stream().shutdown(Shutdown::Write);
        assert!(raw.closes_within(CLOSE_LIMIT).unwrap(), "round {round}: still open after {bytes:?}");
    }
    stage.others_are_unharmed();
    let growth = stage.rss().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes more");
    let log = stage.fleet.gateways()[0].log().unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
