//! The stage for steering: three brokers and three gateways in three zones, a writer, and readers in a zone where
//! the leaders are not.
//!
//! ```text
//!              az1            az2 (readers)       az3
//! gateways     gw-az1         gw-az2              gw-az3
//! brokers      1 leads p0     2 follows both      3 leads p1
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::driver::Driver;
use super::placement;
use super::reader::Reader;
use super::spec::{Reading, Writing};
use super::writer::Writer;
use crate::java::{Admin, PartitionState};
use crate::{Cluster, Fleet, Java, wait};

/// The topic that is read.
pub const TOPIC: &str = "reads";
/// The zone of the readers.
pub const ZONE: &str = "az2";
/// The broker in that zone.
pub const FOLLOWER: i32 = 2;
/// The replicas of each partition, the leader first.
pub(super) const REPLICAS: [&[i32]; 2] = [&[1, 2, 3], &[3, 2, 1]];

/// Records a second, and bytes of each: enough that a replica that stops falls behind by more than one fetch.
const RATE: u32 = 100;
const VALUE_BYTES: usize = 2_000;
/// How long any client may take to start, or to catch up when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts of fetches by the labels `from` and `reason`.
pub type Served = BTreeMap<(String, String), f64>;

/// All of it, running. It is taken down in the order of the fields, so that nobody complains of a missing other.
#[derive(Debug)]
pub struct Stage {
    /// The readers, through the gateway in [`ZONE`].
    pub readers: Vec<(Driver, Reader)>,
    /// Writes steadily to both partitions, on the brokers themselves.
    pub writer: Writer,
    /// An admin client on the brokers themselves.
    pub admin: Admin,
    /// The gateways.
    pub fleet: Fleet,
    /// The brokers.
    pub cluster: Cluster,
    opened: u32,
}

impl Stage {
    /// Starts everything, one reader per client, and waits until each of them reads.
    pub fn start(clients: &[Driver]) -> Result<Self> {
        let cluster = Cluster::builder().brokers(3).racks(["az1", "az2", "az3"]);
        let cluster = cluster
            // Out of sync after 5 s, and then slow to catch up: 64 KiB a fetch.
            .property("replica.lag.time.max.ms", "5000")
            .property("replica.fetch.max.bytes", "65536")
            .start()?;
        let admin = Java::resident()?.admin(&cluster.bootstrap());
        admin.create_topic_on(TOPIC, &REPLICAS)?;
        keep_coordinators_off(&admin, FOLLOWER)?;
        let fleet = Fleet::start(&cluster, &["az1", "az2", "az3"], "")?;
        let mut writing = Writing::new(&cluster.bootstrap(), TOPIC, &[0, 1], 0).rate(RATE);
        writing.value_bytes = VALUE_BYTES;
        // A batch is never split, so what has queued up while a broker was missing must not become a single one.
        writing.props = json!({"batch.size": 16_384});
        let writer = Driver::Librdkafka.spawn_producer(&writing)?;
        let mut stage = Self { cluster, fleet, admin, writer, readers: Vec::new(), opened: 0 };
        for client in clients {
            let reader = stage.open(*client)?;
            stage.readers.push((*client, reader));
        }
        for (client, reader) in &stage.readers {
            reader.wait_records(u64::from(RATE), PATIENCE).with_context(|| client.name())?;
        }
        Ok(stage)
    }

    /// A new reader in a group of its own, from the beginning.
    pub fn open(&mut self, client: Driver) -> Result<Reader> {
        self.opened += 1;
        let group = format!("{client}-{}", self.opened);
        client.spawn_consumer(&Reading::group(&self.fleet.site(ZONE)?.address(), TOPIC, &group))
    }

    /// The partitions of [`TOPIC`], as broker 1 sees them: nothing ever happens to broker 1.
    pub(super) fn partitions(&self) -> Result<Vec<PartitionState>> {
        let broker = self.cluster.brokers().first().context("no brokers")?;
        placement::ask(&broker.address(), TOPIC)
    }

    /// Every reader reads what was acknowledged by now, within `limit` each; outcomes in the order of the readers.
    pub fn keep_up(&self, limit: Duration) -> Vec<Result<()>> {
        let written = self.writer.history();
        let keeps_up = |reader: &Reader| {
            reader.wait_holds(&written, limit)?;
            reader.history().check()
        };
        self.readers.iter().map(|(_, reader)| keeps_up(reader)).collect()
    }

    /// Fetches at the gateway in [`ZONE`] by where they were served (`in_zone`, `cross_zone`) and why.
    pub fn served(&mut self) -> Result<Served> {
        let mut served = Served::new();
        for sample in self.fleet.gateway(ZONE)?.metrics()?.0 {
            let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
            if sample.name == "tidegate_fetch_served_total" {
                served.insert((label("from"), label("reason")), sample.value);
            }
        }
        Ok(served)
    }

    /// Fetches that were served from another zone.
    pub fn crossed(&mut self) -> Result<f64> {
        Ok(self.served()?.iter().filter(|((from, _), _)| from == "cross_zone").map(|(_, n)| n).sum())
    }

    /// Waits until reads are served in zone and nowhere else over a whole second.
    pub fn wait_in_zone(&mut self, limit: Duration) -> Result<()> {
        let mut before = self.served()?;
        wait::until_true("reads to come from the zone alone", limit, || {
            std::thread::sleep(Duration::from_secs(1));
            let now = self.served()?;
            let mut grown = now.clone();
            grown.iter_mut().for_each(|(place, n)| *n -= before.get(place).unwrap_or(&0.0));
            grown.retain(|_, n| *n > 0.0);
            before = now;
            ensure!(grown.keys().all(|(from, _)| from == "in_zone"), "served in the last second: {grown:?}");
            Ok(!grown.is_empty())
        })
    }

    /// Waits until reads come from the zone, and gives the share of the bytes fetched that crossed a zone while
    /// every reader read on to `records` more than any has read by now.
    pub fn crossing_share(&mut self, records: u64, limit: Duration) -> Result<f64> {
        self.wait_in_zone(limit)?;
        let (all_before, crossed_before) = self.fetch_bytes()?;
        let most = self.readers.iter().map(|(_, reader)| reader.history().records()).max();
        for (client, reader) in &self.readers {
            reader.wait_records(most.unwrap_or(0) + records, limit).with_context(|| client.name())?;
        }
        let (all, crossed) = self.fetch_bytes()?;
        let read = (records * self.readers.len() as u64 * VALUE_BYTES as u64) as f64;
        ensure!(
            all - all_before > read,
            "only {} bytes passed for {read} bytes of records",
            all - all_before
        );
        Ok((crossed - crossed_before) / (all - all_before))
    }

    /// Bytes of Fetch that readers' traffic took over all legs so far, and those of them that crossed a zone.
    pub fn fetch_bytes(&mut self) -> Result<(f64, f64)> {
        let (mut all, mut crossed) = (0.0, 0.0);
        for gateway in self.fleet.gateways() {
            for sample in gateway.metrics()?.0 {
                let label = |name: &str| sample.labels.get(name).map(String::as_str).unwrap_or_default();
                let ours = sample.name == "tidegate_relayed_bytes_total" && label("client_zone") == ZONE;
                if !ours || label("api") != "Fetch" {
                    continue;
                }
                let client_leg = label("direction").contains("client");
                let far = if client_leg { label("client_zone") } else { label("broker_zone") };
                all += sample.value;
                crossed += if far == label("gateway_zone") { 0.0 } else { sample.value };
            }
        }
        Ok((all, crossed))
    }
}

/// A group whose coordinator dies is another story than a read whose follower does: keep them apart.
fn keep_coordinators_off(admin: &Admin, broker: i32) -> Result<()> {
    // Asking for a group's offsets creates the topic.
    wait::until("the groups' topic", PATIENCE, || admin.group_offsets("nobody").map(Some))?;
    let others: Vec<i32> = REPLICAS[0].iter().copied().filter(|id| *id != broker).collect();
    for partition in admin.describe_topic("__consumer_offsets")? {
        admin.reassign("__consumer_offsets", partition.partition, &others)?;
    }
    Ok(())
}
