//! Kroxylicious without filters, run from its jars in Maven Central.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tests::cache;
use tests::process::Process;

use super::{Upstream, Workshop};

/// The newest runtime that Maven Central has; its `main` is not there, so we bring one.
const VERSION: &str = "0.12.0";
const MAIN: &str = include_str!("RunKroxylicious.java");

pub(super) fn start(workshop: &Workshop, upstream: &Upstream) -> anyhow::Result<Process> {
    let jars = jars()?;
    let config = workshop.write("kroxylicious.yaml", &config(upstream))?;
    let classpath = format!("{}/lib/*:{}", jars.display(), jars.display());
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", &classpath]);
    java.arg("RunKroxylicious").arg(config);
    workshop.spawn("kroxylicious", &mut java)
}

/// Resolves the jars and compiles the main class into the cache, once; the folder.
fn jars() -> anyhow::Result<PathBuf> {
    let folder = cache::dir().join(format!("kroxylicious-{VERSION}"));
    cache::fill_once(&folder, |folder| resolve(folder).and_then(|()| compile(folder)))?;
    Ok(folder)
}

fn resolve(folder: &Path) -> anyhow::Result<()> {
    std::fs::write(folder.join("pom.xml"), POM.replace("VERSION", VERSION))?;
    let mut maven = Command::new("mvn");
    maven.args([
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        "-DoutputDirectory=lib",
    ]);
    let output = maven.current_dir(folder).output().context("mvn")?;
    ensure!(output.status.success(), "mvn: {}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn compile(folder: &Path) -> anyhow::Result<()> {
    std::fs::write(folder.join("RunKroxylicious.java"), MAIN)?;
    let mut javac = Command::new("javac");
    javac.args(["-cp", "lib/*", "RunKroxylicious.java"]);
    let output = javac.current_dir(folder).output().context("javac")?;
    ensure!(output.status.success(), "javac: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>kroxylicious</artifactId><version>1</version>
<dependencies><dependency>
<groupId>io.kroxylicious</groupId><artifactId>kroxylicious-runtime</artifactId><version>VERSION</version>
</dependency><dependency>
<groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>2.0.17</version>
</dependency></dependencies></project>
"#;

/// Bootstrap one port below the broker's.
fn config(upstream: &Upstream) -> String {
    format!(
        "virtualClusters:
- name: bench
  targetCluster: {{bootstrapServers: \"{}\"}}
  gateways:
  - name: default
    portIdentifiesNode:
      bootstrapAddress: 127.0.0.1:{}
      nodeIdRanges:
      - {{name: default, start: {}, end: {}}}
",
        upstream.addr,
        upstream.port - 1,
        upstream.broker,
        upstream.broker
    )
}
