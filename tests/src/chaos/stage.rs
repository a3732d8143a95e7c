//! What chaos happens to: a broker and a gateway in each of three zones, kept apart by the kernel where it may.
//!
//! ```text
//!      tg-az1            tg-az2            tg-az3          this machine's own namespace
//!      broker 1          broker 2          broker 3        the test, Java's clients, the store's directory
//!      gw-az1            gw-az2            gw-az3
//!      franz-go          librdkafka
//! ```
//!
//! Java's clients belong to a zone by their name only: whoever cuts a zone does not cut them off. What lives
//! in a zone and is cut off with it, by no fault of ours, are franz-go and librdkafka.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::disk::Disk;
use super::fault::Kind;
use crate::certs::{Authority, Identity};
use crate::gateway::{Gateway, Site, Sites, binary_path};
use crate::java::{Admin, Producer};
use crate::netns::{self, Zones};
use crate::ports::Ports;
use crate::{Cluster, Java, reaper, wait};

/// The zones, their brokers' racks; broker N is in the N-th.
pub(super) const ZONES: [&str; 3] = ["az1", "az2", "az3"];
/// What is written and read all the time; the n-th partition by the writer of the n-th zone.
pub(super) const TOPIC: &str = "live";
/// What was written long ago and is nowhere but in the store.
pub(super) const HISTORY: &str = "history";
/// Much, on the brokers, for those who take it slowly.
pub(super) const BULK: &str = "bulk";
/// Records of [`HISTORY`] in each partition, and bytes of each value.
pub(super) const OLD: (i64, i64) = (8_000, 1_000);
/// The name in the gateways' certificates.
pub(super) const SERVER_NAME: &str = "gw.test";

/// A connection that nobody uses, or whose client takes nothing, ends after this.
const IDLE: Duration = Duration::from_secs(20);
/// Partition n is led elsewhere than in zone n, at first.
const REPLICAS: [&[i32]; 3] = [&[2, 3, 1], &[3, 1, 2], &[1, 2, 3]];
/// How long the cluster may take to be whole again.
const WHOLE_LIMIT: Duration = Duration::from_secs(180);
/// How long history may take to move into the store.
const MOVE_LIMIT: Duration = Duration::from_secs(120);

/// All of it, running. It is taken down in the order of the fields.
#[derive(Debug)]
pub(super) struct Stage {
    /// The gateways, by zone.
    pub(super) gateways: Vec<Gateway>,
    /// The brokers, by zone.
    pub(super) cluster: Cluster,
    /// The zones, where they can be had.
    pub(super) zones: Option<Zones>,
    /// The disks of the gateways, where they can be had.
    pub(super) disks: Vec<Disk>,
    /// Where the gateways listen.
    pub(super) sites: Vec<Site>,
    /// The port of the gateways' listener that asks for certificates.
    pub(super) mtls_port: u16,
    /// The gateways' certificates, by zone.
    pub(super) identities: Vec<Identity>,
    /// Who signed them.
    pub(super) authority: Authority,
    _ports: (Sites, Ports),
    dir: TempDir,
}

impl Stage {
    /// Starts it all, and moves history into the store.
    pub(super) fn start() -> Result<Self> {
        let zones = netns::missing_zones().is_none().then(|| Zones::up(&ZONES)).transpose()?;
        let dir = tempfile::Builder::new().prefix("tidegate-chaos-").tempdir()?;
        reaper::note_dir(dir.path())?;
        let mut cluster = Cluster::builder().brokers(3).racks(ZONES).property("min.insync.replicas", "2");
        if let Some(zones) = &zones {
            let all = || 0..ZONES.len();
            cluster =
                cluster.hosts(all().map(|n| zones.host(n))).namespaces(all().map(|n| zones.namespace(n)));
        }
        let cluster = cluster.start()?;
        let mut leased = Sites::of(&cluster, &ZONES)?;
        if let Some(zones) = &zones {
            leased.all.iter_mut().enumerate().for_each(|(n, site)| site.host = zones.host(n));
        }
        let mut ports = Ports::lease()?;
        let mtls_port = ports.run(4)?;
        let authority = Authority::new(dir.path())?;
        let issue = |site: &Site| authority.issue(&site.id, &[SERVER_NAME.to_owned()]);
        let identities = leased.all.iter().map(issue).collect::<Result<_>>()?;
        let disks = match Disk::missing() {
            None => ZONES.iter().map(|zone| Disk::mount(&dir.path().join(zone))).collect::<Result<_>>()?,
            Some(_) => Vec::new(),
        };
        let mut stage = Self {
            gateways: Vec::new(),
            cluster,
            zones,
            disks,
            sites: leased.all.clone(),
            mtls_port,
            identities,
            authority,
            _ports: (leased, ports),
            dir,
        };
        stage.fill()?;
        stage.gateways = (0..ZONES.len()).map(|n| stage.gateway(n)).collect::<Result<_>>()?;
        stage.wait_moved()?;
        Ok(stage)
    }

    /// What can't happen here, and why.
    pub(super) fn impossible(&self) -> Vec<(Kind, String)> {
        let network = [Kind::ZoneCut, Kind::UpstreamRefusing].map(|kind| (kind, netns::missing_zones()));
        let disk = [(Kind::DiskFull, Disk::missing())];
        network.into_iter().chain(disk).filter_map(|(kind, why)| Some((kind, why?))).collect()
    }

    fn fill(&self) -> Result<()> {
        let (count, size) = OLD;
        for topic in [TOPIC, HISTORY, BULK] {
            self.admin()?.create_topic_on(topic, &REPLICAS)?;
        }
        let producer = Java::resident()?.producer(json!({"bootstrap.servers": self.cluster.bootstrap()}))?;
        for topic in [HISTORY, BULK] {
            for partition in 0..3 {
                let all = json!({"topic": topic, "partition": partition, "count": count, "size": size});
                producer.send(all)?.into_iter().collect::<Result<Vec<_>, _>>()?;
            }
        }
        Ok(())
    }

    fn gateway(&self, n: usize) -> Result<Gateway> {
        let home = self.disks.get(n).map_or(self.dir.path(), Disk::path);
        let namespace = self.zones.as_ref().map(|zones| zones.namespace(n));
        Gateway::start_at(home, namespace, &self.yaml(n)).context(ZONES[n])
    }

    fn yaml(&self, n: usize) -> String {
        let site = &self.sites[n];
        let others: Vec<Site> = self.sites.iter().filter(|s| s.id != site.id).cloned().collect();
        let upstream = format!("cluster:\n  bootstrap: [{}]", self.cluster.bootstrap().replace(',', ", "));
        let yaml = site.yaml(&upstream, &others, "", &self.sections(n));
        yaml.replacen("fleet:\n", &format!("{}fleet:\n", self.mtls_listener(n)), 1)
    }

    fn mtls_listener(&self, n: usize) -> String {
        let (host, port, Identity { cert, key, .. }) =
            (&self.sites[n].host, self.mtls_port, &self.identities[n]);
        format!(
            "  - name: mtls\n    bind: {host}:{port}\n    advertise: {host}\n    brokers: {{ids: [1, 2, 3], ports: \
             {}-{}}}\n    tls: {{cert: {}, key: {}, client_ca: {}}}\n",
            port + 1,
            port + 3,
            cert.display(),
            key.display(),
            self.authority.ca().display()
        )
    }

    /// Small bounds, so that what breaks one is seen.
    fn sections(&self, n: usize) -> String {
        let disk = match self.disks.get(n) {
            Some(disk) => {
                format!(", disk: {{path: {}, bytes: 12MiB}}", disk.path().join("cache").display())
            }
            None => String::new(),
        };
        format!(
            "limits: {{idle: {}s, frame: 32MiB, in_flight_bytes: 32MiB}}\nstore: {{dir: {}}}\ntiering:\n  topics:\n    \
             - {{match: {HISTORY}, hot: {{time: 1s}}, trim: true}}\n    - {{match: {TOPIC}}}\n  \
             segment: {{bytes: 1MiB, age: 10s}}\n  cache: {{memory: 4MiB{disk}}}\n",
            IDLE.as_secs(),
            self.dir.path().join("store").display()
        )
    }

    /// Waits until brokers have dropped all of history.
    fn wait_moved(&self) -> Result<()> {
        let admin = self.admin()?;
        for partition in 0..3 {
            let moved = || Ok(admin.offsets(HISTORY, partition)?.0 >= OLD.0);
            wait::until_true("history to be in the store only", MOVE_LIMIT, moved)?;
        }
        Ok(())
    }

    /// An Admin client on the brokers themselves; by its name it is this cluster's own.
    pub(super) fn admin(&self) -> Result<Admin> {
        let id = format!("admin-{}", self.cluster.dir().display());
        let props = json!({"bootstrap.servers": self.cluster.bootstrap(), "client.id": id});
        Ok(Java::resident()?.admin_with(props))
    }

    /// Waits until every broker sees all brokers, all replicas are in sync, and no gateway misses a broker: until
    /// then one more fault may be one too many for Kafka, and might seem to show before it does.
    pub(super) fn wait_whole(&mut self) -> Result<()> {
        self.cluster.wait_ready()?;
        let admin = self.admin()?;
        for topic in [TOPIC, HISTORY, BULK] {
            let whole = || Ok(admin.describe_topic(topic)?.iter().all(|p| p.isr.len() == REPLICAS.len()));
            wait::until_true(&format!("all replicas of {topic} to be in sync"), WHOLE_LIMIT, whole)?;
        }
        wait::until_true("all gateways to find all brokers live", WHOLE_LIMIT, || {
            let pairs = (0..ZONES.len()).flat_map(|zone| (0..ZONES.len()).map(move |other| (zone, other)));
            let missed = pairs.map(|(zone, other)| self.misses(zone, other));
            Ok(!missed.collect::<Result<Vec<_>>>()?.contains(&true))
        })
    }

    /// `host:port` of all gateways, the zone's own first.
    pub(super) fn bootstrap(&self, zone: usize) -> String {
        let all: Vec<String> =
            (0..ZONES.len()).map(|n| self.sites[(zone + n) % ZONES.len()].address()).collect();
        all.join(",")
    }

    /// Properties of a Java client of this zone.
    pub(super) fn props(&self, zone: usize) -> Value {
        json!({"bootstrap.servers": self.bootstrap(zone), "client.id": format!("app,zone={}", ZONES[zone])})
    }

    /// A producer of this zone that says what Kafka keeps: each record once, in order, on two brokers at least.
    pub(super) fn producer(&self, zone: usize) -> Result<Producer> {
        let mut props = self.props(zone);
        props["acks"] = json!("all");
        props["enable.idempotence"] = json!("true");
        Java::resident()?.producer(props)
    }

    /// A metric of one gateway.
    pub(super) fn metric(&self, zone: usize, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        Ok(self.gateways[zone].metrics()?.sum(name, labels))
    }

    /// How many connections a gateway has refused or ended for this reason.
    pub(super) fn rejected(&self, zone: usize, reason: &str) -> Result<f64> {
        self.metric(zone, "tidegate_rejected_total", &[("reason", reason)])
    }

    /// Whether the gateway of a zone misses the broker of another: suspects it, or knows that it has left.
    pub(super) fn misses(&self, zone: usize, other: usize) -> Result<bool> {
        let status = self.gateways[zone].status()?;
        let brokers = status["brokers"].as_array().context("a status without brokers")?;
        let broker = brokers.iter().find(|b| b["id"] == json!(other + 1));
        Ok(broker.context("a gateway that doesn't know a broker")?["state"] != "live")
    }

    /// The log of a live partition as the brokers have it, by offset.
    pub(super) fn log(&self, partition: i32, limit: Duration) -> Result<Vec<i64>> {
        let (start, end) = self.admin()?.offsets(TOPIC, partition)?;
        ensure!(start == 0, "partition {partition} begins at {start}");
        let direct = json!({"bootstrap.servers": self.cluster.bootstrap()});
        let reader = Java::resident()?.assign(direct, &[(TOPIC, partition)])?;
        let records = reader.records(usize::try_from(end)?, limit)?;
        let place = |(n, record): (i64, crate::java::Record)| {
            ensure!(record.1 == n, "partition {partition}: offset {} where {n} follows", record.1);
            Ok(record.2.parse()?)
        };
        (0..).zip(records).map(place).collect()
    }

    /// `tidegate tier verify` finds nothing wrong in the store.
    pub(super) fn verify(&self) -> Result<()> {
        let config = self.dir.path().join("verify.yaml");
        std::fs::write(&config, self.yaml(0))?;
        let mut run = std::process::Command::new(binary_path()?);
        run.env(crate::gateway::TOKEN_ENV, crate::http::ADMIN_TOKEN);
        let ran = run.args(["tier", "verify", "-c"]).arg(&config).output()?;
        let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        ensure!(ran.status.success(), "tidegate tier verify: {}", said.join("\n"));
        Ok(())
    }

    /// The last lines of each gateway's log, for a failure.
    pub(super) fn log_tails(&self, lines: usize) -> String {
        let tail = |(zone, gateway): (&&str, &Gateway)| format!("--- {zone}\n{}", gateway.log_tail(lines));
        ZONES.iter().zip(&self.gateways).map(tail).collect::<Vec<_>>().join("\n")
    }
}
