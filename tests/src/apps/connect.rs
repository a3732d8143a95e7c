//! A Connect worker in distributed mode, driven over its REST interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::jars::Jars;
use crate::process::Process;
use crate::{http, wait};

/// A running worker; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    jars: Jars,
    config: PathBuf,
    rest: String,
}

impl Worker {
    /// Starts a worker that reaches Kafka at `bootstrap` and is asked at 127.0.0.1:`port`; its file and log are in
    /// `dir`. Its connectors, offsets and states are in topics, which it creates with a copy on every one of
    /// `brokers`, and offsets are flushed every second.
    pub fn start(bootstrap: &str, dir: &Path, port: u16, brokers: usize) -> Result<Self> {
        let config = dir.join("worker.properties");
        fs::write(&config, properties(bootstrap, port, brokers))?;
        let jars = Jars::resolve()?;
        let process = spawn(&jars, &config)?;
        Ok(Self { process, jars, config, rest: format!("127.0.0.1:{port}") })
    }

    /// Creates a connector, or changes it, as soon as the worker can.
    pub fn put_connector(&mut self, name: &str, config: &Value, limit: Duration) -> Result<()> {
        let path = format!("/connectors/{name}/config");
        let body = config.to_string();
        let (process, rest) = (&mut self.process, &self.rest);
        let put = || {
            ensure!(process.is_alive(), "the worker has died");
            let answer = http::put(rest, &path, &body)?;
            ensure!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.body);
            Ok(true)
        };
        wait::until_true(&format!("connector {name}"), limit, put).with_context(|| self.log_tail(30))
    }

    /// Waits at most `limit` until a connector and as many tasks run.
    pub fn wait_running(&mut self, name: &str, tasks: usize, limit: Duration) -> Result<()> {
        let look = || {
            let answer = http::get(&self.rest, &format!("/connectors/{name}/status"))?;
            let status: Value = serde_json::from_str(&answer.body)?;
            let is_running = |part: &Value| part["state"] == "RUNNING";
            let running =
                status["tasks"].as_array().map_or(0, |all| all.iter().filter(|t| is_running(t)).count());
            ensure!(is_running(&status["connector"]) && running == tasks, "{}", answer.body);
            Ok(true)
        };
        wait::until_true(&format!("{name} to run"), limit, look).with_context(|| self.log_tail(30))
    }

    /// SIGTERM, and waits at most `limit` for its end.
    pub fn stop(&mut self, limit: Duration) -> Result<()> {
        self.process.signal("TERM")?;
        self.process.wait_exit(limit).map(drop).with_context(|| self.log_tail(30))
    }

    /// Starts it again after [`Worker::stop`].
    pub fn restart(&mut self) -> Result<()> {
        ensure!(!self.process.is_alive(), "the worker still runs");
        self.process = spawn(&self.jars, &self.config)?;
        Ok(())
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the Connect worker\n{}", self.log_tail(40));
        }
    }
}

fn spawn(jars: &Jars, config: &Path) -> Result<Process> {
    let mut java = jars.java(None);
    java.arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(config);
    Process::spawn(java.stdin(std::process::Stdio::null()), &config.with_extension("log"))
}

fn properties(bootstrap: &str, port: u16, brokers: usize) -> String {
    let mut text = format!(
        "bootstrap.servers={bootstrap}\nlisteners=http://127.0.0.1:{port}\ngroup.id=connect\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n\
         offset.flush.interval.ms=1000\nscheduled.rebalance.max.delay.ms=0\noffset.storage.partitions=3\n\
         plugin.discovery=service_load\n"
    );
    for topic in ["config", "offset", "status"] {
        text +=
            &format!("{topic}.storage.topic=connect-{topic}\n{topic}.storage.replication.factor={brokers}\n");
    }
    text
}
