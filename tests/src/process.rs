//! A child process that can be killed, stopped and continued, and that never outlives this one.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{files, reaper, wait};

/// A running (or dead, not yet restarted) child, its output going to a file.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, appending its output to `log`; standard input stays as the caller set it.
    pub fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let out = append(log)?;
        command.stderr(out.try_clone()?).stdout(out);
        Self::adopt(command, log)
    }

    /// Starts `command` with only its errors going to `log`; the caller has set up the rest.
    pub fn spawn_piped(command: &mut Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(append(log)?);
        Self::adopt(command, log)
    }

    fn adopt(command: &mut Command, log: &Path) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("start {command:?}"))?;
        let process = Self { child, log: log.to_owned() };
        reaper::note(process.pid())?;
        Ok(process)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The child itself, to take its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs (a stopped process runs).
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until the kernel has let it go.
    pub fn kill9(&mut self) -> Result<()> {
        if self.is_alive() {
            self.child.kill().context("kill -9")?;
            self.child.wait()?;
            reaper::forget(self.pid())?;
        }
        Ok(())
    }

    /// Sends a signal by name: `STOP`, `CONT`, `TERM`, `HUP`.
    pub fn signal(&mut self, name: &str) -> Result<()> {
        ensure!(self.is_alive(), "signal {name}: process {} is dead", self.pid());
        let kill = format!("kill -{name} {}", self.pid());
        ensure!(Command::new("sh").args(["-c", &kill]).status()?.success(), "{kill} failed");
        Ok(())
    }

    /// Waits at most `limit` for the process to end by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("process {} to exit", self.pid());
        let status = wait::until(&what, limit, || Ok(self.child.try_wait()?))?;
        reaper::forget(self.pid())?;
        Ok(status)
    }

    /// Resident memory in bytes (`VmRSS` of `/proc/PID/status`).
    pub fn rss_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("odd VmRSS")?.parse()?;
        Ok(kib * 1024)
    }

    /// The last lines of its output, for a failure message.
    pub fn log_tail(&self, lines: usize) -> String {
        files::tail(&self.log, lines)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Best effort: the reaper catches what this misses.
        let _ = self.kill9();
    }
}

fn append(log: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("open {}", log.display()))
}
