//! What readers of old history do to writers: the time of one small Produce while 16 consumers read all of it, from the tier through the gateway, or
//! directly from a broker whose page cache was dropped. Each consumer reads its own sixteenth, at a pace that makes the whole take a while.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};

use super::bed::{Bed, Front, HOT, KEPT, TOPIC};
use super::consumer::Consumer;
use super::{BACKFILL, CONSUMERS};
use crate::candidate::Kind;
use crate::frames;
use crate::probe::Probe;
use crate::samples::{DIRECT, Samples, Subject};
use crate::stats::quantile;

/// How long reading everything is made to take.
const WINDOW: Duration = Duration::from_secs(8);
/// Between two small records.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes of such a record.
const VALUE: usize = 1024;

/// One round: quiet and beside readers, through the gateway and directly.
pub(super) fn run(bed: &mut Bed, samples: &mut Samples, round: usize) -> anyhow::Result<()> {
    let pid = bed.restart(Front::Near)?;
    ensure!(pid > 0, "no gateway");
    let (through, direct) = (bed.address(), bed.direct()?);
    let ways: [(Subject, SocketAddr, &'static str); 2] =
        [(Kind::Tidegate.into(), through, TOPIC), (DIRECT, direct, KEPT)];
    for (subject, addr, topic) in ways {
        let (quiet, _) = produce_beside(addr, None)?;
        drop_page_cache()?;
        let (beside, took) = produce_beside(addr, Some((topic, bed.end())))?;
        for (metric, times, q) in [
            ("quiet_p50_ms", &quiet, 0.5),
            ("quiet_p99_ms", &quiet, 0.99),
            ("beside_p50_ms", &beside, 0.5),
            ("beside_p99_ms", &beside, 0.99),
        ] {
            samples.push(BACKFILL, subject, metric, round, quantile(times, q));
        }
        let moved = quantile(&beside, 0.99) / quantile(&quiet, 0.99);
        samples.push(BACKFILL, subject, "p99_moved", round, moved);
        samples.push(BACKFILL, subject, "took_s", round, took.as_secs_f64());
    }
    Ok(())
}

/// Times in ms of small Produces by `addr`, sorted, while all of `topic` up to an offset is read there, or while nothing else happens; and how long
/// that was.
fn produce_beside(
    addr: SocketAddr,
    read: Option<(&'static str, i64)>,
) -> anyhow::Result<(Vec<f64>, Duration)> {
    let (began, done) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        let writer = scope.spawn(|| produce(addr, &done));
        let read = match read {
            None => {
                thread::sleep(WINDOW);
                Ok(())
            }
            Some((topic, end)) => read_all(addr, topic, end),
        };
        done.store(true, Ordering::Relaxed);
        let times = writer.join().map_err(|_| anyhow!("the writer panicked"))??;
        read.map(|()| (times, began.elapsed()))
    })
}

fn produce(addr: SocketAddr, done: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut probe = Probe::connect(addr, None)?;
    probe.call(&frames::api_versions_request())?;
    let (mut times, mut correlation) = (Vec::new(), 10);
    while !done.load(Ordering::Relaxed) {
        correlation += 1;
        let request = frames::produce_one(HOT, correlation, VALUE);
        times.push(probe.time(&request)?.as_secs_f64() * 1e3);
        ensure!(frames::produce_accepted(probe.answer(), HOT), "Kafka refused the record");
        thread::sleep(PAUSE);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn read_all(addr: SocketAddr, topic: &'static str, end: i64) -> anyhow::Result<()> {
    let share = end / CONSUMERS as i64;
    let one = move |n: i64| paced(addr, topic, n * share, (n + 1) * share);
    let readers: Vec<_> = (0..CONSUMERS as i64).map(|n| thread::spawn(move || one(n))).collect();
    readers.into_iter().try_for_each(|r| r.join().map_err(|_| anyhow!("a reader panicked"))?)
}

/// Reads `[from, to)` evenly over the window, or as fast as it comes.
fn paced(addr: SocketAddr, topic: &'static str, from: i64, to: i64) -> anyhow::Result<()> {
    let (mut consumer, began, mut next) = (Consumer::connect(addr, topic)?, Instant::now(), from);
    while next < to {
        let (_, end) = consumer.fetch(next)?;
        ensure!(end > next, "nothing at {next}");
        next = end;
        let due = WINDOW.mul_f64(((next - from) as f64 / (to - from) as f64).min(1.0));
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(())
}

/// What brokers have written is no longer in memory.
fn drop_page_cache() -> anyhow::Result<()> {
    ensure!(Command::new("sync").status().context("sync")?.success(), "sync failed");
    std::fs::write("/proc/sys/vm/drop_caches", "1").context("drop_caches: needs root")
}
