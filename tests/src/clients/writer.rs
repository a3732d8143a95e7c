//! A running producer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::driver::Driven;
use super::history::History;

/// How a driver ends whose library can't do what it was asked; its history says what that is.
const UNSUPPORTED: i32 = 3;

/// A running producer; ends without ceremony when dropped.
#[derive(Debug)]
pub struct Writer {
    driven: Driven,
}

impl Writer {
    pub(super) fn driven(driven: Driven) -> Self {
        Self { driven }
    }

    /// Waits at most `limit` until `count` records in all have been acknowledged.
    pub fn wait_acks(&self, count: u64, limit: Duration) -> Result<()> {
        let what = format!("{count} acknowledgements");
        let enough = |history: &History| history.records() >= count;
        self.driven.feed.wait(&what, limit, enough).with_context(|| self.driven.process.log_tail(20))
    }

    /// What was acknowledged so far.
    pub fn history(&self) -> History {
        self.driven.feed.history()
    }

    /// Waits at most `limit` until what was acknowledged is as `wanted`; `what` is that, in words.
    pub fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&History) -> bool) -> Result<()> {
        self.driven.feed.wait(what, limit, wanted).with_context(|| self.driven.process.log_tail(20))
    }

    /// Waits at most `limit` until it has written all it was asked to and ended.
    pub fn complete(mut self, limit: Duration) -> Result<History> {
        self.ended(limit)
    }

    /// Stops it, waits until what is under way is acknowledged, and gives all that was.
    pub fn finish(mut self, limit: Duration) -> Result<History> {
        drop(self.driven.input.take());
        self.ended(limit)
    }

    fn ended(&mut self, limit: Duration) -> Result<History> {
        let process = &mut self.driven.process;
        self.driven.feed.wait_end(limit).with_context(|| process.log_tail(20))?;
        let status = process.wait_exit(limit)?;
        if status.code() == Some(UNSUPPORTED) {
            return Ok(self.driven.feed.history());
        }
        ensure!(status.success(), "the producer ended with {status}\n{}", process.log_tail(20));
        Ok(self.driven.feed.history())
    }
}
