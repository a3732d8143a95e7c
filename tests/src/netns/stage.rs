//! A cluster and a fleet of gateways, each broker and gateway inside its zone's namespace.

use std::thread;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::{Client, Zones};
use crate::gateway::{Gateway, Site};
use crate::java::Admin;
use crate::ports::Ports;
use crate::{Cluster, Java};

/// The zones of every stage; broker N and the N-th gateway are in the N-th.
const NAMES: [&str; 3] = ["az1", "az2", "az3"];

/// Through what a client reaches the brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// No gateway.
    Direct,
    /// The gateway of its own zone.
    Tidegate,
}

/// Three zones with a broker and a gateway each.
#[derive(Debug)]
pub struct Stage {
    // In this order: namespaces go when nothing runs in them.
    gateways: Vec<Gateway>,
    cluster: Cluster,
    sites: Vec<Site>,
    _ports: Ports,
    zones: Zones,
}

impl Stage {
    /// Starts it all. One voter: a quorum's heartbeats would only be noise on the counters.
    pub fn start() -> Result<Self> {
        let zones = Zones::up(&NAMES)?;
        let all = || 0..NAMES.len();
        let cluster = Cluster::builder()
            .brokers(3)
            .racks(NAMES)
            .voters(1)
            .hosts(all().map(|n| zones.host(n)))
            .namespaces(all().map(|n| zones.namespace(n)))
            .start()?;
        let mut ports = Ports::lease()?;
        let (bootstrap, admin, first_broker_port) = (ports.one()?, ports.one()?, ports.run(3)?);
        let site = |n: usize| Site {
            id: format!("gw-{}", NAMES[n]),
            zone: NAMES[n].to_owned(),
            host: zones.host(n),
            bootstrap,
            admin,
            brokers: vec![1, 2, 3],
            first_broker_port,
        };
        let sites: Vec<Site> = all().map(site).collect();
        let gateways = all().map(|n| gateway(&zones, &cluster, &sites, n)).collect::<Result<_>>()?;
        Ok(Self { gateways, cluster, sites, _ports: ports, zones })
    }

    /// The zones, for their counters.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// An Admin client of this cluster. The resident JVM keeps Admin clients by their properties, and the next
    /// stage may have the same addresses: the id keeps it from getting this one's.
    pub fn admin(&self) -> Result<Admin> {
        let id = format!("admin-{}", self.cluster.dir().display());
        let props = json!({"bootstrap.servers": self.cluster.bootstrap(), "client.id": id});
        Ok(Java::resident()?.admin_with(props))
    }

    /// The gateway of the `n`-th zone.
    pub fn gateway(&self, n: usize) -> &Gateway {
        &self.gateways[n]
    }

    /// Where clients in the `n`-th zone bootstrap from.
    pub fn bootstrap(&self, path: Path, n: usize) -> String {
        match path {
            Path::Direct => self.cluster.bootstrap(),
            Path::Tidegate => self.sites[n].address(),
        }
    }

    /// Creates a topic and fills its three partitions, led by a broker each and copied to all, with `count`
    /// records of `size` bytes from Java's producer at its defaults.
    pub fn fill(&self, topic: &str, count: usize, size: usize) -> Result<()> {
        self.admin()?.create_topic_on(topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]])?;
        let producer = Java::resident()?.producer(json!({"bootstrap.servers": self.cluster.bootstrap()}))?;
        for partition in 0..3 {
            let count = count / 3;
            let args = json!({"topic": topic, "partition": partition, "count": count, "size": size});
            producer.send(args)?.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        Ok(())
    }

    /// A client in every zone at once, each reading the whole topic; the bytes they delivered together.
    pub fn read_everywhere(&self, client: Client, path: Path, topic: &str, count: usize) -> Result<u64> {
        let read = |n: usize| {
            let (namespace, bootstrap) = (self.zones.namespace(n), self.bootstrap(path, n));
            client.read(&namespace, &bootstrap, topic, count).with_context(|| NAMES[n])
        };
        thread::scope(|scope| {
            let readers: Vec<_> = (0..NAMES.len()).map(|n| scope.spawn(move || read(n))).collect();
            let joined = readers.into_iter().map(|r| r.join().map_err(|_| anyhow!("a reader panicked"))?);
            joined.sum()
        })
    }
}

fn gateway(zones: &Zones, cluster: &Cluster, sites: &[Site], n: usize) -> Result<Gateway> {
    let others: Vec<Site> = sites.iter().filter(|s| s.id != sites[n].id).cloned().collect();
    let upstream = format!("cluster:\n  bootstrap: [{}]", cluster.bootstrap().replace(',', ", "));
    Gateway::start_in(&zones.namespace(n), &sites[n].yaml(&upstream, &others, "", ""))
}
