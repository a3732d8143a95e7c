//! No acknowledged record is lost, repeated or reordered, and no reader's offset goes back, whichever gateway
//! or broker is killed with -9. A history checker over real clients; `SEED=... make chaos` repeats a run.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::java::{Ack, Consumer};
use tidegate_tests::random::Random;
use tidegate_tests::{Cluster, Fleet, Java, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];

/// How many processes are killed, gateways and brokers in turn.
const KILLS: usize = if cfg!(feature = "slow") { 12 } else { 2 };

/// How long clients may take to recover from one kill: a broker's session is 6 s, clients back off to 1 s.
const RECOVERY: Duration = Duration::from_secs(90);

struct Stage {
    cluster: Cluster,
    fleet: Fleet,
    java: &'static Java,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::builder().brokers(3).racks(ZONES).property("min.insync.replicas", "2");
        let cluster = cluster.start().unwrap();
        let fleet = Fleet::start(&cluster, &ZONES, "").unwrap();
        let java = Java::resident().unwrap();
        // Partition n is written by the producer of zone n and led elsewhere.
        let topic = json!({"topic": "t", "assignment": [[2, 3, 1], [3, 1, 2], [1, 2, 3]]});
        java.admin(&cluster.bootstrap()).create_topic_with(topic).unwrap();
        Self { cluster, fleet, java }
    }

    fn props(&self, zone: &str) -> Value {
        let all: Vec<String> = self.fleet.sites().iter().map(|s| s.address()).collect();
        json!({"bootstrap.servers": all.join(","), "client.id": format!("app,zone={zone}"), "linger.ms": 5})
    }

    /// Kills a gateway or a broker and starts it again once the clients have lived without it for a while.
    fn kill(&mut self, victim: Victim, alone: impl FnOnce()) {
        match victim {
            Victim::Gateway(n) => {
                let gateway = &mut self.fleet.gateways()[n];
                gateway.kill9().unwrap();
                assert!(!gateway.is_alive());
                alone();
                self.fleet.gateways()[n].restart().unwrap();
            }
            Victim::Broker(id) => {
                self.cluster.broker(id).unwrap().kill9().unwrap();
                alone();
                self.cluster.broker(id).unwrap().restart().unwrap();
                self.cluster.wait_ready().unwrap();
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Gateway(usize),
    Broker(i32),
}

/// What a producer was told: for each key, in order, what became of it.
type Told = Vec<Ack>;

/// Writes keys 0, 1, ... to a partition until told to stop; counts acknowledgements as they come.
fn write(java: &'static Java, props: Value, partition: usize, acked: &AtomicI64, stop: &AtomicBool) -> Told {
    let producer = java.producer(props).unwrap();
    let mut told = Told::new();
    while !stop.load(Ordering::Relaxed) {
        let batch = json!({
            "topic": "t", "partition": partition, "first": told.len(), "count": 50, "size": 500,
        });
        let acks = producer.send(batch).unwrap();
        acked.fetch_add(acks.iter().filter(|a| a.is_ok()).count() as i64, Ordering::Relaxed);
        told.extend(acks);
    }
    told
}

/// The log of a partition as the cluster has it: key by offset.
fn log(stage: &Stage, partition: i32) -> BTreeMap<i64, i64> {
    let admin = stage.java.admin(&stage.cluster.bootstrap());
    let (start, end) = admin.offsets("t", partition).unwrap();
    assert_eq!(start, 0);
    let direct = json!({"bootstrap.servers": stage.cluster.bootstrap()});
    let reader = stage.java.assign(direct, &[("t", partition)]).unwrap();
    let records = reader.records(end as usize, RECOVERY).unwrap();
    records.into_iter().map(|r| (r.1, r.2.parse().unwrap())).collect()
}

/// Every acknowledged key stands once, where the producer was told, and keys stand in the order of sending.
fn check_writes(log: &BTreeMap<i64, i64>, told: &Told) {
    let mut last = -1;
    for (&offset, &key) in log {
        assert!(key > last, "offset {offset}: key {key} after {last}: repeated or reordered");
        last = key;
    }
    for (key, ack) in told.iter().enumerate() {
        if let Ok((_, offset)) = ack {
            assert_eq!(
                log.get(offset),
                Some(&(key as i64)),
                "acknowledged at offset {offset}, and not there"
            );
        }
    }
}

/// A reader through the gateways got the whole log, each offset once, upwards.
fn check_reads(reader: &Consumer, logs: &[BTreeMap<i64, i64>]) {
    let total = logs.iter().map(BTreeMap::len).sum();
    let mut next = vec![0; logs.len()];
    for record in reader.records(total, RECOVERY).unwrap() {
        let next = &mut next[record.0 as usize];
        assert_eq!(record.1, *next, "partition {}: offset {} where {next} follows", record.0, record.1);
        *next += 1;
    }
}

#[test]
fn acknowledged_records_are_read_once_and_in_order_whoever_is_killed() {
    let mut random = Random::from_env();
    let mut stage = Stage::new();
    let java = stage.java;
    let (stop, acked) = (AtomicBool::new(false), [const { AtomicI64::new(0) }; 3]);
    let props = ZONES.map(|zone| stage.props(zone));
    let all = [("t", 0), ("t", 1), ("t", 2)];
    let readers = props.clone().map(|p| java.assign(p, &all).unwrap());
    let told: Vec<Told> = thread::scope(|scope| {
        let (stop, acked) = (&stop, &acked);
        let writers: Vec<_> = (0..3)
            .map(|n| {
                let props = props[n].clone();
                scope.spawn(move || write(java, props, n, &acked[n], stop))
            })
            .collect();
        // Whoever sleeps through an attack proves nothing: everyone must write on, before, while and after.
        let everyone_writes_on = |what: &str| {
            let before = acked.each_ref().map(|a| a.load(Ordering::Relaxed));
            wait::until_true(what, RECOVERY, || {
                Ok((0..3).all(|n| acked[n].load(Ordering::Relaxed) >= before[n] + 500))
            })
        };
        let attacks = (|| {
            for n in 0..KILLS {
                everyone_writes_on("writes before a kill")?;
                let victim = match n % 2 {
                    0 => Victim::Gateway(random.below(3)),
                    _ => Victim::Broker(1 + random.below(3) as i32),
                };
                eprintln!("kill {n}: {victim:?}");
                let mut without = Ok(());
                // Without its gateway, a zone's clients may have nobody to talk to: only the others must go on.
                let alone = || match victim {
                    Victim::Gateway(dead) => {
                        let before = acked.each_ref().map(|a| a.load(Ordering::Relaxed));
                        without = wait::until_true("the other zones to write on", RECOVERY, || {
                            let on = |n: usize| acked[n].load(Ordering::Relaxed) >= before[n] + 200;
                            Ok((0..3).filter(|n| *n != dead).all(on))
                        });
                    }
                    Victim::Broker(_) => without = everyone_writes_on("writes without a broker"),
                };
                stage.kill(victim, alone);
                without?;
                everyone_writes_on("writes after a kill")?;
            }
            anyhow::Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        let told = writers.into_iter().map(|w| w.join().unwrap()).collect();
        attacks.unwrap();
        told
    });
    let logs: Vec<_> = (0..3).map(|p| log(&stage, p)).collect();
    for (log, told) in logs.iter().zip(&told) {
        assert!(told.len() > 1000, "only {} writes", told.len());
        check_writes(log, told);
    }
    readers.iter().for_each(|reader| check_reads(reader, &logs));
}

#[test]
fn the_checker_finds_a_lost_a_repeated_and_a_reordered_record() {
    let told = vec![Ok((0, 0)), Ok((0, 1)), Ok((0, 2))];
    check_writes(&BTreeMap::from([(0, 0), (1, 1), (2, 2)]), &told);
    for bad in [
        BTreeMap::from([(0, 0), (1, 1)]),
        BTreeMap::from([(0, 0), (1, 1), (2, 2), (3, 2)]),
        BTreeMap::from([(0, 0), (1, 2), (2, 1)]),
    ] {
        std::panic::catch_unwind(|| check_writes(&bad, &told)).unwrap_err();
    }
}
