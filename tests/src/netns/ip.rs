//! iproute2's `ip`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs `ip` with these words; the error holds what it complained of.
pub(super) fn run(words: &str) -> Result<()> {
    read(words).map(|_| ())
}

/// The same, for its output.
pub(super) fn read(words: &str) -> Result<String> {
    let out = Command::new("ip").args(words.split_whitespace()).output().context("run ip")?;
    ensure!(out.status.success(), "ip {words}: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(String::from_utf8(out.stdout)?)
}
