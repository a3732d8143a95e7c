//! One broker: its process and what can be done to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::kafka_dist::Dist;
use crate::netns;
use crate::process::Process;

/// Where a broker lives and listens.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) internal_port: u16,
    pub(super) controller_port: u16,
    pub(super) mutual_port: Option<u16>,
    pub(super) rack: Option<String>,
    pub(super) dir: PathBuf,
    pub(super) jvm: Vec<String>,
    pub(super) namespace: Option<String>,
}

impl Spec {
    pub(super) fn log_dir(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("server.properties")
    }
}

/// A broker of a [`super::Cluster`].
#[derive(Debug)]
pub struct Broker {
    spec: Spec,
    dist: Dist,
    process: Process,
}

impl Broker {
    pub(super) fn start(spec: Spec, dist: &Dist) -> Result<Self> {
        let process = spawn(&spec, dist)?;
        Ok(Self { spec, dist: dist.clone(), process })
    }

    /// The broker id.
    pub fn id(&self) -> i32 {
        self.spec.id
    }

    /// The rack, if it has one.
    pub fn rack(&self) -> Option<&str> {
        self.spec.rack.as_deref()
    }

    /// `host:port` for clients.
    pub fn address(&self) -> String {
        format!("{}:{}", self.spec.host, self.spec.port)
    }

    /// `host:port` of the plain listener with all rights.
    pub fn internal_address(&self) -> String {
        format!("{}:{}", self.spec.host, self.spec.internal_port)
    }

    /// `host:port` of the listener that demands a certificate, if there is one.
    pub fn mutual_address(&self) -> Option<String> {
        self.spec.mutual_port.map(|port| format!("{}:{port}", self.spec.host))
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process, for CPU time and memory.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The folder with its partitions' `.log` files.
    pub fn log_dir(&self) -> PathBuf {
        self.spec.log_dir()
    }

    /// The file it logs to.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }

    /// Whether the process runs; a paused one does.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// SIGKILL.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9()
    }

    /// SIGSTOP: sockets stay open, nothing answers.
    pub fn pause(&mut self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// Starts it again on its data after [`Broker::kill9`]; [`super::Cluster::wait_ready`] waits for it.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(!self.process.is_alive(), "broker {} still runs", self.spec.id);
        self.process = spawn(&self.spec, &self.dist)?;
        Ok(())
    }
}

fn spawn(spec: &Spec, dist: &Dist) -> Result<Process> {
    let mut java = dist.java();
    // A broker that runs out of memory must die and say so, not linger.
    java.arg("-XX:+ExitOnOutOfMemoryError").args(&spec.jvm);
    java.arg("kafka.Kafka").arg(spec.config()).current_dir(&spec.dir);
    let mut java = netns::inside(spec.namespace.as_deref(), java);
    Process::spawn(java.stdin(Stdio::null()), &spec.dir.with_extension("log"))
}
