//! The process that holds brokers, gateways and an S3 server, and takes them with it when it ends.
//!
//! It says on standard output, as lines of JSON, how far it is. It ends when standard input does, so that
//! nothing survives a demo that was killed; after the line `keep` it ends by SIGTERM only.

use std::fs;
use std::io::{BufRead, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tidegate_tests::gateway::{Site, Sites};
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::{Cluster, Dist, Gateway, Version};

use super::bucket::Bucket;
use super::places::{self, Place, ZONES};
use super::{config, needs, signals};

/// How long the end may go unnoticed while everything starts.
const LISTEN_EVERY: Duration = Duration::from_millis(50);

/// The line that asks to stay.
pub(crate) const KEEP: &str = "keep";

/// One line to the demo.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// What is being done.
    Step(String),
    /// All of it runs.
    Ready {
        /// Who is where.
        places: Vec<Place>,
        /// Where history goes.
        bucket: Bucket,
    },
    /// It cannot.
    Failed(String),
}

/// Brokers, gateways and the S3 server; the gateways go first.
struct Held {
    gateways: Vec<Gateway>,
    sites: Sites,
    cluster: Cluster,
    bucket: Bucket,
    _server: Server,
}

/// Starts everything and holds it. The pid is noted in a file meanwhile.
pub(crate) fn run() -> Result<()> {
    let pid_file = places::pid_file(&places::folder()?);
    fs::write(&pid_file, format!("{}\n", std::process::id()))?;
    let held = hold();
    fs::remove_file(&pid_file)?;
    held
}

fn hold() -> Result<()> {
    let (end, ended) = mpsc::channel();
    let by_signal = end.clone();
    signals::on_end(move || {
        // Nobody listens only if the end has come already.
        let _ = by_signal.send(());
    })?;
    let (starter, started) = mpsc::channel();
    // A thread of its own: the end may come while brokers start, and nothing interrupts that.
    thread::spawn(move || {
        // Nobody waits any more if the end came first.
        let _ = starter.send(start());
    });
    thread::spawn(move || wait_for_end_of_input(&end));
    let Some(held) = until_started(&started, &ended) else { return Ok(()) };
    match held {
        Ok(held) => {
            say(&Notice::Ready { places: held.places(), bucket: held.bucket.clone() })?;
            // An error means that both who could ask are gone.
            let _ = ended.recv();
            Ok(())
        }
        Err(error) => say(&Notice::Failed(format!("{error:#}"))),
    }
}

/// What has started, or nothing if the end came first: the reaper then cleans up after this process.
fn until_started<T>(started: &Receiver<T>, ended: &Receiver<()>) -> Option<T> {
    loop {
        match started.recv_timeout(LISTEN_EVERY) {
            Ok(held) => return Some(held),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.try_recv().is_ok() {
            return None;
        }
    }
}

fn wait_for_end_of_input(end: &Sender<()>) {
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    if !lines.any(|line| line == KEEP) {
        let _ = end.send(());
    }
}

fn start() -> Result<Held> {
    if !needs::has_kafka() || !needs::has_s3() {
        step("fetching Kafka and S3Proxy from Maven Central (once)")?;
    }
    Dist::resolve(Version::Newest)?;
    step(&format!("starting three brokers of Apache Kafka {}, one a zone", Version::Newest.number()))?;
    // The broker of a zone has the address of its gateway, so that an address tells the zone.
    let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let cluster = Cluster::builder().brokers(3).racks(ZONES).hosts(hosts);
    // Kafka's default is five minutes: too long to wait for to see a disk freed.
    let cluster = cluster.property("log.retention.check.interval.ms", "1000").start()?;
    step("starting an S3 server (S3Proxy)")?;
    let server = Server::start(Maker::S3Proxy)?;
    let bucket = Bucket::of(&server.bucket()?)?;
    step("starting three gateways, one a zone")?;
    let sites = Sites::of(&cluster, &ZONES)?;
    let gateways =
        sites.all.iter().map(|site| start_gateway(site, &sites, &cluster, &bucket)).collect::<Result<_>>()?;
    Ok(Held { gateways, sites, cluster, bucket, _server: server })
}

fn start_gateway(site: &Site, sites: &Sites, cluster: &Cluster, bucket: &Bucket) -> Result<Gateway> {
    let yaml = config::yaml(site, &sites.all, &cluster.bootstrap(), bucket);
    fs::write(places::config_file(&places::folder()?, &site.zone), &yaml)?;
    Gateway::start_with(&yaml, &Server::env()).with_context(|| format!("start the gateway of {}", site.zone))
}

impl Held {
    fn places(&self) -> Vec<Place> {
        let zones = self.sites.all.iter().zip(self.cluster.brokers()).zip(&self.gateways);
        let place =
            |((site, broker), gateway): ((&Site, &tidegate_tests::cluster::Broker), &Gateway)| Place {
                zone: site.zone.clone(),
                broker_id: broker.id().into(),
                broker: broker.address(),
                log_dir: broker.log_dir(),
                gateway: site.address(),
                admin: gateway.admin().to_owned(),
            };
        zones.map(place).collect()
    }
}

fn step(text: &str) -> Result<()> {
    say(&Notice::Step(text.to_owned()))
}

fn say(notice: &Notice) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(notice)?).context("the demo is gone")?;
    Ok(out.flush()?)
}
