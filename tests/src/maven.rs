//! Jars from Maven Central, by coordinates.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Group, artifact and version.
pub type Coordinates = (&'static str, &'static str, &'static str);

/// Copies these and what they need into `dir/lib`. Of two versions that of a jar named here wins.
pub fn copy_jars(dir: &Path, jars: &[Coordinates]) -> Result<()> {
    fs::write(dir.join("pom.xml"), pom(jars))?;
    let out = Command::new("mvn")
        .current_dir(dir)
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", dir.join("lib").display()))
        .output()
        .context("run mvn: Maven is needed (Debian: apt-get install maven)")?;
    ensure!(out.status.success(), "mvn: {}", String::from_utf8_lossy(&out.stdout));
    Ok(())
}

fn pom(jars: &[Coordinates]) -> String {
    let mut text = String::from(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>tidegate</groupId><artifactId>dist</artifactId><version>1</version><dependencies>",
    );
    for (group, artifact, version) in jars {
        text += &format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>"
        );
    }
    text + "</dependencies></project>"
}
