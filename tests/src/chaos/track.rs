//! How far a client is, and whether a promise to it was broken: shared by the thread that runs it and those who watch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::history::Excerpt;
use crate::java::Taken;

/// One client's.
#[derive(Debug)]
pub(super) struct Track {
    /// What it is called in messages.
    pub(super) name: String,
    lines: Vec<AtomicU64>,
    stop: AtomicBool,
    state: Mutex<(Excerpt, Option<String>)>,
}

impl Track {
    /// A client that goes on along so many lines: partitions, mostly.
    pub(super) fn new(name: String, lines: usize) -> Self {
        let lines = (0..lines).map(|_| AtomicU64::new(0)).collect();
        Self { name, lines, stop: AtomicBool::new(false), state: Mutex::default() }
    }

    /// How far it is on each line.
    pub(super) fn lines(&self) -> Vec<u64> {
        self.lines.iter().map(|l| l.load(Relaxed)).collect()
    }

    /// Notes how far it is.
    pub(super) fn reached(&self, line: usize, at: u64) {
        self.lines[line].store(at, Relaxed);
    }

    /// Notes what happened to it.
    pub(super) fn note(&self, what: String) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.note(what);
    }

    /// Notes the last of what a consumer was given at once, and how much that was.
    pub(super) fn note_taken(&self, taken: &[Taken]) {
        if let Some(last) = taken.last() {
            self.note(format!("{} things, the last: {last:?}", taken.len()));
        }
    }

    /// A promise was broken; the first one is kept.
    pub(super) fn broken(&self, how: String) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.get_or_insert(how);
    }

    /// What was broken, with what happened before it.
    pub(super) fn failure(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.as_ref().map(|how| format!("{}: {how}\n  the last it saw:\n{}", self.name, state.0))
    }

    /// The last things that happened to it.
    pub(super) fn excerpt(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        format!("  {} at {:?}:\n{}", self.name, self.lines(), state.0)
    }

    /// Asks it to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Whether it shall go on.
    pub(super) fn goes_on(&self) -> bool {
        !self.stop.load(Relaxed)
    }
}
