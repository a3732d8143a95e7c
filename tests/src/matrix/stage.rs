//! The stage: brokers, gateways, a store, and what a client needs to come in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::cold;
use super::doors::Door;
use super::layout::{Layout, Sections, host};
use crate::certs::Identity;
use crate::clients::Security;
use crate::cluster::Broker;
use crate::java::Admin;
use crate::{Cluster, Gateway, Java, wait};

/// The zones, a broker and a gateway in each.
pub(super) const ZONES: [&str; 3] = ["az1", "az2", "az3"];
/// How long anything may take that takes seconds on a machine with nothing else to do.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// The replicas of each partition, the leader first: each broker leads one.
const REPLICAS: [[i32; 3]; 3] = [[1, 2, 3], [2, 3, 1], [3, 1, 2]];
/// What a gateway that is told to stop has for its connections.
const DRAIN: &str = "6s";

const MECHANISM: &str = "SCRAM-SHA-512";
/// The gateways' own user, who comes in by SCRAM, and whom a certificate stands for; with their passwords.
const GATEWAY: (&str, &str) = ("gateway", "gateway-secret");
const BY_SCRAM: (&str, &str) = ("by-scram", "by-scram-secret");
const BY_CERTIFICATE: (&str, &str) = ("by-certificate", "by-certificate-secret");

/// All of it, running. It is taken down in the order of the fields, so that nobody complains of a missing other.
#[derive(Debug)]
pub struct Stage {
    pub(super) gateways: Vec<Gateway>,
    /// On the brokers themselves, with all rights.
    pub(super) admin: Admin,
    pub(super) cluster: Cluster,
    layout: Layout,
    identity: Identity,
    direct: bool,
    topics: AtomicU32,
}

impl Stage {
    /// Starts everything, and has brokers drop what the tier holds of the tiered topic.
    pub fn start() -> Result<Self> {
        let users = [GATEWAY, BY_SCRAM, BY_CERTIFICATE];
        let cluster = Cluster::builder().brokers(3).racks(ZONES).tls().sasl(&[MECHANISM], &users).start()?;
        let admin = Java::resident()?.admin(&cluster.internal_bootstrap());
        cold::write(&admin, &cluster.internal_bootstrap())?;
        let layout = Layout::lease()?;
        let sections = sections(&cluster)?;
        let start =
            |zone: usize| Gateway::start(&layout.yaml(zone, DRAIN, &sections)).with_context(|| ZONES[zone]);
        let gateways = (0..ZONES.len()).map(start).collect::<Result<_>>()?;
        let identity =
            cluster.authority().context("no authority")?.issue_client(BY_CERTIFICATE.0, "Example")?;
        let direct = std::env::var_os("DIRECT").is_some();
        let stage = Self { gateways, admin, cluster, layout, identity, direct, topics: AtomicU32::new(0) };
        stage.wait_whole()?;
        cold::wait_trimmed(&stage.admin)?;
        Ok(stage)
    }

    /// Whether clients go to the brokers themselves, to see what they do there.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// A new topic, each of whose partitions is led by another broker.
    pub(super) fn topic(&self, name: impl std::fmt::Display) -> Result<String> {
        let topic = format!("{name}-{}", self.topics.fetch_add(1, Relaxed));
        self.admin.create_topic_with(json!({"topic": topic, "assignment": REPLICAS}))?;
        Ok(topic)
    }

    /// The partitions of every such topic.
    pub(super) fn partitions(&self) -> Vec<i32> {
        (0..).take(REPLICAS.len()).collect()
    }

    /// Every gateway, the one of this zone first.
    pub(super) fn bootstrap(&self, zone: usize, door: Door) -> String {
        if self.direct {
            return self.cluster.bootstrap();
        }
        let all = (0..ZONES.len()).map(|n| self.layout.address((zone + n) % ZONES.len(), door));
        all.collect::<Vec<_>>().join(",")
    }

    /// The brokers themselves, with all rights.
    pub(super) fn direct_bootstrap(&self) -> String {
        self.cluster.internal_bootstrap()
    }

    /// A broker's own address, with all rights.
    pub(super) fn broker_address(&self, id: i32) -> Result<String> {
        let broker = self.cluster.brokers().iter().find(|broker| broker.id() == id);
        broker.map(Broker::internal_address).with_context(|| format!("no broker {id}"))
    }

    /// What a client shows at this door.
    pub(super) fn security(&self, door: Door) -> Security {
        let ca = self.cluster.authority().map(crate::certs::Authority::ca).unwrap_or_default();
        match door {
            Door::Scram => Security::tls(&ca).scram(BY_SCRAM.0, BY_SCRAM.1),
            Door::Certificate => Security::tls(&ca).certificate(&self.identity),
        }
    }

    /// Fetches that the gateway of a zone has had answered, by where from.
    pub(super) fn served(&self, zone: usize) -> Result<BTreeMap<String, f64>> {
        let mut served = BTreeMap::new();
        for sample in self.gateways[zone].metrics()?.0 {
            if sample.name == "tidegate_fetch_served_total" {
                let from = sample.labels.get("from").cloned().unwrap_or_default();
                *served.entry(from).or_default() += sample.value;
            }
        }
        Ok(served)
    }

    /// Waits until every gateway knows that all the others live.
    pub(super) fn wait_whole(&self) -> Result<()> {
        wait::until_true("all gateways to know each other", LIMIT, || {
            for gateway in &self.gateways {
                let status = gateway.status()?;
                let fleet = status["fleet"].as_array().cloned().unwrap_or_default();
                ensure!(!fleet.is_empty() && fleet.iter().all(|member| member["alive"] == true), "{fleet:?}");
            }
            Ok(true)
        })
    }
}

fn sections(cluster: &Cluster) -> Result<Sections> {
    let authority = cluster.authority().context("no authority")?;
    let hosts: Vec<String> = ["localhost".to_owned()].into_iter().chain((0..ZONES.len()).map(host)).collect();
    let own = authority.issue("gateway", &hosts)?;
    let ca = authority.ca();
    let bucket = cluster.dir().join("bucket");
    let upstream = format!(
        "cluster:\n  bootstrap: [{}]\n  tls: {{ca: {}}}\n  auth: {}",
        cluster.bootstrap().replace(',', ", "),
        ca.display(),
        auth(cluster, GATEWAY)?
    );
    let identities = format!(
        "client_ca: {}, identities: [{{subject: \"CN={},O=Example\", auth: {}}}]",
        ca.display(),
        BY_CERTIFICATE.0,
        auth(cluster, BY_CERTIFICATE)?
    );
    Ok(Sections {
        upstream,
        own: format!("cert: {}, key: {}", own.cert.display(), own.key.display()),
        identities,
        tier: format!("store: {{dir: {}}}\n{}", bucket.display(), cold::TIERING),
    })
}

/// Passwords come from files, because nothing secret stands in the configuration.
fn auth(cluster: &Cluster, (user, password): (&str, &str)) -> Result<String> {
    let file = cluster.dir().join(format!("{user}.password"));
    std::fs::write(&file, password)?;
    Ok(format!("{{mechanism: {MECHANISM}, username: {user}, password: {{file: {}}}}}", file.display()))
}
