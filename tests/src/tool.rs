//! Kafka's command line tools, each in a JVM of its own as users run them.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::Dist;

/// What a tool printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error, where most tools put why they failed.
    pub err: String,
}

/// A tool that runs.
#[derive(Debug)]
pub struct Tool(Child);

impl Tool {
    /// Starts the class with these arguments.
    pub fn start(dist: &Dist, class: &str, args: &[&str]) -> Result<Self> {
        let mut java = Command::new("java");
        java.args(["-cp", &dist.classpath(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.arg(class).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(java.spawn().context("run java")?))
    }

    /// Waits for its end.
    pub fn wait(self) -> Result<Ran> {
        let out = self.0.wait_with_output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran { code: out.status.code(), out: text(out.stdout), err: text(out.stderr) })
    }
}
