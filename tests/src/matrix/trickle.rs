//! Records that come all the time, written to the brokers themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use super::stage::Stage;
use crate::Java;
use crate::java::{Producer, acks};

/// How often each partition of each topic gets records, and how many.
const EVERY: Duration = Duration::from_millis(100);
const AT_ONCE: i64 = 5;
/// Keys of partition n begin with n times this.
const KEYS_APART: i64 = 1_000_000;

/// A writer of numbered records to every partition of some topics, until it is told to stop.
#[derive(Debug)]
pub(super) struct Trickle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Trickle {
    pub(super) fn start(stage: &Stage, topics: &[String]) -> Result<Self> {
        let producer = Java::resident()?.producer(json!({"bootstrap.servers": stage.direct_bootstrap()}))?;
        let (topics, partitions) = (topics.to_vec(), stage.partitions());
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut first = 0;
            while !asked.load(Relaxed) {
                write(&producer, &topics, &partitions, first)?;
                first += AT_ONCE;
                thread::sleep(EVERY);
            }
            Ok(())
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Stops it; an error if a record could not be written.
    pub(super) fn finish(mut self) -> Result<()> {
        self.stop.store(true, Relaxed);
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().map_err(|_| anyhow!("the trickle panicked"))?)
    }
}

impl Drop for Trickle {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn write(producer: &Producer, topics: &[String], partitions: &[i32], first: i64) -> Result<()> {
    let places = topics.iter().flat_map(|topic| partitions.iter().map(move |p| (topic, *p)));
    let begin = |(topic, partition): (&String, i32)| {
        let first = i64::from(partition) * KEYS_APART + first;
        producer.begin_send(json!({
            "topic": topic, "partition": partition, "first": first, "count": AT_ONCE, "size": 200,
        }))
    };
    let sent: Vec<_> = places.map(begin).collect::<Result<_>>()?;
    for pending in sent {
        let acks = acks(pending.wait()?)?;
        ensure!(acks.iter().all(Result::is_ok), "the trickle: {acks:?}");
    }
    Ok(())
}
