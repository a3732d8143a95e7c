//! Which binary is under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

/// `$TIDEGATE_BIN`, or the workspace's `tidegate`, built once per test process beside the test itself.
pub fn path() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TIDEGATE_BIN") {
        return Ok(path.into());
    }
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if built.is_none() {
        *built = Some(build()?);
    }
    built.clone().context("no binary")
}

fn build() -> Result<PathBuf> {
    // target/debug/deps/test-0123 -> target
    let test = std::env::current_exe()?;
    let debug = test.ancestors().nth(2).context("where is target/debug?")?;
    let target = debug.parent().context("where is target?")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut build = Command::new(cargo);
    build
        .current_dir(workspace)
        .args(["build", "--quiet", "-p", "tidegate-proxy", "--target-dir"])
        .arg(target);
    ensure!(build.status()?.success(), "the gateway does not build");
    Ok(target.join("debug/tidegate"))
}
