//! Java sources of ours, compiled once per content into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cache, files};

/// Compiles `sources` against `classpath`; the folder of classes. `name` begins its name in the cache.
///
/// # Errors
/// No `javac`, or it refuses the sources.
pub fn compile(name: &str, sources: &[PathBuf], classpath: &str) -> Result<PathBuf> {
    let dir = cache::dir().join(format!("{name}-{}", files::fingerprint(sources)?));
    cache::fill_once(&dir, |dir| {
        let mut javac = Command::new("javac");
        javac.args(["-proc:none", "-nowarn", "-cp", classpath, "-d"]).arg(dir).args(sources);
        let out =
            javac.output().context("run javac: a JDK 17 is needed (Debian: openjdk-17-jdk-headless)")?;
        ensure!(out.status.success(), "javac: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    })?;
    Ok(dir)
}
