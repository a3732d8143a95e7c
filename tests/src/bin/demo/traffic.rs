//! The clients: `Traffic.java`, started and listened to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tidegate_tests::process::Process;
use tidegate_tests::{Dist, Version, javac};

use super::feed::Feed;
use super::signals::Stop;

/// Records written in one phase; every group reads each once.
pub(crate) const RECORDS: u64 = 60_000;

/// Bytes of a record's value.
const RECORD_BYTES: u64 = 1000;

/// How long the producer takes, by its pace.
const SECONDS: u64 = 15;

/// The longest silence of the clients that is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long clients may take to leave their groups.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Bytes to and from each node, by Kafka's name of the connection: `node-1`.
pub(crate) type BytesByNode = BTreeMap<String, u64>;

/// What the clients say twice a second.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    /// Records that brokers have acknowledged.
    pub(crate) acknowledged: u64,
    /// The producer's network counters.
    pub(crate) producer: BytesByNode,
    /// The groups.
    pub(crate) consumers: Vec<Group>,
    /// Whether everything is written and read.
    pub(crate) done: bool,
}

/// A consumer group, one consumer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Group {
    /// Where it is.
    pub(crate) zone: String,
    /// Records read.
    pub(crate) records: u64,
    /// Records that did not follow the one before: lost, repeated or out of order.
    pub(crate) misplaced: u64,
    /// Its network counters.
    pub(crate) bytes: BytesByNode,
}

/// Running clients, killed when dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    process: Process,
    feed: Feed<Progress>,
    input: ChildStdin,
}

impl Traffic {
    /// Starts the producer in the first zone and a group in every zone, given as (zone, address).
    pub(crate) fn start(topic: &str, zones: &[(&str, &str)], log: &Path) -> Result<Self> {
        let dist = Dist::resolve(Version::Newest)?;
        let classes = compile(&dist)?;
        let (_, first) = zones.first().context("no zone")?;
        let mut java = Command::new("java");
        java.arg("-cp").arg(format!("{}:{}", classes.display(), dist.classpath())).args(dist.log_flags());
        java.args([
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "tidegate.demo.Traffic",
            topic,
        ]);
        java.args([RECORDS, RECORD_BYTES, SECONDS].map(|n| n.to_string())).arg(first);
        java.args(zones.iter().map(|(zone, address)| format!("{zone}={address}")));
        let mut process = Process::spawn_piped(&mut java, log)?;
        let input = process.child().stdin.take().context("no pipe")?;
        let feed = Feed::of(process.child().stdout.take().context("no pipe")?);
        Ok(Self { process, feed, input })
    }

    /// What the clients say next.
    ///
    /// # Errors
    /// A client failed, fell silent, or somebody wants us to stop.
    pub(crate) fn next(&self, stop: &Stop) -> Result<Progress> {
        let next = self.feed.next(PATIENCE, stop).context("the clients")?;
        next.with_context(|| format!("a client failed:\n{}", self.process.log_tail(20)))
    }

    /// Lets the clients close their connections and leave.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.input);
        ensure!(self.process.wait_exit(END_LIMIT)?.success(), "a client failed at its end");
        Ok(())
    }
}

/// Megabytes of values written in one phase.
pub(crate) fn megabytes(records: u64) -> u64 {
    records * RECORD_BYTES / 1_000_000
}

fn compile(dist: &Dist) -> Result<PathBuf> {
    let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/demo/Traffic.java"));
    javac::compile(&format!("demo-{}", dist.version().number()), &[source], &dist.classpath())
}
