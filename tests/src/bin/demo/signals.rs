//! Ctrl-C and SIGTERM: ask for the end, never end by themselves, so that everything gets cleaned up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Somebody pressed Ctrl-C.
#[derive(Debug)]
pub(crate) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Whether somebody wants us to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Notices Ctrl-C and SIGTERM from now on.
    pub(crate) fn watch() -> Result<Self> {
        let stop = Self::default();
        let theirs = stop.clone();
        on_end(move || theirs.0.store(true, Ordering::Relaxed))?;
        Ok(stop)
    }

    /// # Errors
    /// [`Stopped`], if we should.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// Calls `act` once, at the first Ctrl-C or SIGTERM; later ones change nothing.
pub(crate) fn on_end(act: impl FnOnce() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(guard);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        act();
    });
    Ok(())
}
