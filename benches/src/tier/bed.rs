//! One broker, one S3 server, one gateway that tiers a topic, and a slow way to the server.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use store::s3::Settings;
use tests::gateway::{Gateway, Site, Sites};
use tests::java::{Admin, Java};
use tests::s3::{Maker, Server};
use tests::{Cluster, wait};

use super::slow::Slow;
use crate::candidate::Workshop;
use crate::real::perf;

/// The topic that is tiered.
pub(super) const TOPIC: &str = "history";
/// The same, and it stays on the broker.
pub(super) const KEPT: &str = "kept";
/// Where writers write meanwhile.
pub(super) const HOT: &str = "hot";
/// Bytes at which segments are cut, MiB.
pub(super) const SEGMENT_MIB: u32 = 64;
/// What a GET waits on the slow way.
pub(super) const DELAY: Duration = Duration::from_millis(30);
/// How long everything may take to move.
const MOVE_LIMIT: Duration = Duration::from_secs(300);
/// How long a gateway may take to know what is in the store.
const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// Which way the gateway goes to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Directly.
    Near,
    /// Through the slow way.
    Slow,
}

/// All of it.
pub(super) struct Bed {
    // Dropped in this order.
    gateway: Option<Gateway>,
    sites: Sites,
    slow: Slow,
    pub(super) settings: Settings,
    server: Server,
    cluster: Cluster,
    admin: Admin,
    records: i64,
}

impl Bed {
    /// Starts broker and store, and writes `records`.
    pub(super) fn start(workshop: &Workshop, records: u64) -> anyhow::Result<Self> {
        let cluster = Cluster::builder().jvm(["-Xms1g", "-Xmx1g"]).start()?;
        let server = Server::start(Maker::S3Proxy)?;
        let settings = server.bucket()?;
        let slow = Slow::before(server.address().parse()?, DELAY)?;
        let admin = Java::resident()?.admin(&cluster.bootstrap());
        let to: SocketAddr = cluster.bootstrap().parse()?;
        admin.create_topic(HOT, 1, 1)?;
        for topic in [TOPIC, KEPT] {
            admin.create_topic(topic, 1, 1)?;
            perf::produce(cluster.dist(), perf::Produce { to, topic, records, rate: None })?;
        }
        eprintln!("tier: {records} records of {} bytes; logs in {}", perf::RECORD, workshop.folder.display());
        let sites = Sites::of(&cluster, &["az1"])?;
        Ok(Self { gateway: None, sites, slow, settings, server, cluster, admin, records: records as i64 })
    }

    /// Ends the gateway, if there is one, and starts one with nothing in memory; its pid.
    pub(super) fn restart(&mut self, front: Front) -> anyhow::Result<u32> {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.kill9()?;
        }
        let site = self.site()?;
        let upstream = format!("cluster:\n  bootstrap: [{}]", self.cluster.bootstrap());
        let yaml = site.yaml(&upstream, &[], "", &self.sections(front));
        let gateway = self.gateway.insert(Gateway::start_with(&yaml, &Server::env())?);
        let pid = gateway.process().pid();
        let open = || Ok(self.gateway()?.status()?["tier"]["open"] == true);
        wait::until_true("the tier to be open", OPEN_LIMIT, open)?;
        Ok(pid)
    }

    fn sections(&self, front: Front) -> String {
        let settings = match front {
            Front::Near => self.settings.clone(),
            Front::Slow => self.slow_settings(),
        };
        Server::yaml(&settings)
            + &format!(
                "tiering:\n  topics:\n    - {{match: {TOPIC}, hot: {{time: 1s}}, trim: true}}\n  \
                 segment: {{bytes: {SEGMENT_MIB}MiB, age: 1s}}\n"
            )
    }

    /// The bucket by the slow way.
    pub(super) fn slow_settings(&self) -> Settings {
        Settings { endpoint: Some(format!("http://{}", self.slow.address())), ..self.settings.clone() }
    }

    /// Until the broker has dropped all of it.
    pub(super) fn wait_moved(&self) -> anyhow::Result<()> {
        let moved = || Ok(self.admin.offsets(TOPIC, 0)?.0 >= self.records);
        wait::until_true("the history to move", MOVE_LIMIT, moved)
    }

    /// Where the topic's leader is reached through the gateway.
    pub(super) fn address(&self) -> SocketAddr {
        let Site { host, first_broker_port, .. } = &self.sites.all[0];
        let address = format!("{host}:{first_broker_port}").parse();
        address.unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], *first_broker_port)))
    }

    /// The broker.
    pub(super) fn direct(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.cluster.bootstrap().parse()?)
    }

    /// The end of the topic.
    pub(super) fn end(&self) -> i64 {
        self.records
    }

    /// Requests of an operation that this gateway has asked.
    pub(super) fn store_requests(&self, op: &str) -> anyhow::Result<f64> {
        Ok(self.gateway()?.metrics()?.sum("tidegate_store_requests_total", &[("op", op)]))
    }

    /// Bytes of bodies of an operation.
    pub(super) fn store_bytes(&self, op: &str) -> anyhow::Result<f64> {
        Ok(self.gateway()?.metrics()?.sum("tidegate_store_bytes_total", &[("op", op)]))
    }

    /// The processes that belong to the measurement.
    pub(super) fn pids(&mut self) -> Vec<u32> {
        let broker = self.cluster.brokers()[0].pid();
        let gateway = self.gateway.as_mut().map(|g| g.process().pid());
        [broker, self.server.process().pid()].into_iter().chain(gateway).collect()
    }

    fn site(&self) -> anyhow::Result<Site> {
        self.sites.all.first().cloned().context("no site")
    }

    fn gateway(&self) -> anyhow::Result<&Gateway> {
        self.gateway.as_ref().context("no gateway")
    }
}
