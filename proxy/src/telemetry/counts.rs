//! What became of what was sent to the collector: counters, and one log line whenever it changes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::error::OTelSdkResult;
use tracing::{info, warn};

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Everything `/metrics` shows.
    Metrics,
    /// Spans of single requests.
    Traces,
}

/// Why spans were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// More came than the collector takes.
    QueueFull,
    /// The collector refused them, or isn't there.
    Collector,
}

/// Counters of all signals.
#[derive(Debug, Default)]
pub struct Counts {
    exports: [[AtomicU64; 2]; 2],
    dropped: [AtomicU64; 2],
}

impl Counts {
    /// Counts spans that nobody will see.
    pub fn dropped(&self, why: Dropped, spans: usize) {
        self.dropped[why as usize].fetch_add(spans as u64, Relaxed);
    }

    /// Requests to the collector, as (signal, outcome, how many).
    pub fn exports(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let signals = [("metrics", Signal::Metrics), ("traces", Signal::Traces)];
        signals.into_iter().flat_map(|(name, signal)| {
            let of = &self.exports[signal as usize];
            [(name, "taken", of[0].load(Relaxed)), (name, "failed", of[1].load(Relaxed))]
        })
    }

    /// Spans that were dropped, by reason.
    pub fn drops(&self) -> [(&'static str, u64); 2] {
        let of = |why| self.dropped[why as usize].load(Relaxed);
        [("queue_full", of(Dropped::QueueFull)), ("collector", of(Dropped::Collector))]
    }

    fn export(&self, signal: Signal, taken: bool) {
        self.exports[signal as usize][usize::from(!taken)].fetch_add(1, Relaxed);
    }
}

/// How the collector takes one signal.
#[derive(Debug)]
pub struct Link {
    signal: Signal,
    endpoint: Box<str>,
    counts: Arc<Counts>,
    down: AtomicBool,
    /// What the last request met, in words: the SDK's own errors leave that out.
    heard: Mutex<Option<String>>,
}

impl Link {
    /// A link that is thought to work until it doesn't.
    pub fn new(signal: Signal, endpoint: &str, counts: Arc<Counts>) -> Self {
        let (down, heard) = Default::default();
        Self { signal, endpoint: endpoint.into(), counts, down, heard }
    }

    /// Notes why a request failed.
    pub fn heard(&self, what: String) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// Notes what became of a batch, all tries together, and says so if it is news.
    pub fn note(&self, result: &OTelSdkResult) {
        self.counts.export(self.signal, result.is_ok());
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.down.swap(result.is_err(), Relaxed) == result.is_err() {
            return;
        }
        let (signal, endpoint) = (self.signal, &self.endpoint);
        match result {
            Ok(()) => info!(?signal, %endpoint, "telemetry: the collector takes it again"),
            Err(e) => {
                let error = heard.unwrap_or_else(|| e.to_string());
                warn!(?signal, %endpoint, %error, "telemetry: the collector does not take it; it is counted until it does");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    #[test]
    fn what_was_taken_and_what_was_not_is_counted_by_signal() {
        let counts = Arc::<Counts>::default();
        let link = Link::new(Signal::Traces, "http://c", counts.clone());
        for result in [Ok(()), Err(OTelSdkError::AlreadyShutdown), Err(OTelSdkError::AlreadyShutdown), Ok(())]
        {
            link.note(&result);
            assert_eq!(link.down.load(Relaxed), result.is_err());
        }
        counts.dropped(Dropped::Collector, 7);
        let exports: Vec<_> = counts.exports().map(|(_, _, n)| n).collect();
        assert_eq!(exports, [0, 0, 2, 2]);
        assert_eq!(counts.drops(), [("queue_full", 0), ("collector", 7)]);
    }
}
