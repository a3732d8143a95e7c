//! What the demo needs on this machine, checked before anything starts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail, ensure};
use tidegate_tests::s3::Maker;
use tidegate_tests::{Version, cache};

/// Kafka 4 brokers need it.
const JAVA_MIN: u32 = 17;

/// # Errors
/// What is missing, and how to get it.
pub(crate) fn check() -> Result<()> {
    let jdk = "install a JDK 17 or newer (Debian and Ubuntu: apt-get install openjdk-17-jdk-headless)";
    ensure!(on_path("java"), "`java` is not on the PATH, and Kafka runs on it: {jdk}");
    ensure!(on_path("javac"), "`javac` is not on the PATH; a JRE is not enough: {jdk}");
    match java_version() {
        Some(version) if version < JAVA_MIN => bail!("`java` is version {version}: {jdk}"),
        _ => {}
    }
    let maven = "install Maven (Debian and Ubuntu: apt-get install maven)";
    let fetched = has_kafka() && has_s3();
    ensure!(on_path("mvn") || fetched, "`mvn` is not on the PATH, and it fetches Kafka and S3Proxy: {maven}");
    Ok(())
}

/// Whether Kafka has been fetched before.
pub(crate) fn has_kafka() -> bool {
    cache::dir().join(format!("kafka-{}/.complete", Version::Newest.number())).exists()
}

/// Whether the S3 server has been fetched before.
pub(crate) fn has_s3() -> bool {
    cache::dir().join(Maker::S3Proxy.name()).join(".complete").exists()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir: PathBuf| dir.join(program)).any(|file| file.is_file())
}

fn java_version() -> Option<u32> {
    let out = Command::new("java").arg("-version").output().ok()?;
    major(&String::from_utf8_lossy(&out.stderr))
}

/// 17 from `openjdk version "17.0.15" 2025-04-15`, 8 from `java version "1.8.0_402"`.
fn major(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    let quoted = quoted.strip_prefix("1.").unwrap_or(quoted);
    let digits = quoted.find(|c: char| !c.is_ascii_digit()).unwrap_or(quoted.len());
    quoted[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_tells_its_version_in_several_ways() {
        let said = ["openjdk version \"17.0.15\" 2025-04-15", "java version \"1.8.0_402\"", "java 21"];
        assert_eq!(said.map(major), [Some(17), Some(8), None]);
        assert_eq!(major("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(major("openjdk version \"25-ea\" 2025-09-16"), Some(25));
    }
}
