//! The clients: Java's, each run by a thread that checks as it goes.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};

use super::history::{Reads, Writes, check_old};
use super::stage::{HISTORY, OLD, Stage, TOPIC, ZONES};
use super::track::Track;
use crate::Java;
use crate::java::{Consumer, Producer, Taken};

/// Records that a producer has under way at a time, and bytes of each value.
const BATCH: (usize, usize) = (20, 200);
/// A producer's pace: 200 records a second at most.
const PACE: Duration = Duration::from_millis(100);
/// A rest after history was read: it is there to be read while things break, not to take all cores.
const REST: Duration = Duration::from_secs(1);
/// Records asked for at a time, and how long to wait for the first.
const TAKE: (usize, Duration) = (2_000, Duration::from_millis(500));

/// A client, its thread, and what it ends with.
#[derive(Debug)]
pub(super) struct Running<T> {
    /// How far it is.
    pub(super) track: Arc<Track>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Running<T> {
    fn start(track: Track, run: impl FnOnce(&Track) -> T + Send + 'static) -> Self {
        let track = Arc::new(track);
        let theirs = Arc::clone(&track);
        Self { track, thread: thread::spawn(move || run(&theirs)) }
    }

    /// Waits for its end after [`Track::stop`].
    pub(super) fn join(self) -> Result<T> {
        self.thread.join().map_err(|_| anyhow!("{} panicked", self.track.name))
    }
}

/// Writes to the partition of its zone.
pub(super) fn writer(stage: &Stage, zone: usize) -> Result<Running<Writes>> {
    let producer = stage.producer(zone)?;
    let track = Track::new(format!("writer of {}", ZONES[zone]), 1);
    Ok(Running::start(track, move |track| write(&producer, zone, track)))
}

fn write(producer: &Producer, partition: usize, track: &Track) -> Writes {
    let mut writes = Writes::default();
    while track.goes_on() {
        let (count, size) = BATCH;
        let begun = Instant::now();
        let batch = json!({
            "topic": TOPIC, "partition": partition, "first": writes.next(), "count": count, "size": size,
        });
        match producer.send(batch) {
            Ok(acks) => {
                let (first, last) = (acks.first(), acks.last());
                track.note(format!("keys from {} on: {first:?} to {last:?}", writes.next()));
                writes.told(&acks);
                track.reached(0, writes.counts().0);
            }
            Err(error) => {
                track.broken(format!("its producer fails: {error:#}"));
                break;
            }
        }
        thread::sleep(PACE.saturating_sub(begun.elapsed()));
    }
    writes
}

/// Reads all live partitions from their beginning.
pub(super) fn reader(stage: &Stage, zone: usize) -> Result<Running<Reads>> {
    let mut props = stage.props(zone);
    props["auto.offset.reset"] = json!("none");
    let consumer = Java::resident()?.assign(props, &partitions(TOPIC))?;
    let track = Track::new(format!("reader of {}", ZONES[zone]), 3);
    Ok(Running::start(track, move |track| {
        let mut reads = Reads::of(3);
        if let Err(error) = read(&consumer, &mut reads, track) {
            track.broken(format!("{error:#}"));
        }
        reads
    }))
}

fn read(consumer: &Consumer, reads: &mut Reads, track: &Track) -> Result<()> {
    while track.goes_on() {
        let all = consumer.take(TAKE.0, TAKE.1)?;
        track.note_taken(&all);
        for taken in all {
            match taken {
                Taken::Record(record) => reads.take(&record)?,
                Taken::Error(error) => bail!("its application is shown {error}"),
                Taken::Assigned(_) | Taken::Revoked(_) => {}
            }
        }
        reads.ends().iter().enumerate().for_each(|(line, end)| track.reached(line, *end));
    }
    Ok(())
}

/// Reads history from its start, over and over, as a client of each zone in turn; says how often it was through.
pub(super) fn cold_reader(stage: &Stage) -> Running<u64> {
    let props: Vec<_> = (0..ZONES.len()).map(|zone| stage.props(zone)).collect();
    Running::start(Track::new("cold reader".to_owned(), 1), move |track| {
        let mut passes = 0;
        let mut total = 0;
        while track.goes_on() {
            let props = props[passes as usize % props.len()].clone();
            match read_history(props, track, &mut total) {
                Ok(()) => {
                    passes += 1;
                    thread::sleep(REST);
                }
                Err(error) => {
                    track.broken(format!("pass {passes} as {}: {error:#}", ZONES[passes as usize % 3]));
                    break;
                }
            }
        }
        passes
    })
}

/// One pass over history; counts what it reads.
fn read_history(props: Value, track: &Track, total: &mut u64) -> Result<()> {
    let consumer = cold_consumer(props)?;
    let mut next = [0; 3];
    while track.goes_on() && next.iter().any(|n| *n < OLD.0) {
        let all = consumer.take(TAKE.0, TAKE.1)?;
        track.note_taken(&all);
        for taken in all {
            match taken {
                Taken::Record(record) => {
                    let next = &mut next[record.0 as usize];
                    check_old(&record, *next, OLD.1)?;
                    *next += 1;
                    *total += 1;
                }
                Taken::Error(error) => bail!("its application is shown {error}"),
                Taken::Assigned(_) | Taken::Revoked(_) => {}
            }
        }
        track.reached(0, *total);
    }
    Ok(())
}

/// A consumer of history from offset 0 that resets nothing.
pub(super) fn cold_consumer(mut props: Value) -> Result<Consumer> {
    props["auto.offset.reset"] = json!("none");
    // The earliest offset is 0: whoever is told a later one misses records, and is found out.
    Java::resident()?.assign(props, &partitions(HISTORY))
}

fn partitions(topic: &str) -> [(&str, i32); 3] {
    [(topic, 0), (topic, 1), (topic, 2)]
}
