//! Whatever a store and its network do, each record is read once, in order and as it was written, and nothing has to be restarted.

#![allow(missing_docs, clippy::unwrap_used)]

use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tidegate_tests::gateway::{Fleet, binary_path};
use tidegate_tests::java::Consumer;
use tidegate_tests::s3::{Fault, Faults, Maker, Server};
use tidegate_tests::truth::Asker;
use tidegate_tests::{Cluster, Java, wait};

const LIMIT: Duration = Duration::from_secs(90);
const EARLIEST_PENDING_UPLOAD: i64 = -6;
const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {time: 1s}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

/// What happens while a topic is copied: to requests of this method whose path holds this, so often.
const COPYING: [(Fault, Method, &str, usize); 10] = [
    (Fault::Answer(503, "SlowDown"), Method::PUT, "", 15),
    (Fault::Delay(Duration::from_secs(2)), Method::PUT, "/seg/", 2),
    (Fault::Reset, Method::PUT, "", 3),
    (Fault::Close, Method::PUT, "", 3),
    (Fault::LoseAnswer, Method::PUT, "/man/", 2),
    (Fault::Answer(403, "AccessDenied"), Method::PUT, "", 3),
    (Fault::Answer(404, "NoSuchKey"), Method::GET, "/seg/", 2),
    (Fault::Truncate(100), Method::GET, "/seg/", 2),
    (Fault::ResetBody(100), Method::GET, "/seg/", 2),
    (Fault::Flip(50), Method::GET, "/seg/", 1),
];

/// What happens while a consumer reads what only the store has.
const READING: [(Fault, &str, usize); 8] = [
    (Fault::Answer(503, "SlowDown"), "/seg/", 15),
    (Fault::Answer(404, "NoSuchKey"), "/seg/", 3),
    (Fault::Answer(403, "AccessDenied"), "/seg/", 3),
    (Fault::Delay(Duration::from_secs(3)), ".log", 2),
    (Fault::Reset, "/seg/", 4),
    (Fault::Truncate(1000), ".log", 3),
    (Fault::ResetBody(1000), ".log", 3),
    (Fault::Flip(70_000), ".log", 2),
];

struct Stage {
    cluster: Cluster,
    server: Server,
    faults: Faults,
    fleet: Fleet,
    /// The store's section without the faults, for the verifier.
    plain: String,
}

fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| Mutex::new(build()));
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build() -> Stage {
    let cluster = Cluster::builder().racks(["az1"]).start().unwrap();
    let server = Server::start(Maker::S3Proxy).unwrap();
    let faults = Faults::before(&server).unwrap();
    let mut bucket = server.bucket().unwrap();
    let plain = Server::yaml(&bucket);
    bucket.endpoint = Some(faults.endpoint());
    let fleet =
        Fleet::start_env(&cluster, &["az1"], &(Server::yaml(&bucket) + TIERING), &Server::env()).unwrap();
    Stage { cluster, server, faults, fleet, plain }
}

impl Stage {
    fn create(&self, topic: &str) {
        Java::resident().unwrap().admin(&self.cluster.bootstrap()).create_topic(topic, 1, 1).unwrap();
    }

    /// Records of 1000 bytes with the keys from `first` on.
    fn produce(&self, topic: &str, first: i64, count: i64) {
        let props = json!({"bootstrap.servers": self.fleet.sites()[0].address()});
        let producer = Java::resident().unwrap().producer(props).unwrap();
        let acks =
            producer.send(json!({"topic": topic, "first": first, "count": count, "size": 1000})).unwrap();
        assert!(acks.iter().all(Result::is_ok));
    }

    fn wait_tiered(&self, topic: &str, end: i64) {
        let at = self.fleet.sites()[0].broker_address(1).unwrap();
        let tiered = || Ok(Asker::connect(&at)?.list(11, topic, 0, EARLIEST_PENDING_UPLOAD, 0)?.2 >= end);
        wait::until_true(&format!("{topic} to be in the tier up to {end}"), LIMIT, tiered).unwrap();
    }

    fn wait_trimmed(&self, topic: &str, offset: i64) {
        let admin = Java::resident().unwrap().admin(&self.cluster.bootstrap());
        let trimmed = || Ok(admin.offsets(topic, 0)?.0 >= offset);
        wait::until_true(&format!("brokers to drop {topic} up to {offset}"), LIMIT, trimmed).unwrap();
    }

    /// A consumer from the earliest offset that says so if it is ever told that its offset is out of range.
    fn consumer(&self, topic: &str) -> Consumer {
        let props = json!({
            "bootstrap.servers": self.fleet.sites()[0].address(), "auto.offset.reset": "none", "client.id": "reader",
        });
        Java::resident().unwrap().assign(props, &[(topic, 0)]).unwrap()
    }

    /// Reads `0..count`, each once, in order.
    fn read_whole(&self, topic: &str, count: i64, why: &str) {
        let records =
            self.consumer(topic).records(count as usize, LIMIT).unwrap_or_else(|e| panic!("{why}: {e:#}"));
        for (n, r) in (0..).zip(&records) {
            assert_eq!((r.1, r.2.as_str(), r.3), (n, n.to_string().as_str(), 1000), "{why}");
        }
    }

    /// Forgets every block by starting the gateway anew, as a cold one would be.
    fn cold(&mut self) {
        let gateway = &mut self.fleet.gateways()[0];
        gateway.kill9().unwrap();
        gateway.restart().unwrap();
        let open = || Ok(gateway.status()?.pointer("/tier/open") == Some(&json!(true)));
        wait::until_true("the tier to be open", LIMIT, open).unwrap();
    }

    fn verify(&self, topic: &str) {
        let upstream = format!("cluster:\n  bootstrap: [{}]", self.cluster.bootstrap());
        let config = self.cluster.dir().join("verify.yaml");
        let text = self.fleet.sites()[0].yaml(&upstream, &[], "", &(self.plain.clone() + TIERING));
        std::fs::write(&config, text).unwrap();
        let mut run = Command::new(binary_path().unwrap());
        let ran =
            run.args(["tier", "verify", topic, "-c"]).arg(&config).envs(Server::env()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}

#[test]
fn what_goes_wrong_while_a_topic_is_copied_costs_time_and_nothing_else() {
    let stage = stage();
    let topic = "orders.copied";
    stage.create(topic);
    let mut end = 0;
    for (fault, method, holds, times) in COPYING {
        stage.faults.inject(fault, method, holds, times);
        stage.produce(topic, end, 1500);
        end += 1500;
        stage.wait_tiered(topic, end);
        assert!(stage.faults.fired(fault) > 0, "{fault:?} never happened");
        stage.faults.calm();
    }
    stage.wait_trimmed(topic, end - 1500);
    stage.read_whole(topic, end, "after all of it");
    stage.verify(topic);
}

#[test]
fn what_goes_wrong_while_a_consumer_reads_cold_data_is_never_seen_by_it() {
    let mut stage = stage();
    let topic = "orders.cold";
    stage.create(topic);
    stage.produce(topic, 0, 4000);
    stage.wait_trimmed(topic, 4000);
    for (fault, holds, times) in READING {
        stage.cold();
        let before = stage.faults.fired(fault);
        stage.faults.inject(fault, Method::GET, holds, times);
        stage.read_whole(topic, 4000, &format!("{fault:?}"));
        assert!(stage.faults.fired(fault) > before, "{fault:?} never happened");
        stage.faults.calm();
    }
    stage.verify(topic);
}

#[test]
fn a_store_that_is_down_stops_neither_writers_nor_for_ever_readers() {
    let mut stage = stage();
    let topic = "orders.down";
    stage.create(topic);
    stage.produce(topic, 0, 3000);
    stage.wait_trimmed(topic, 3000);
    stage.cold();
    stage.server.process().kill9().unwrap();
    let reader = stage.consumer(topic);
    stage.produce(topic, 3000, 1000);
    let nothing = reader.records(1, Duration::from_secs(3)).unwrap_err().to_string();
    assert!(nothing.contains("0 of 1 records"), "no error reaches the client: {nothing}");
    stage.server.restart().unwrap();
    let records = reader.records(4000, LIMIT).unwrap();
    assert!((0..).zip(&records).all(|(n, r)| (r.1, r.2.as_str()) == (n, n.to_string().as_str())));
    stage.wait_tiered(topic, 4000);
    stage.verify(topic);
}
