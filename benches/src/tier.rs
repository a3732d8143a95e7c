//! History in an object store: cold reads and uploads of one gateway, beside plain range GETs of the same server.
//!
//! ```text
//! raw Fetch clients ──► Tidegate ──► S3Proxy        each run with a gateway that has nothing in memory
//! 8 range GETs at a time ──────────► S3Proxy        the reference, with the same client library
//! ```
//!
//! Clients are ours, in Rust: Java's consumer would be the limit. They ask for what Java's asks by default.

use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};

use crate::candidate::{Kind, Workshop};
use crate::relay::Settings;
use crate::report::Section;
use crate::samples::{DIRECT, Samples};
use crate::stats::{Random, quantile};
use crate::usage::{self, Machine};

mod backfill;
mod bed;
mod consumer;
mod raw;
mod slow;
mod table;

use bed::{Bed, Front, TOPIC};
use consumer::Consumer;
use raw::Raw;

const ONE: &str = "one consumer";
const MANY: &str = "16 consumers";
const SLOW: &str = "one consumer, 30 ms to the store";
const SEEK: &str = "seek";
/// Writers beside readers.
const BACKFILL: &str = "backfill";
const UPLOAD: &str = "upload";
const SPEED: &str = "mb_per_s";
const CPU: &str = "cpu_s_per_gb";
const PER_BLOCK: &str = "gets_per_block";
const FOREIGN: &str = "foreign_cores";
/// Consumers of the same topic at a time.
const CONSUMERS: usize = 16;

/// Runs all of it.
pub fn run(workshop: &Workshop, settings: &Settings) -> anyhow::Result<Section> {
    let (mut samples, mut skipped, mut random) = (Samples::default(), Vec::new(), Random(settings.seed));
    let mut bed = Bed::start(workshop, if settings.quick { 125_000 } else { 500_000 })?;
    upload(&mut bed, &mut samples)?;
    let raw = Raw::open(&bed.settings)?;
    let through_slow = Raw::open(&bed.slow_settings())?;
    // Java's compiler, in the S3 server, gets one reading to warm up.
    raw.read_all()?;
    for round in 0..settings.rounds {
        eprintln!("tier: round {}/{}", round + 1, settings.rounds);
        let machine = Machine::now(&bed.pids());
        samples.push(ONE, DIRECT, SPEED, round, raw.read_all()?);
        read(&mut bed, Front::Near, 1, ONE, (&mut samples, round, raw.blocks()))?;
        read(&mut bed, Front::Near, CONSUMERS, MANY, (&mut samples, round, raw.blocks()))?;
        samples.push(SLOW, DIRECT, SPEED, round, through_slow.read_all()?);
        read(&mut bed, Front::Slow, 1, SLOW, (&mut samples, round, raw.blocks()))?;
        seek(&mut bed, &raw, &mut random, (&mut samples, round))?;
        match backfill::run(&mut bed, &mut samples, round) {
            Err(e) if round == 0 => skipped.push(format!("writers beside readers of old history: {e:#}")),
            done => done?,
        }
        samples.push(ONE, Kind::Tidegate, FOREIGN, round, machine.foreign_cores());
    }
    Ok(table::section(&samples, &raw, skipped))
}

/// Writes the history and has it moved; what that cost.
fn upload(bed: &mut Bed, samples: &mut Samples) -> anyhow::Result<()> {
    let pid = bed.restart(Front::Near)?;
    let before = usage::cpu(pid)?;
    bed.wait_moved()?;
    let used = usage::cpu(pid)? - before;
    let bytes = bed.store_bytes("part")? + bed.store_bytes("put")?;
    samples.push(UPLOAD, Kind::Tidegate, CPU, 0, used.as_secs_f64() / (bytes / 1e9));
    let puts = bed.store_requests("part")? + bed.store_requests("put")?;
    samples.push(UPLOAD, Kind::Tidegate, "puts_per_16_mib", 0, puts / (bytes / f64::from(16 << 20)));
    let mut others = 0.0;
    for op in ["get", "head", "list", "delete", "abort", "sweep"] {
        others += bed.store_requests(op)?;
    }
    samples.push(UPLOAD, Kind::Tidegate, "others", 0, others);
    samples.push(UPLOAD, Kind::Tidegate, "puts", 0, puts);
    Ok(())
}

/// So many consumers read all of it, through a gateway that has nothing in memory.
fn read(
    bed: &mut Bed,
    front: Front,
    consumers: usize,
    row: &str,
    (samples, round, blocks): (&mut Samples, usize, usize),
) -> anyhow::Result<()> {
    let pid = bed.restart(front)?;
    let (gets, cpu, began) = (bed.store_requests("get")?, usage::cpu(pid)?, Instant::now());
    let (addr, end) = (bed.address(), bed.end());
    let one = move || Consumer::connect(addr, TOPIC)?.read(0, end);
    let readers: Vec<_> = (0..consumers).map(|_| thread::spawn(one)).collect();
    let mut bytes = 0;
    for reader in readers {
        bytes += reader.join().map_err(|_| anyhow!("a reader panicked"))??;
    }
    let seconds = began.elapsed().as_secs_f64();
    samples.push(row, Kind::Tidegate, SPEED, round, bytes as f64 / 1e6 / seconds);
    let used = (usage::cpu(pid)? - cpu).as_secs_f64();
    samples.push(row, Kind::Tidegate, CPU, round, used / (bytes as f64 / 1e9));
    let gets = bed.store_requests("get")? - gets;
    samples.push(row, Kind::Tidegate, PER_BLOCK, round, gets / blocks as f64);
    Ok(())
}

/// Answers after a jump to a block that nobody has read, and a GET of such a block, in turn.
fn seek(
    bed: &mut Bed,
    raw: &Raw,
    random: &mut Random,
    (samples, round): (&mut Samples, usize),
) -> anyhow::Result<()> {
    bed.restart(Front::Near)?;
    let mut consumer = Consumer::connect(bed.address(), TOPIC)?;
    let blocks = raw.blocks();
    let mut order: Vec<usize> = (0..blocks).collect();
    random.shuffle(&mut order);
    let (mut gets, mut answers, mut seen) = (Vec::new(), Vec::new(), std::collections::HashSet::new());
    for block in order {
        gets.push(raw.time_block(block)?.as_secs_f64() * 1e3);
        // The middle of the block: the batch there doesn't reach into the next one.
        let offset = (bed.end() as f64 * (block as f64 + 0.5) / blocks as f64) as i64;
        let began = Instant::now();
        let (bytes, _) = consumer.fetch(offset)?;
        ensure!(bytes > 0, "nothing at {offset}");
        let took = began.elapsed().as_secs_f64() * 1e3;
        // The first in a segment has its index fetched as well.
        let first = seen.insert(raw.segment_of(block).context("no such block")?);
        let row = if first { "first_ms" } else { "again_ms" };
        if !first {
            answers.push(took);
        }
        samples.push(SEEK, Kind::Tidegate, row, round, took);
    }
    for (subject, mut times) in [(DIRECT, gets), (Kind::Tidegate.into(), answers)] {
        times.sort_by(f64::total_cmp);
        samples.push(SEEK, subject, "p50_ms", round, quantile(&times, 0.5));
        samples.push(SEEK, subject, "p99_ms", round, quantile(&times, 0.99));
    }
    Ok(())
}
