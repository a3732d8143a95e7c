//! From finished traces to the collector: a bounded queue, and the one task that empties it.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::telemetry::counts::{Counts, Dropped, Link};

/// Requests that may wait for the collector. With some eight spans of half a kilobyte each: 8 MiB.
const QUEUE: usize = 2048;
/// Requests sent at once.
const BATCH: usize = 256;
/// How long a batch that isn't full waits for more.
const GATHER: Duration = Duration::from_secs(1);

/// Where finished traces go.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: Sender<Vec<SpanData>>,
    counts: Arc<Counts>,
}

/// A queue and its other end.
pub fn queue(counts: Arc<Counts>) -> (Queue, Receiver<Vec<SpanData>>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Queue { sender, counts }, receiver)
}

impl Queue {
    /// Puts a trace there, as a whole or not at all. Never waits.
    pub fn put(&self, spans: Vec<SpanData>) {
        if let Err(refused) = self.sender.try_send(spans) {
            self.counts.dropped(Dropped::QueueFull, refused.into_inner().len());
        }
    }
}

/// The task.
pub struct Exporter {
    exporter: SpanExporter,
    link: Arc<Link>,
    queue: Receiver<Vec<SpanData>>,
    counts: Arc<Counts>,
}

impl Exporter {
    /// Takes from `queue`.
    pub fn new(
        (exporter, link): (SpanExporter, Arc<Link>),
        queue: Receiver<Vec<SpanData>>,
        counts: Arc<Counts>,
    ) -> Self {
        Self { exporter, link, queue, counts }
    }

    /// Sends until `stop`, and then what is left, for as long as `last_words`.
    pub async fn run(mut self, stop: &CancellationToken, last_words: Duration) {
        let over = async {
            stop.cancelled().await;
            sleep(last_words).await;
        };
        tokio::pin!(over);
        while let Some(batch) = self.gather(stop).await {
            let spans = batch.iter().map(Vec::len).sum();
            tokio::select! {
                biased;
                () = self.send(batch) => {}
                () = &mut over => return self.give_up(spans),
            }
        }
    }

    /// The next batch; once the gateway is to stop, what is there.
    async fn gather(&mut self, stop: &CancellationToken) -> Option<Vec<Vec<SpanData>>> {
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => return self.left(),
            first = self.queue.recv() => first?,
        };
        let mut batch = vec![first];
        let over = sleep(GATHER);
        tokio::pin!(over);
        while batch.len() < BATCH {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = &mut over => break,
                next = self.queue.recv() => match next {
                    Some(next) => batch.push(next),
                    None => break,
                },
            }
        }
        Some(batch)
    }

    /// What is there without waiting.
    fn left(&mut self) -> Option<Vec<Vec<SpanData>>> {
        let batch: Vec<_> = std::iter::from_fn(|| self.queue.try_recv().ok()).take(BATCH).collect();
        (!batch.is_empty()).then_some(batch)
    }

    /// Counts what is dropped at the very end.
    fn give_up(&mut self, mut spans: usize) {
        while let Some(batch) = self.left() {
            spans += batch.iter().map(Vec::len).sum::<usize>();
        }
        self.counts.dropped(Dropped::Collector, spans);
    }

    async fn send(&self, batch: Vec<Vec<SpanData>>) {
        let spans = batch.concat();
        let n = spans.len();
        let result = self.exporter.export(spans).await;
        self.link.note(&result);
        if result.is_err() {
            self.counts.dropped(Dropped::Collector, n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::tests::span;

    #[tokio::test]
    async fn a_full_queue_drops_whole_traces_counts_their_spans_and_never_waits() {
        let counts = Arc::<Counts>::default();
        let (queue, mut received) = queue(counts.clone());
        for _ in 0..QUEUE + 3 {
            queue.put(vec![span(), span()]);
        }
        assert_eq!(counts.drops(), [("queue_full", 6), ("collector", 0)]);
        assert_eq!(received.recv().await.map(|trace| trace.len()), Some(2));
        queue.put(vec![span()]);
        assert_eq!(counts.drops()[0].1, 6, "there was room again");
    }
}
