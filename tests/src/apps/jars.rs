//! The jars of Kafka Streams and Kafka Connect, and a JVM that has them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::maven::{self, Coordinates};
use crate::{Dist, Version, cache};

pub(super) const KAFKA: &str = "org.apache.kafka";

/// Resolved jars.
#[derive(Clone, Debug)]
pub(super) struct Jars {
    lib: PathBuf,
    dist: Dist,
}

impl Jars {
    /// Finds them in the cache, or resolves them (about 15 s, 107 MB).
    pub(super) fn resolve() -> Result<Self> {
        let dist = Dist::resolve(Version::Newest)?;
        let number = dist.version().number();
        let wanted: [Coordinates; 4] = [
            (KAFKA, "kafka-streams", number),
            (KAFKA, "connect-runtime", number),
            (KAFKA, "connect-file", number),
            maven::LOGGING,
        ];
        let dir = cache::dir().join(format!("apps-{number}"));
        cache::fill_once(&dir, |dir| maven::fetch(dir, &wanted).map(drop))
            .with_context(|| format!("resolve Streams and Connect {number} from Maven"))?;
        Ok(Self { lib: dir.join("lib"), dist })
    }

    /// The version as Maven spells it.
    pub(super) fn number(&self) -> &'static str {
        self.dist.version().number()
    }

    /// The class path of all jars.
    pub(super) fn classpath(&self) -> String {
        format!("{}/*", self.lib.display())
    }

    /// `java` with these jars behind `classes`, small, and logging to standard output; the caller adds the class.
    pub(super) fn java(&self, classes: Option<&PathBuf>) -> Command {
        let ours = classes.map(|dir| format!("{}:", dir.display())).unwrap_or_default();
        small_java(&self.dist, &(ours + &self.classpath()))
    }
}

/// `java` with this class path, small, and logging to standard output.
pub(super) fn small_java(dist: &Dist, classpath: &str) -> Command {
    let mut java = Command::new("java");
    java.arg("-cp").arg(classpath).args(dist.log_flags());
    java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]);
    java
}
