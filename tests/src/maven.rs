//! Jars from Maven Central, by coordinates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Group, artifact (with its classifier behind a colon, if it has one), version.
pub type Coordinates = (&'static str, &'static str, &'static str);

/// The logging backend of Kafka 4's brokers and clients.
pub const LOGGING: Coordinates = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4");

/// Resolves these and what they need at run time into `dir/lib`, and says where that is.
///
/// # Errors
/// No Maven, or it cannot resolve them.
pub fn fetch(dir: &Path, all: &[Coordinates]) -> Result<PathBuf> {
    fs::write(dir.join("pom.xml"), pom(all))?;
    let lib = dir.join("lib");
    let out = Command::new("mvn")
        .current_dir(dir)
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", lib.display()))
        .output()
        .context("run mvn: Maven is needed (Debian: apt-get install maven)")?;
    ensure!(out.status.success(), "mvn: {}", String::from_utf8_lossy(&out.stdout));
    Ok(lib)
}

fn pom(all: &[Coordinates]) -> String {
    let mut text = String::from(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>tidegate</groupId><artifactId>kafka-dist</artifactId><version>1</version><dependencies>",
    );
    for (group, artifact, version) in all {
        let (artifact, classifier) = artifact.split_once(':').unwrap_or((artifact, ""));
        text += &format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version><classifier>{classifier}</classifier></dependency>"
        );
    }
    text + "</dependencies></project>"
}
