//! Instances of the Streams application in `Counting.java`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::jars::Jars;
use crate::process::Process;
use crate::{javac, wait};

/// One line of an instance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    State(String),
    Restored(u64),
}

/// What an instance has said so far.
#[derive(Debug, Default)]
struct Said {
    state: String,
    restored: u64,
}

/// A running instance; killed when dropped.
#[derive(Debug)]
pub struct Counting {
    process: Process,
    /// Open as long as it shall go on.
    input: Option<ChildStdin>,
    said: Arc<Mutex<Said>>,
}

impl Counting {
    /// Starts an instance that reaches Kafka at `bootstrap`, with its state and log in `dir`/`name`.
    pub fn start(bootstrap: &str, dir: &Path, name: &str) -> Result<Self> {
        let jars = Jars::resolve()?;
        let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/apps/Counting.java"));
        let classes = javac::compile(&format!("counting-{}", jars.number()), &[source], &jars.classpath())?;
        let mut java = jars.java(Some(&classes));
        java.args(["tidegate.Counting", bootstrap]).arg(dir.join(name)).arg(name);
        let mut process = Process::spawn_piped(&mut java, &dir.join(name).with_extension("log"))?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("no output")?;
        let said = Arc::new(Mutex::new(Said::default()));
        let theirs = Arc::clone(&said);
        thread::spawn(move || listen(output, &theirs));
        Ok(Self { process, input, said })
    }

    /// Waits at most `limit` until it has its share of the work.
    pub fn wait_running(&mut self, limit: Duration) -> Result<()> {
        let look = || {
            ensure!(self.process.is_alive(), "it has died");
            Ok(lock(&self.said).state == "RUNNING")
        };
        let running = wait::until_true("a Streams instance to run", limit, look);
        running.with_context(|| self.process.log_tail(30))
    }

    /// Records that it has read back from its store's changelog.
    pub fn restored(&self) -> u64 {
        lock(&self.said).restored
    }

    /// SIGKILL.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9()
    }

    /// Lets it commit and close, within `limit`.
    pub fn finish(mut self, limit: Duration) -> Result<()> {
        drop(self.input.take());
        let status = self.process.wait_exit(limit).with_context(|| self.process.log_tail(30))?;
        let state = lock(&self.said).state.clone();
        ensure!(
            status.success() && state == "NOT_RUNNING",
            "{status}, {state}\n{}",
            self.process.log_tail(30)
        );
        Ok(())
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- a Streams instance\n{}", self.log_tail(40));
        }
    }
}

fn listen(output: ChildStdout, said: &Mutex<Said>) {
    for text in BufReader::new(output).lines().map_while(Result::ok) {
        match serde_json::from_str(&text) {
            Ok(Line::State(state)) => lock(said).state = state,
            Ok(Line::Restored(records)) => lock(said).restored += records,
            // The logging backend writes to standard output before the application turns it away.
            Err(_) => {}
        }
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
