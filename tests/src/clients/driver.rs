//! The clients, and how each is started.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};

use super::feed::Feed;
use super::line::Line;
use super::reader::Reader;
use super::spec::{Reading, Writing};
use super::writer::Writer;
use crate::process::Process;
use crate::reaper;

/// A Kafka client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// The reference: kafka-clients, in the resident JVM. Reads only; its producer is [`crate::java::Producer`].
    Java,
    /// franz-go.
    Franz,
    /// IBM's sarama.
    Sarama,
    /// kafkajs.
    KafkaJs,
    /// aiokafka: ignores the hint unless it has a rack.
    Aiokafka,
    /// librdkafka, through confluent-kafka.
    Librdkafka,
    /// kafka-python: follows the hint for one fetch only.
    KafkaPython,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Java,
        Self::Librdkafka,
        Self::Franz,
        Self::Sarama,
        Self::KafkaJs,
        Self::Aiokafka,
        Self::KafkaPython,
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Franz => "franz",
            Self::Sarama => "sarama",
            Self::KafkaJs => "kafkajs",
            Self::Aiokafka => "aiokafka",
            Self::Librdkafka => "librdkafka",
            Self::KafkaPython => "kafka-python",
        }
    }

    /// Starts a consumer.
    pub fn spawn_consumer(self, reading: &Reading) -> Result<Reader> {
        match self {
            Self::Java => super::java::open(reading),
            _ => Ok(Reader::driven(Driven::spawn(self, &reading.args())?)),
        }
    }

    /// Starts a producer; not for Java.
    pub fn spawn_producer(self, writing: &Writing) -> Result<Writer> {
        Ok(Writer::driven(Driven::spawn(self, &writing.args())?))
    }

    /// The driver's command line without arguments; its family is installed first if it is not yet.
    fn command(self) -> Result<Command> {
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
        Ok(match self {
            Self::Java => anyhow::bail!("Java's clients live in the resident JVM: see crate::java"),
            Self::Franz | Self::Sarama => Command::new(install("go")?.join("bin").join(self.name())),
            Self::KafkaJs => {
                let mut node = Command::new("node");
                node.env("NODE_PATH", install("node")?.join("node_modules"));
                node.arg(sources.join("node/kafkajs.js"));
                node
            }
            Self::Aiokafka | Self::Librdkafka | Self::KafkaPython => {
                let mut python = Command::new(install("python")?.join("venv/bin/python"));
                let script = format!("python/{}_driver.py", self.name().replace('-', "_"));
                python.arg(sources.join(script));
                python
            }
        })
    }
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Installs a family of clients into the cache (offline and in milliseconds when it is there) and says where.
fn install(family: &str) -> Result<PathBuf> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/install.sh");
    let out = Command::new(script).arg(family).output().context("run install.sh")?;
    ensure!(out.status.success(), "install.sh {family}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(PathBuf::from(String::from_utf8(out.stdout)?.trim()))
}

/// A driver's process with the thread that reads it.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) feed: Arc<Feed>,
    pub(super) process: Process,
    /// Open as long as the driver shall go on.
    pub(super) input: Option<ChildStdin>,
    pub(super) pump: Option<JoinHandle<()>>,
}

impl Driven {
    fn spawn(driver: Driver, args: &[String]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tidegate-client-").tempdir()?.keep();
        reaper::note_dir(&dir)?;
        let log = dir.join(format!("{driver}.log"));
        let mut process = Process::spawn_piped(driver.command()?.args(args), &log)?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("a driver without output")?;
        let feed = Arc::new(Feed::default());
        let theirs = Arc::clone(&feed);
        let pump = thread::spawn(move || read_lines(BufReader::new(output), &theirs));
        Ok(Self { feed, process, input, pump: Some(pump) })
    }
}

fn read_lines(output: impl BufRead, feed: &Feed) {
    for text in output.lines().map_while(Result::ok) {
        match Line::parse(&text) {
            Ok(line) => feed.line(line),
            Err(error) => return feed.end(format!("{error:#}")),
        }
    }
    feed.end("its output ended".to_owned());
}
