//! Who is where: what the holding process tells the demo.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The zones of the demo; a broker, a gateway and a consumer group in each.
pub(crate) const ZONES: [&str; 3] = ["az1", "az2", "az3"];

/// One zone's broker and gateway, by `host:port`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The zone.
    pub(crate) zone: String,
    /// Its broker's id.
    pub(crate) broker_id: i64,
    /// Its broker.
    pub(crate) broker: String,
    /// The folder of its log.
    pub(crate) log_dir: PathBuf,
    /// Its gateway, as clients see it.
    pub(crate) gateway: String,
    /// Its gateway's admin port.
    pub(crate) admin: String,
}

/// The folder of configuration files and logs: `target/demo`.
pub(crate) fn folder() -> Result<PathBuf> {
    // target/debug/demo -> target
    let exe = std::env::current_exe()?;
    Ok(exe.ancestors().nth(2).context("where is the target folder?")?.join("demo"))
}

/// The gateway's configuration file.
pub(crate) fn config_file(folder: &Path, zone: &str) -> PathBuf {
    folder.join(format!("{zone}.yaml"))
}

/// Where the pid of the holding process is noted.
pub(crate) fn pid_file(folder: &Path) -> PathBuf {
    folder.join("pid")
}

/// A path as short as it can be named from here.
pub(crate) fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
