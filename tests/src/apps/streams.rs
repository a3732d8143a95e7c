//! Instances of the Streams applications in `Counting.java` and `Tables.java`, which `Running.java` runs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::jars::Jars;
use crate::process::Process;
use crate::{javac, wait};

/// A Streams application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    /// Counts numbers, exactly once.
    Counting,
    /// Holds two topics as tables.
    Tables,
}

impl App {
    /// Its class.
    fn name(self) -> &'static str {
        match self {
            Self::Counting => "Counting",
            Self::Tables => "Tables",
        }
    }
}

/// One line of an instance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    State(String),
    Restored(u64),
    Held(u64),
}

/// What an instance has said so far.
#[derive(Debug, Default)]
struct Said {
    state: String,
    restored: u64,
    held: u64,
}

/// A running instance; killed when dropped.
#[derive(Debug)]
pub struct Streams {
    process: Process,
    /// Open as long as it shall go on.
    input: Option<ChildStdin>,
    said: Arc<Mutex<Said>>,
    /// Ends with the output.
    listener: Option<JoinHandle<()>>,
}

impl Streams {
    /// Starts an instance that reaches Kafka at `bootstrap`, with its state and log in `dir`/`name`.
    pub fn start(app: App, bootstrap: &str, dir: &Path, name: &str) -> Result<Self> {
        let (jars, class) = (Jars::resolve()?, app.name());
        let source =
            |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/apps/{name}.java"));
        let classes = format!("{}-{}", class.to_lowercase(), jars.number());
        let classes = javac::compile(&classes, &[source(class), source("Running")], &jars.classpath())?;
        let mut java = jars.java(Some(&classes));
        java.arg(format!("tidegate.{class}")).arg(bootstrap).arg(dir.join(name)).arg(name);
        let mut process = Process::spawn_piped(&mut java, &dir.join(name).with_extension("log"))?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("no output")?;
        let said = Arc::new(Mutex::new(Said::default()));
        let theirs = Arc::clone(&said);
        let listener = Some(thread::spawn(move || listen(output, &theirs)));
        Ok(Self { process, input, said, listener })
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

    /// Records that it has read back from its stores' changelogs.
    pub fn restored(&self) -> u64 {
        lock(&self.said).restored
    }

    /// SIGKILL.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9()
    }

    /// Lets it commit and close, within `limit`. How many entries its tables held as they were written, if it has any.
    pub fn finish(mut self, limit: Duration) -> Result<u64> {
        drop(self.input.take());
        let status = self.process.wait_exit(limit).with_context(|| self.process.log_tail(30))?;
        self.listener.take().map(JoinHandle::join);
        let state = lock(&self.said).state.clone();
        ensure!(
            status.success() && state == "NOT_RUNNING",
            "{status}, {state}\n{}",
            self.process.log_tail(30)
        );
        let held = lock(&self.said).held;
        Ok(held)
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }
}

impl Drop for Streams {
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
            Ok(Line::Held(entries)) => lock(said).held = entries,
            // The logging backend writes to standard output before the application turns it away.
            Err(_) => {}
        }
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
