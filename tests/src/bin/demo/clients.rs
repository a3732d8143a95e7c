//! The clients of the topic with a history: `History.java`, started and listened to.

use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tidegate_tests::process::Process;
use tidegate_tests::{Dist, Version, javac};

use super::feed::Feed;
use super::signals::Stop;

/// The longest silence of a client that is no failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one may take to end.
const END_LIMIT: Duration = Duration::from_secs(30);

/// What a client says twice a second.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Line {
    /// Records written or read.
    pub(crate) records: u64,
    /// Bytes of their values.
    pub(crate) bytes: u64,
    /// Records read that did not follow the one before: lost, repeated or out of order.
    pub(crate) misplaced: u64,
    /// Where each partition ended when the wanted bytes had been written.
    #[serde(default)]
    pub(crate) filled: Option<Vec<i64>>,
    /// Where the brokers' own logs begin.
    #[serde(default)]
    pub(crate) starts: Vec<i64>,
    /// How long it took to read.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// A hash over all of it; the last line has one.
    #[serde(default)]
    pub(crate) hash: Option<String>,
}

/// A running writer or reader, killed when dropped.
#[derive(Debug)]
pub(crate) struct Client {
    process: Process,
    feed: Feed<Line>,
    input: Option<ChildStdin>,
}

impl Client {
    /// Starts one with the arguments of `History.java`.
    pub(crate) fn start(args: &[&str], log: &Path) -> Result<Self> {
        let mut process = Process::spawn_piped(&mut java(args)?, log)?;
        let input = process.child().stdin.take();
        let feed = Feed::of(process.child().stdout.take().context("no pipe")?);
        Ok(Self { process, feed, input })
    }

    /// What it says next.
    ///
    /// # Errors
    /// It failed, fell silent, or somebody wants us to stop.
    pub(crate) fn next(&self, stop: &Stop) -> Result<Line> {
        let next = self.feed.next(PATIENCE, stop).context("the client of `history`")?;
        next.with_context(|| format!("the client of `history` failed:\n{}", self.process.log_tail(20)))
    }

    /// Asks it to end; the last line, which has the hash.
    pub(crate) fn end(mut self, stop: &Stop) -> Result<Line> {
        drop(self.input.take());
        let last = loop {
            let line = self.next(stop)?;
            if line.hash.is_some() {
                break line;
            }
        };
        ensure!(self.process.wait_exit(END_LIMIT)?.success(), "the client of `history` failed at its end");
        Ok(last)
    }
}

/// Makes the topic.
pub(crate) fn create_topic(brokers: &str, log: &Path) -> Result<()> {
    let mut process = Process::spawn_piped(&mut java(&["create", brokers])?, log)?;
    let made = process.wait_exit(PATIENCE)?.success();
    ensure!(made, "the topic `history` can't be made:\n{}", process.log_tail(20));
    Ok(())
}

fn java(args: &[&str]) -> Result<Command> {
    let dist = Dist::resolve(Version::Newest)?;
    let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/demo/History.java"));
    let classes =
        javac::compile(&format!("history-{}", dist.version().number()), &[source], &dist.classpath())?;
    let mut java = Command::new("java");
    java.arg("-cp").arg(format!("{}:{}", classes.display(), dist.classpath())).args(dist.log_flags());
    java.args(["-Xmx384m", "-XX:+UseSerialGC", "tidegate.demo.History"]).args(args);
    Ok(java)
}
