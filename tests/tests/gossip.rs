//! Gateways that find each other by gossip: clients of a zone are always told a living gateway, their own zone's if there is one, whichever are killed,
//! added or cut off from each other, and however far their clocks are apart. Who has no key of the fleet is not one of it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use kafka::api;
use kafka::wire::Reader;
use tempfile::TempDir;
use tidegate_tests::gateway::{Site, Sites};
use tidegate_tests::ports::Ports;
use tidegate_tests::{Cluster, Gateway, Raw, clock, raw, wait};

/// Three zones, and a second gateway for the second.
const ZONES: [&str; 4] = ["az1", "az2", "az3", "az2"];

const KEY: &str = "the key of this fleet, as long as it has to be";
const OTHER_KEY: &str = "somebody else's key, which is no shorter at all";

/// How long gateways may take to notice: a death takes some four seconds, a return some two.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the clocks of the first three gateways are off, in seconds.
const CLOCKS: [i64; 3] = [0, 86_400 * 365, -86_400 * 365];

struct Stage {
    gateways: Vec<Gateway>,
    sites: Sites,
    /// The port of gossip, on every gateway's own address.
    gossip: u16,
    keys: TempDir,
    cluster: Cluster,
    _ports: Ports,
}

impl Stage {
    fn new() -> Self {
        let cluster = Cluster::builder().start().unwrap();
        let sites = Sites::of(&cluster, &ZONES).unwrap();
        let mut ports = Ports::lease().unwrap();
        let (gossip, keys) = (ports.one().unwrap(), tempfile::tempdir().unwrap());
        let mut stage = Self { gateways: Vec::new(), sites, gossip, keys, cluster, _ports: ports };
        for (n, apart) in CLOCKS.into_iter().enumerate() {
            let env = clock::apart(apart).unwrap();
            stage.start(n, &env.each_ref().map(|(name, value)| (*name, value.as_str())));
        }
        stage
    }

    fn start(&mut self, n: usize, env: &[(&str, &str)]) {
        fs::write(self.key_file(n), KEY).unwrap();
        self.gateways.push(Gateway::start_with(&self.file(n), env).unwrap());
    }

    fn key_file(&self, n: usize) -> PathBuf {
        self.keys.path().join(format!("key-{n}"))
    }

    /// Everybody knows the first two and nobody else.
    fn file(&self, n: usize) -> String {
        let (site, gossip) = (&self.sites.all[n], self.gossip);
        let upstream = format!("cluster:\n  bootstrap: [{}]", self.cluster.bootstrap());
        let seeds: Vec<_> = self.sites.all[..2].iter().map(|s| format!("{}:{gossip}", s.host)).collect();
        let sections = format!(
            "fleet:\n  gossip: {{bind: {}:{gossip}, seeds: [{}], keys: [{{file: {}}}]}}\n",
            site.host,
            seeds.join(", "),
            self.key_file(n).display()
        );
        site.yaml(&upstream, &[], "", &sections)
    }

    /// Gives a gateway another key, while it runs.
    fn set_key(&mut self, n: usize, key: &str) {
        fs::write(self.key_file(n), key).unwrap();
        let file = self.file(n);
        self.gateways[n].reload(&file).unwrap();
    }

    fn host(&self, n: usize) -> &str {
        &self.sites.all[n].host
    }

    /// The host that a client in this zone is told for the broker by gateway `n`.
    fn told(&self, n: usize, zone: &str) -> Result<String> {
        told(&self.sites.all[n], zone)
    }

    /// Waits until clients of `zone` are told one of `hosts` by gateway `n`.
    fn wait_told(&self, n: usize, zone: &str, hosts: &[usize]) {
        let hosts: Vec<_> = hosts.iter().map(|n| self.host(*n)).collect();
        let what = format!("gateway {n} to tell clients of {zone} one of {hosts:?}");
        wait::until_true(&what, PATIENCE, || Ok(hosts.contains(&self.told(n, zone)?.as_str()))).unwrap();
    }

    /// Each gateway that runs tells clients of each zone a gateway there.
    fn wait_whole(&self, alive: &[usize]) {
        for &n in alive {
            for (zone, own) in [("az1", &[0][..]), ("az2", &[1, 3][..]), ("az3", &[2][..])] {
                let own: Vec<_> = own.iter().copied().filter(|n| alive.contains(n)).collect();
                self.wait_told(n, zone, &own);
            }
        }
    }

    fn rejected(&self, n: usize, reason: &str) -> f64 {
        let metrics = self.gateways[n].metrics().unwrap();
        metrics.sum("tidegate_rejected_total", &[("reason", reason)])
    }
}

fn told(site: &Site, zone: &str) -> Result<String> {
    let mut raw = Raw::connect(site.address())?;
    let request = raw::request(1, api::METADATA, 1, 1, &format!("app,zone={zone}"), &0i32.to_be_bytes());
    raw.send(&request)?;
    let answer = raw.recv()?;
    let mut reader = Reader::new(&answer);
    reader.i32()?;
    reader.array_len(false, 12)?;
    reader.i32()?;
    Ok(reader.string(false)?.to_owned())
}

#[test]
fn clients_of_a_zone_are_told_a_living_gateway_and_their_own_zones_if_there_is_one() {
    let mut stage = Stage::new();
    // As log lines begin: the year.
    let years: BTreeSet<_> = stage.gateways.iter().map(|g| g.log().unwrap()[..4].to_owned()).collect();
    assert_eq!(years.len(), 3, "clocks were to be a year apart: {years:?}");
    stage.wait_whole(&[0, 1, 2]);

    // Killed: those of its zone go elsewhere until it is back.
    stage.gateways[1].kill9().unwrap();
    stage.wait_told(0, "az2", &[0, 2]);
    stage.wait_told(2, "az2", &[0, 2]);
    stage.gateways[1].restart().unwrap();
    stage.wait_whole(&[0, 1, 2]);

    // Added: nobody was told of it but the seeds, by itself; it takes over when its neighbour dies.
    stage.start(3, &[]);
    stage.wait_whole(&[0, 1, 2, 3]);
    stage.gateways[1].kill9().unwrap();
    stage.wait_whole(&[0, 2, 3]);
    stage.gateways[1].restart().unwrap();
    stage.wait_whole(&[0, 1, 2, 3]);

    // Asked to end: it says so itself.
    stage.gateways[3].terminate().unwrap();
    stage.gateways[3].wait_stopped().unwrap();
    stage.wait_whole(&[0, 1, 2]);
}

#[test]
fn gateways_that_cannot_hear_each_other_send_clients_only_where_they_hear_somebody() {
    let mut stage = Stage::new();
    stage.wait_whole(&[0, 1, 2]);
    let before = [0, 2].map(|n| stage.rejected(n, "gossip_stranger"));

    // A key that others don't have cuts a gateway off, as a network would.
    stage.set_key(2, OTHER_KEY);
    stage.wait_told(0, "az3", &[0, 1]);
    stage.wait_told(1, "az3", &[0, 1]);
    stage.wait_told(2, "az1", &[2]);
    stage.wait_told(2, "az2", &[2]);
    stage.wait_told(2, "az3", &[2]);
    for (n, before) in [0, 2].into_iter().zip(before) {
        assert!(stage.rejected(n, "gossip_stranger") > before, "gateway {n} refused nothing");
    }
    let log = stage.gateways[0].log().unwrap();
    assert!(log.contains("gossip refused"), "{log}");

    stage.set_key(2, KEY);
    stage.wait_whole(&[0, 1, 2]);
    for gateway in &stage.gateways {
        let log = gateway.log().unwrap();
        assert!(!log.contains(KEY) && !log.contains(OTHER_KEY), "a key in the log");
        assert!(!gateway.status().unwrap().to_string().contains(KEY), "a key in /status");
    }
}

#[test]
fn noise_on_the_port_of_gossip_is_counted_and_changes_nothing() {
    let stage = Stage::new();
    stage.wait_whole(&[0, 1, 2]);
    let noise = UdpSocket::bind((stage.host(3), 0)).unwrap();
    let to = (stage.host(0), stage.gossip);
    for length in [0, 1, 24, 25, 41, 1_400, 65_507] {
        noise.send_to(&vec![1; length], to).unwrap();
    }
    wait::until_true("the noise to be refused", PATIENCE, || Ok(stage.rejected(0, "gossip_stranger") >= 7.0))
        .unwrap();
    stage.wait_whole(&[0, 1, 2]);
    let fleet = stage.gateways[0].status().unwrap()["fleet"].as_array().unwrap().len();
    assert_eq!(fleet, 2, "nobody has joined");
}
