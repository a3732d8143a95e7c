//! A bar of bytes on a terminal, a line now and then elsewhere.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::screen::Screen;

/// How far a number of bytes has come.
pub(crate) struct Progress {
    what: &'static str,
    bytes: u64,
    bar: ProgressBar,
}

impl Progress {
    /// Towards `bytes`.
    pub(crate) fn new(what: &'static str, bytes: u64) -> Result<Self> {
        // Off a terminal the target draws nothing.
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stdout());
        bar.set_style(ProgressStyle::with_template(
            "  {msg:9} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}",
        )?);
        bar.set_message(what);
        Ok(Self { what, bytes, bar })
    }

    /// It stands at `done` now.
    pub(crate) fn set(&self, done: u64, screen: &mut Screen) -> Result<()> {
        let done = done.min(self.bytes);
        self.bar.set_position(done);
        let mb = |bytes| bytes / 1_000_000;
        screen.now_and_then(&format!("  {:9} {:>4} of {} MB", self.what, mb(done), mb(self.bytes)))
    }

    /// The bar goes; what follows says how it ended.
    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}
