//! Kafka's own smoke test of Streams (`org.apache.kafka.streams.tests.StreamsSmokeTest`, from the test jar that Kafka publishes): a driver that writes and
//! in the end checks what workers made of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::jars::{self, KAFKA};
use crate::maven::{self, Coordinates};
use crate::process::Process;
use crate::{Dist, Version, cache, wait};

const MAIN: &str = "org.apache.kafka.streams.tests.StreamsSmokeTest";

/// The topics that must be there, with [`PARTITIONS`] each; the last one is compacted.
pub const TOPICS: [&str; 13] = [
    "data",
    "echo",
    "max",
    "min",
    "min-suppressed",
    "min-raw",
    "dif",
    "sum",
    "sws-raw",
    "sws-suppressed",
    "cnt",
    "avg",
    "tagg",
];

/// Partitions of each topic, as in Kafka's own runs.
pub const PARTITIONS: i32 = 5;

/// A driver or a worker; killed when dropped.
#[derive(Debug)]
pub struct Smoke(Process);

impl Smoke {
    /// Starts a worker that processes exactly once, with its state and log in `dir`/`name`.
    pub fn worker(bootstrap: &str, dir: &Path, name: &str) -> Result<Self> {
        Self::start(bootstrap, dir, name, "process")
    }

    /// Starts the driver: it writes for a minute and a half, then waits until all is processed, and checks it.
    pub fn driver(bootstrap: &str, dir: &Path) -> Result<Self> {
        Self::start(bootstrap, dir, "driver", "run")
    }

    fn start(bootstrap: &str, dir: &Path, name: &str, command: &str) -> Result<Self> {
        let state = dir.join(name);
        fs::create_dir_all(&state)?;
        let properties = state.with_extension("properties");
        let text = format!(
            "bootstrap.servers={bootstrap}\nprocessing.guarantee=exactly_once_v2\nstate.dir={}\nreplication.factor=3\n",
            state.display()
        );
        fs::write(&properties, text)?;
        let mut java = java()?;
        java.arg(MAIN).arg(properties).arg(command).stdin(Stdio::null());
        Process::spawn(&mut java, &state.with_extension("log")).map(Self)
    }

    /// Waits until it has said this.
    pub fn wait_said(&mut self, words: &str, limit: Duration) -> Result<()> {
        let said = wait::until_true(&format!("{words:?}"), limit, || {
            ensure!(self.0.is_alive() || self.said()?.contains(words), "it has died");
            Ok(self.said()?.contains(words))
        });
        said.with_context(|| self.0.log_tail(40))
    }

    /// Everything it has said.
    pub fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.0.log())?)
    }

    /// Waits for its end.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<()> {
        self.0.wait_exit(limit).with_context(|| self.0.log_tail(40)).map(drop)
    }

    /// SIGKILL.
    pub fn kill9(&mut self) -> Result<()> {
        self.0.kill9()
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.0.log_tail(lines)
    }
}

fn java() -> Result<Command> {
    let dist = Dist::resolve(Version::Newest)?;
    let number = dist.version().number();
    let wanted: [Coordinates; 5] = [
        (KAFKA, "kafka-streams", number),
        (KAFKA, "kafka-streams:test", number),
        (KAFKA, "kafka-clients:test", number),
        // What Kafka's test classes are linked against.
        ("org.hamcrest", "hamcrest", "3.0"),
        maven::LOGGING,
    ];
    let dir = cache::dir().join(format!("streams-smoke-{number}"));
    cache::fill_once(&dir, |dir| maven::fetch(dir, &wanted).map(drop))
        .with_context(|| format!("resolve the tests of Streams {number} from Maven"))?;
    Ok(jars::small_java(&dist, &format!("{}/*", dir.join("lib").display())))
}
