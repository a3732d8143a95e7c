//! Apache Kafka's jars, resolved from Maven Central by coordinates and kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::maven::{self, Coordinates};
use crate::{cache, files};

/// The Kafka releases the tests run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// 4.3.1: the newest whose command line tools are published too.
    Newest,
    /// 4.4.0: the newest broker; its command line tools were not published.
    NewestBroker,
    /// 3.9.2: the last that can migrate from ZooKeeper, run with KRaft here.
    V3,
    /// 2.8.2: with ZooKeeper.
    V2,
}

impl Version {
    /// The version as Maven spells it.
    pub fn number(self) -> &'static str {
        match self {
            Self::Newest => "4.3.1",
            Self::NewestBroker => "4.4.0",
            Self::V3 => "3.9.2",
            Self::V2 => "2.8.2",
        }
    }

    /// Whether brokers need ZooKeeper.
    pub fn needs_zookeeper(self) -> bool {
        self == Self::V2
    }

    /// What a broker and its tools need, beside what Maven adds, and a logging backend: without one a
    /// broker that fails to start says nothing.
    fn dependencies(self) -> Vec<Coordinates> {
        let kafka = "org.apache.kafka";
        let mut all = vec![(kafka, "kafka_2.13", self.number())];
        if matches!(self, Self::Newest | Self::V3) {
            all.push((kafka, "kafka-tools", self.number()));
        }
        all.push(match self {
            Self::Newest | Self::NewestBroker => maven::LOGGING,
            Self::V3 | Self::V2 => ("org.slf4j", "slf4j-reload4j", "1.7.36"),
        });
        all
    }
}

/// A resolved Kafka: jars, logging configuration, and the first records of a KRaft log.
#[derive(Clone, Debug)]
pub struct Dist {
    version: Version,
    dir: PathBuf,
}

impl Dist {
    /// Finds the version in the cache, or resolves it (about 10 s).
    pub fn resolve(version: Version) -> Result<Self> {
        let dir = cache::dir().join(format!("kafka-{}", version.number()));
        cache::fill_once(&dir, |dir| fill(version, dir))
            .with_context(|| format!("resolve Kafka {} from Maven", version.number()))?;
        Ok(Self { version, dir })
    }

    /// Which version this is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The folder of jars.
    pub fn lib(&self) -> PathBuf {
        self.dir.join("lib")
    }

    /// One jar by the start of its name, e.g. `kafka-clients-`.
    pub fn jar(&self, start: &str) -> Result<PathBuf> {
        let named = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(start));
        files::list(&self.lib(), ".jar")?.into_iter().find(named).with_context(|| format!("no jar {start}*"))
    }

    /// The class path of all jars.
    pub fn classpath(&self) -> String {
        format!("{}/*", self.lib().display())
    }

    /// `java` with this class path and logging to standard output; the caller adds flags and the class.
    pub fn java(&self) -> Command {
        let mut java = Command::new("java");
        java.args(["-cp", &self.classpath()]).args(self.log_flags());
        java
    }

    /// Flags that point the logging backend at its configuration.
    pub fn log_flags(&self) -> Vec<String> {
        let log4j2 = format!("-Dlog4j2.configurationFile={}", self.dir.join("log4j2.properties").display());
        let log4j1 = format!("-Dlog4j.configuration=file:{}", self.dir.join("log4j.properties").display());
        vec![log4j2, log4j1]
    }

    /// What a freshly formatted KRaft log folder holds beside `meta.properties`: the same for every cluster
    /// of a version.
    pub fn formatted(&self) -> PathBuf {
        self.dir.join("formatted")
    }
}

fn fill(version: Version, dir: &Path) -> Result<()> {
    fs::write(dir.join("log4j.properties"), LOG4J1)?;
    fs::write(dir.join("log4j2.properties"), LOG4J2)?;
    maven::fetch(dir, &version.dependencies())?;
    if version.needs_zookeeper() { Ok(()) } else { format(&Dist { version, dir: dir.to_owned() }) }
}

/// Formats a throw-away log folder once, so that no cluster has to start a JVM for it.
fn format(dist: &Dist) -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let (logs, conf) = (dist.formatted(), tmp.path().join("server.properties"));
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n\
         controller.listener.names=CONTROLLER\nlisteners=CONTROLLER://127.0.0.1:1,PLAINTEXT://127.0.0.1:2\n\
         log.dirs={}\n",
        logs.display()
    );
    fs::write(&conf, text)?;
    let out = dist
        .java()
        .args(["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"])
        .arg(&conf)
        .output()
        .context("run java: a JDK 17 is needed (Debian: apt-get install openjdk-17-jdk-headless)")?;
    ensure!(out.status.success(), "format: {}", String::from_utf8_lossy(&out.stdout));
    fs::remove_file(logs.join("meta.properties")).context("format wrote no meta.properties")
}

const LOG4J1: &str = "\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n
log4j.logger.org.apache.zookeeper=WARN
";

const LOG4J2: &str = "\
appender.out.type=Console
appender.out.name=out
appender.out.target=SYSTEM_OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
";
