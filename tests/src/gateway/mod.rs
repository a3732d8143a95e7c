//! The gateway under test: the real binary, its configuration, its metrics, and what can be done to it.

mod binary;
mod fleet;
mod metrics;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

pub use binary::path as binary_path;
pub use fleet::Fleet;
pub use metrics::{Metrics, Sample};
pub use site::{Site, Sites};

use crate::process::Process;
use crate::{http, netns, reaper, wait};

/// How long a gateway may take to say that it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take to stop when asked.
const STOP_LIMIT: Duration = Duration::from_secs(45);

/// The variable that holds the admin token of the tests' gateways, for those that need one.
pub const TOKEN_ENV: &str = "TEST_ADMIN_TOKEN";

/// A running `tidegate run`; killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    admin: String,
    dir: TempDir,
    env: Vec<(String, String)>,
    namespace: Option<String>,
    flags: &'static [&'static str],
}

impl Gateway {
    /// Runs the binary with this configuration (YAML) and waits until `/readyz` answers 200.
    pub fn start(yaml: &str) -> Result<Self> {
        Self::start_with(yaml, &[])
    }

    /// The same with environment variables.
    pub fn start_with(yaml: &str, env: &[(&str, &str)]) -> Result<Self> {
        Self::launch(yaml, env, None, &[], &std::env::temp_dir())
    }

    /// Like [`Gateway::start`], with a log line a JSON object.
    pub fn start_logging_json(yaml: &str) -> Result<Self> {
        Self::launch(yaml, &[], None, &["--log-format", "json"], &std::env::temp_dir())
    }

    /// Like [`Gateway::start`], inside a network namespace.
    pub fn start_in(namespace: &str, yaml: &str) -> Result<Self> {
        Self::launch(yaml, &[], Some(namespace.to_owned()), &[], &std::env::temp_dir())
    }

    /// The same with its file and its log below `home`, and perhaps in no namespace of its own.
    pub fn start_at(home: &Path, namespace: Option<String>, yaml: &str) -> Result<Self> {
        Self::launch(yaml, &[], namespace, &[], home)
    }

    fn launch(
        yaml: &str,
        env: &[(&str, &str)],
        namespace: Option<String>,
        flags: &'static [&'static str],
        home: &Path,
    ) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tidegate-gateway-").tempdir_in(home)?;
        reaper::note_dir(dir.path())?;
        fs::write(config_file(dir.path()), yaml)?;
        let admin = admin_address(yaml).context("no gateway.admin in the configuration")?;
        let env: Vec<_> = env.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let process = spawn(dir.path(), &env, namespace.as_deref(), flags)?;
        let mut gateway = Self { process, admin, dir, env, namespace, flags };
        gateway.wait_ready()?;
        Ok(gateway)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let look = || {
            ensure!(self.process.is_alive(), "the gateway has died");
            http::get(&self.admin, "/readyz").map(|answer| answer.status == 200)
        };
        let ready = wait::until_true("the gateway to be ready", READY_LIMIT, look);
        ready.with_context(|| self.log_tail(30))
    }

    /// The process, for its pid, CPU time and memory.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// `host:port` of the admin listener.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// SIGKILL.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9()
    }

    /// SIGTERM, and waits for the drain to end; the exit code.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        self.terminate()?;
        self.wait_stopped()
    }

    /// SIGTERM; the drain goes on meanwhile.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal("TERM")
    }

    /// Waits for the end after [`Gateway::terminate`]; the exit code.
    pub fn wait_stopped(&mut self) -> Result<Option<i32>> {
        Ok(self.process.wait_exit(STOP_LIMIT)?.code())
    }

    /// What it said at its last end of its connections: how many ended in good order, and how many were cut.
    pub fn last_words(&self) -> Result<(u64, u64)> {
        let log = self.log()?;
        let line = log.lines().rev().find(|l| l.contains("stopped: connections"));
        let line = line.context("it never said that it stopped")?;
        let field = |name: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(name))?;
            value.parse().ok()
        };
        field("ended=").zip(field("cut=")).with_context(|| format!("odd: {line}"))
    }

    /// What `/readyz` says now: whether it is ready, and the body.
    pub fn readyz(&self) -> Result<(bool, String)> {
        let answer = http::get(&self.admin, "/readyz")?;
        Ok((answer.status == 200, answer.body))
    }

    /// SIGSTOP.
    pub fn pause(&mut self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// Replaces the configuration file and sends SIGHUP.
    pub fn reload(&mut self, yaml: &str) -> Result<()> {
        fs::write(config_file(self.dir.path()), yaml)?;
        self.process.signal("HUP")
    }

    /// Starts it again after [`Gateway::kill9`] or [`Gateway::stop`], and waits until it is ready.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(!self.is_alive(), "the gateway still runs");
        self.process = spawn(self.dir.path(), &self.env, self.namespace.as_deref(), self.flags)?;
        self.wait_ready()
    }

    /// What `/metrics` says now.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::of(&self.admin)
    }

    /// What `/status` says now.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&http::get(&self.admin, "/status")?.body)?)
    }

    /// Everything it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.process.log())?)
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- gateway ({})\n{}", self.admin, self.log_tail(30));
        }
    }
}

fn config_file(dir: &Path) -> PathBuf {
    dir.join("tidegate.yaml")
}

fn spawn(dir: &Path, env: &[(String, String)], namespace: Option<&str>, flags: &[&str]) -> Result<Process> {
    let mut run = Command::new(binary::path()?);
    run.args(["run", "-c"]).arg(config_file(dir)).args(flags);
    run.env(TOKEN_ENV, http::ADMIN_TOKEN).envs(env.iter().map(|(k, v)| (k, v)));
    let mut run = netns::inside(namespace, run);
    Process::spawn(run.stdin(Stdio::null()), &dir.join("gateway.log"))
}

/// The value of the first `admin:` in the file, which is `gateway.admin` by the order of its sections.
fn admin_address(yaml: &str) -> Option<String> {
    let (_, rest) = yaml.split_once("admin:")?;
    let value = rest.trim_start().split([',', '}', '\n', ' ']).next()?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_address_is_found_in_block_and_flow_style() {
        assert_eq!(admin_address("gateway:\n  admin: 127.0.0.1:1 # x\n").unwrap(), "127.0.0.1:1");
        assert_eq!(admin_address("gateway: {zone: a, admin: 127.0.0.1:2}\n").unwrap(), "127.0.0.1:2");
    }
}
