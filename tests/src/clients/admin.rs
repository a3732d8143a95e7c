//! A client's own admin API, put through one script.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::args::Args;
use super::driver::Driven;
use super::security::Security;

/// The script's steps, in their order.
pub const STEPS: [&str; 9] = [
    "create_topic",
    "list_topics",
    "describe_topic",
    "create_partitions",
    "describe_configs",
    "alter_configs",
    "list_groups",
    "describe_cluster",
    "delete_topic",
];

/// The script's task.
#[derive(Clone, Debug)]
pub struct Administering {
    /// `host:port`, several by comma.
    pub bootstrap: String,
    /// A topic that isn't there yet; gone again at the end.
    pub topic: String,
    /// Its replicas.
    pub replication: u16,
    /// How the client comes in.
    pub security: Security,
}

impl Administering {
    pub(super) fn args(&self) -> Vec<String> {
        let mut args = Args::of("admin", &self.bootstrap, &self.topic, &self.security);
        args.add("--replication", self.replication);
        args.0
    }
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The cluster did it, and was seen to have done it.
    Done,
    /// It didn't; what the client said.
    Failed(String),
    /// The library has no way of asking.
    Unsupported,
}

/// One step of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// One of [`STEPS`].
    pub op: String,
    /// How it went.
    pub outcome: Outcome,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Done => write!(f, "{}: done", self.op),
            Outcome::Failed(message) => write!(f, "{}: {message}", self.op),
            Outcome::Unsupported => write!(f, "{}: unsupported", self.op),
        }
    }
}

/// Waits for the script's end; the outcome of every step.
pub(super) fn outcomes(mut driven: Driven, limit: Duration) -> Result<Vec<Step>> {
    driven.feed.wait_end(limit).with_context(|| driven.process.log_tail(20))?;
    let status = driven.process.wait_exit(limit)?;
    ensure!(status.success(), "admin ended with {status}\n{}", driven.process.log_tail(20));
    let steps = driven.feed.history().steps().to_vec();
    let ops: Vec<_> = steps.iter().map(|step| step.op.as_str()).collect();
    ensure!(ops == STEPS, "the script has other steps: {ops:?}");
    Ok(steps)
}
