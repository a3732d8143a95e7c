//! A running consumer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::driver::Driven;
use super::feed::Feed;
use super::history::{Fault, History};

/// A running consumer; ends without ceremony when dropped.
#[derive(Debug)]
pub struct Reader {
    feed: Arc<Feed>,
    driven: Driven,
}

impl Reader {
    pub(super) fn driven(driven: Driven) -> Self {
        Self { feed: Arc::clone(&driven.feed), driven }
    }

    /// Waits at most `limit` until `count` records in all have been delivered.
    pub fn wait_records(&self, count: u64, limit: Duration) -> Result<()> {
        let what = format!("{count} records");
        self.feed.wait(&what, limit, |history| history.records() >= count).with_context(|| self.log_tail())
    }

    /// Waits at most `limit` until what it saw is as `wanted`; `what` is that, in words.
    pub fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&History) -> bool) -> Result<()> {
        self.feed.wait(what, limit, wanted).with_context(|| self.log_tail())
    }

    /// Waits at most `limit` until the reader holds as many partitions.
    pub fn wait_assigned(&self, partitions: usize, limit: Duration) -> Result<()> {
        let all = |history: &History| history.assigned().is_some_and(|a| a.len() == partitions);
        self.feed.wait("its partitions", limit, all).with_context(|| self.log_tail())
    }

    /// Waits at most `limit` until everything that `acknowledged` holds has been read, and checks that it was.
    pub fn wait_holds(&self, acknowledged: &History, limit: Duration) -> Result<()> {
        let read = |history: &History| history.check_holds(acknowledged).is_ok();
        let waited = self.feed.wait("what was acknowledged", limit, read);
        waited.with_context(|| match self.history().check_holds(acknowledged) {
            Ok(()) => "it came too late".to_owned(),
            Err(missing) => format!("{missing}\n{}", self.log_tail()),
        })
    }

    /// Waits at most `limit` for a fault of this kind.
    pub fn wait_fault(&self, kind: impl Fn(&Fault) -> bool, limit: Duration) -> Result<()> {
        self.feed.wait("a fault", limit, |history| history.faults().iter().any(&kind))
    }

    /// What it saw so far.
    pub fn history(&self) -> History {
        self.feed.history()
    }

    /// The longest time between two deliveries (since [`Reader::forget_pauses`], or the first record).
    pub fn longest_pause(&self) -> Duration {
        self.feed.longest_pause()
    }

    /// Starts measuring pauses anew.
    pub fn forget_pauses(&self) {
        self.feed.forget_pauses();
    }

    /// Lets it leave its group and end, and gives what it saw in all.
    pub fn finish(mut self, limit: Duration) -> Result<History> {
        drop(self.driven.input.take());
        self.feed.wait_end(limit).with_context(|| self.log_tail())?;
        self.driven.process.wait_exit(limit)?;
        self.driven.pump.take().map(std::thread::JoinHandle::join);
        Ok(self.feed.history())
    }

    /// Waits at most `limit` until it has ended by itself, and gives what it saw in all.
    pub fn ended(self, limit: Duration) -> Result<History> {
        self.feed.wait_end(limit).with_context(|| self.log_tail())?;
        self.finish(limit)
    }

    fn log_tail(&self) -> String {
        self.driven.process.log_tail(40)
    }
}
