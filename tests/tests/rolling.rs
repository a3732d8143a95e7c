//! A fleet is restarted gateway by gateway under load, and no client notices: every record once and in order, no error,
//! and no acknowledgement that takes longer than five seconds.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_tests::gateway::{Site, Sites};
use tidegate_tests::java::{Consumer, Record, Taken};
use tidegate_tests::ports::Ports;
use tidegate_tests::{Cluster, Gateway, Java, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];

/// How long clients may take for what is no promise: to warm up, or to read to the end.
const PATIENCE: Duration = Duration::from_secs(90);

/// The promise.
const ACK_MAX: Duration = Duration::from_secs(5);

/// Where gateways find their key.
const KEY_ENV: &str = "FLEET_KEY";

/// `gateway.drain`.
const DRAIN: &str = "8s";

/// How gateways know each other.
#[derive(Clone, Copy)]
enum Fleet {
    /// Each has all others in its file.
    #[cfg(feature = "slow")]
    Members,
    /// They find each other from the first two on.
    Gossip,
}

impl Fleet {
    /// The gateways that stand in `site`'s file, and what else does.
    fn file(self, site: &Site, sites: &Sites, gossip: u16) -> (Vec<Site>, String) {
        match self {
            #[cfg(feature = "slow")]
            Self::Members => (sites.all.iter().filter(|s| s.id != site.id).cloned().collect(), String::new()),
            Self::Gossip => {
                let seeds: Vec<_> = sites.all[..2].iter().map(|s| format!("{}:{gossip}", s.host)).collect();
                let (bind, seeds) = (&site.host, seeds.join(", "));
                let keys = format!("[{{env: {KEY_ENV}}}]");
                let gossip =
                    format!("fleet:\n  gossip: {{bind: {bind}:{gossip}, seeds: [{seeds}], keys: {keys}}}\n");
                (Vec::new(), gossip)
            }
        }
    }
}

struct Stage {
    sites: Sites,
    gateways: Vec<Gateway>,
    java: &'static Java,
    cluster: Cluster,
    _ports: Ports,
}

impl Stage {
    fn new(fleet: Fleet) -> Self {
        let cluster = Cluster::builder().brokers(3).racks(ZONES).property("min.insync.replicas", "2");
        let cluster = cluster.start().unwrap();
        let java = Java::resident().unwrap();
        for topic in ["t", "direct"] {
            let topic = json!({"topic": topic, "assignment": [[2, 3, 1], [3, 1, 2], [1, 2, 3]]});
            java.admin(&cluster.bootstrap()).create_topic_with(topic).unwrap();
        }
        let sites = Sites::of(&cluster, &ZONES).unwrap();
        let upstream = format!("cluster:\n  bootstrap: [{}]", cluster.bootstrap().replace(',', ", "));
        let mut ports = Ports::lease().unwrap();
        let gossip = ports.one().unwrap();
        let start = |site: &Site| {
            let (others, sections) = fleet.file(site, &sites, gossip);
            let yaml = site.yaml(&upstream, &others, "", &sections);
            let yaml = yaml.replacen("gateway: {", &format!("gateway: {{drain: {DRAIN}, "), 1);
            Gateway::start_with(&yaml, &[(KEY_ENV, "the key of this fleet, as long as it has to be")])
        };
        let gateways = sites.all.iter().map(start).collect::<Result<_>>().unwrap();
        let stage = Self { sites, gateways, java, cluster, _ports: ports };
        stage.wait_whole().unwrap();
        stage
    }

    fn props(&self, zone: &str, more: Value) -> Value {
        let all: Vec<_> = self.sites.all.iter().map(Site::address).collect();
        let mut props = json!({"bootstrap.servers": all.join(","), "client.id": format!("app,zone={zone}")});
        more.as_object().unwrap().iter().for_each(|(k, v)| props[k] = v.clone());
        props
    }

    /// Every gateway knows that all the others live.
    fn wait_whole(&self) -> Result<()> {
        wait::until_true("all gateways to know each other", PATIENCE, || {
            let mut all = true;
            for gateway in &self.gateways {
                let status = gateway.status()?;
                let fleet = status["fleet"].as_array().cloned().unwrap_or_default();
                all &= fleet.len() == 2 && fleet.iter().all(|m| m["alive"] == true);
            }
            Ok(all)
        })
    }

    /// SIGTERM, the drain, and a new start, as whoever rolls a fleet does: the next only once this one is back.
    fn restart(&mut self, n: usize) -> Result<()> {
        self.gateways[n].terminate()?;
        wait::until_true("/readyz to say that it drains", PATIENCE, || {
            let (ready, body) = self.gateways[n].readyz()?;
            Ok(!ready && body.contains("draining"))
        })?;
        let code = self.gateways[n].wait_stopped()?;
        ensure!(code == Some(0), "exit code {code:?}");
        let (ended, cut) = self.gateways[n].last_words()?;
        eprintln!("{}: {ended} connections ended in good order, {cut} were cut", ZONES[n]);
        ensure!(ended > 0, "nobody was connected: nothing was proved");
        ensure!(cut == 0, "{cut} connections were cut");
        self.gateways[n].restart()?;
        self.wait_whole()
    }
}

/// Writes keys 0, 1, ... to a partition until told to stop, and says how many, and what the longest wait was.
fn write(
    java: &'static Java,
    props: Value,
    partition: usize,
    acked: &AtomicUsize,
    stop: &AtomicBool,
) -> Duration {
    let producer = java.producer(props).unwrap();
    let mut longest = Duration::ZERO;
    while !stop.load(Relaxed) {
        let first = acked.load(Relaxed);
        let batch = json!({"topic": "t", "partition": partition, "first": first, "count": 20, "size": 500});
        for (n, ack) in producer.send(batch).unwrap().into_iter().enumerate() {
            // One writer, each record once: key and offset are the same number.
            assert_eq!(ack.unwrap(), (partition as i32, (first + n) as i64));
        }
        let waited = producer.longest_wait().unwrap();
        // The first of all waits for metadata and a producer id on a machine that has just started a cluster.
        longest = if first == 0 { longest } else { longest.max(waited) };
        acked.store(first + 20, Relaxed);
    }
    longest
}

/// Writes to the same brokers without any gateway: how long they, and this machine, take by themselves.
fn write_directly(java: &'static Java, props: Value, stop: &AtomicBool) -> Duration {
    let producer = java.producer(props).unwrap();
    let (mut longest, mut first) = (Duration::ZERO, true);
    while !stop.load(Relaxed) {
        let acks = producer.send(json!({"topic": "direct", "count": 20, "size": 500})).unwrap();
        assert!(acks.iter().all(Result::is_ok), "{acks:?}");
        let waited = producer.longest_wait().unwrap();
        longest = if std::mem::take(&mut first) { longest } else { longest.max(waited) };
    }
    longest
}

/// Both members have something to read, and all is read by somebody.
fn join_group(members: &[Consumer]) {
    let mut assigned: Vec<usize> = vec![0; members.len()];
    wait::until_true("both members to be assigned", PATIENCE, || {
        for (member, assigned) in members.iter().zip(&mut assigned) {
            for taken in member.take(1, Duration::from_millis(50))? {
                match taken {
                    Taken::Assigned(partitions) => *assigned += partitions.len(),
                    Taken::Revoked(partitions) => *assigned -= partitions.len(),
                    other => panic!("{other:?} before anything was written"),
                }
            }
        }
        Ok(assigned.iter().all(|n| *n > 0) && assigned.iter().sum::<usize>() == 3)
    })
    .unwrap();
}

/// Takes what the members got until it is all there; an exception in a member fails.
fn read_all(members: &[Consumer], total: usize) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    wait::until_true("the group to read everything", PATIENCE, || {
        for member in members {
            for taken in member.take(10_000, Duration::ZERO)? {
                match taken {
                    Taken::Record(record) => records.push(record),
                    Taken::Error(e) => panic!("the group sees {e:?}"),
                    moved => eprintln!("{moved:?}"),
                }
            }
        }
        Ok(records.len() >= total)
    })
    .unwrap();
    records
}

#[test]
fn a_rolling_restart_of_the_fleet_under_load_is_invisible_to_clients() {
    is_invisible(Stage::new(Fleet::Gossip));
}

#[cfg(feature = "slow")]
#[test]
fn a_rolling_restart_of_a_fleet_of_listed_members_is_invisible_to_clients() {
    is_invisible(Stage::new(Fleet::Members));
}

fn is_invisible(mut stage: Stage) {
    let java = stage.java;
    let group = json!({"group.id": "g", "auto.offset.reset": "earliest"});
    let members =
        ["az1", "az2"].map(|zone| java.subscribe(stage.props(zone, group.clone()), &["t"]).unwrap());
    join_group(&members);
    let idempotent = json!({"acks": "all", "enable.idempotence": true, "linger.ms": 5});
    let props = ZONES.map(|zone| stage.props(zone, idempotent.clone()));
    let mut direct = idempotent;
    direct["bootstrap.servers"] = json!(stage.cluster.bootstrap());
    let (stop, acked) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; 3]);
    let (longest, by_themselves): (Vec<Duration>, Duration) = thread::scope(|scope| {
        let (stop, acked) = (&stop, &acked);
        let writers: Vec<_> = props
            .into_iter()
            .enumerate()
            .map(|(n, props)| scope.spawn(move || write(java, props, n, &acked[n], stop)))
            .collect();
        let control = scope.spawn(move || write_directly(java, direct, stop));
        // Whoever sleeps through a restart proves nothing: everyone writes on before, between and after them.
        let everyone_writes_on = || {
            let before = acked.each_ref().map(|a| a.load(Relaxed));
            wait::until_true("everyone to write on", PATIENCE, || {
                ensure!(writers.iter().all(|w| !w.is_finished()), "a writer has given up");
                Ok((0..3).all(|n| acked[n].load(Relaxed) >= before[n] + 200))
            })
        };
        let restarts = (|| {
            for n in 0..3 {
                everyone_writes_on()?;
                stage.restart(n)?;
            }
            everyone_writes_on()
        })();
        stop.store(true, Relaxed);
        let longest = writers.into_iter().map(|w| w.join().unwrap()).collect();
        restarts.unwrap();
        (longest, control.join().unwrap())
    });
    println!("longest waits for an acknowledgement: {longest:?}; without gateways: {by_themselves:?}");
    let written = acked.each_ref().map(|a| a.load(Relaxed));
    let records = read_all(&members, written.iter().sum());
    let mut next = BTreeMap::<i32, i64>::new();
    for Record(partition, offset, key, _) in records {
        let next = next.entry(partition).or_default();
        assert_eq!(offset, *next, "partition {partition}: {offset} where {next} follows");
        assert_eq!(key, offset.to_string(), "partition {partition}, offset {offset}");
        *next += 1;
    }
    assert_eq!(next.values().map(|n| *n as usize).collect::<Vec<_>>(), written);
    // Where brokers themselves stand still, because the machine is too small for them, nobody could do better.
    let most = ACK_MAX + by_themselves;
    assert!(
        longest.iter().all(|waited| *waited <= most),
        "{longest:?}, and {by_themselves:?} without gateways"
    );
}
