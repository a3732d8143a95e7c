//! A small disk of a gateway's own: all that it may write lies there, so filling it hurts nobody else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::reaper;

/// Bytes that fit.
pub(super) const DISK_MIB: u64 = 32;

/// A mounted tmpfs; unmounted when dropped.
#[derive(Debug)]
pub(super) struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts one at `at`, which is made.
    pub(super) fn mount(at: &Path) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={DISK_MIB}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at))?;
        reaper::note_mount(at)?;
        Ok(Self { at: at.to_owned() })
    }

    /// Why none can be mounted here, if that is so.
    pub(super) fn missing() -> Option<String> {
        static ANSWER: OnceLock<Option<String>> = OnceLock::new();
        ANSWER.get_or_init(|| probe().err().map(|e| format!("{e:#}"))).clone()
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still have a file open.
        let _ = run(Command::new("umount").arg("-l").arg(&self.at));
    }
}

fn probe() -> Result<()> {
    let dir = tempfile::tempdir()?;
    Disk::mount(&dir.path().join("disk")).map(|_| ())
}

fn run(command: &mut Command) -> Result<()> {
    let out = command.output().with_context(|| format!("run {command:?}"))?;
    ensure!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(())
}
