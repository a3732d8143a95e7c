//! The clients, and how each is started.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::admin::{self, Administering, Step};
use super::feed::Feed;
use super::line::Line;
use super::reader::Reader;
use super::security::{self, Security};
use super::spec::{Reading, Writing};
use super::writer::Writer;
use crate::process::Process;
use crate::{netns, reaper};

/// A Kafka client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// The reference: kafka-clients, the newest.
    Java,
    /// kafka-clients 2.8: before hints came with addresses, topics with ids, and groups with a broker in charge.
    Java28,
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
    /// librdkafka, through the rdkafka crate.
    Rdkafka,
    /// kafka-python: follows the hint for one fetch only.
    KafkaPython,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Java,
        Self::Java28,
        Self::Librdkafka,
        Self::Rdkafka,
        Self::Franz,
        Self::Sarama,
        Self::KafkaJs,
        Self::Aiokafka,
        Self::KafkaPython,
    ];

    /// One of each library: what is quickly installed.
    pub const LIBRARIES: [Self; 7] = [
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
            Self::Java28 => "java-2.8",
            Self::Franz => "franz",
            Self::Sarama => "sarama",
            Self::KafkaJs => "kafkajs",
            Self::Aiokafka => "aiokafka",
            Self::Librdkafka => "librdkafka",
            Self::Rdkafka => "rdkafka",
            Self::KafkaPython => "kafka-python",
        }
    }

    /// Starts a consumer.
    pub fn spawn_consumer(self, reading: &Reading) -> Result<Reader> {
        Ok(Reader::driven(Driven::spawn(
            self,
            &reading.args(),
            &reading.security,
            reading.namespace.as_deref(),
        )?))
    }

    /// Starts a producer.
    pub fn spawn_producer(self, writing: &Writing) -> Result<Writer> {
        Ok(Writer::driven(Driven::spawn(self, &writing.args(), &writing.security, None)?))
    }

    /// Puts the client's admin API through the script; the outcome of every step.
    pub fn administer(self, task: &Administering, limit: Duration) -> Result<Vec<Step>> {
        admin::outcomes(Driven::spawn(self, &task.args(), &task.security, None)?, limit)
    }

    /// Which argument of `install.sh` brings it.
    fn family(self) -> &'static str {
        match self {
            Self::Java | Self::Java28 => self.name(),
            Self::Franz | Self::Sarama => "go",
            Self::KafkaJs => "node",
            Self::Aiokafka | Self::Librdkafka | Self::KafkaPython => "python",
            Self::Rdkafka => "rust",
        }
    }

    /// Installs it into the cache if it isn't there, so that no wait for a client is a wait for a registry.
    fn install(self) -> Result<()> {
        let out = script("install.sh").arg(self.family()).output().context("run install.sh")?;
        ensure!(
            out.status.success(),
            "install.sh {}: {}",
            self.family(),
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
    }
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

fn script(name: &str) -> Command {
    Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(name))
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
    fn spawn(driver: Driver, args: &[String], security: &Security, namespace: Option<&str>) -> Result<Self> {
        driver.install()?;
        let dir = tempfile::Builder::new().prefix("tidegate-client-").tempdir()?.keep();
        reaper::note_dir(&dir)?;
        let log = dir.join(format!("{driver}.log"));
        let mut command = script("driver.sh");
        command.arg(driver.name()).args(args);
        if let Some(password) = security.password() {
            command.env(security::PASSWORD, password);
        }
        let mut process = Process::spawn_piped(&mut netns::inside(namespace, command), &log)?;
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
