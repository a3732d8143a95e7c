//! A disk without a free byte under a gateway's cache and its log.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;

use super::Inflicted;
use crate::chaos::client::cold_consumer;
use crate::chaos::stage::{OLD, Stage, ZONES};
use crate::wait;

const LIMIT: Duration = Duration::from_secs(90);
/// Signals after which a log of a line for each must have filled its last page.
const SIGNALS_MAX: usize = 200;
/// What the filler leaves alone for, once nothing fits: the cache may make room any time.
const PACE: Duration = Duration::from_millis(5);

/// A thread that takes whatever byte is free, until it ends.
pub(super) struct DiskFull {
    zone: usize,
    errors_before: f64,
    /// How often the kernel said that nothing fits.
    full: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    filler: JoinHandle<std::io::Result<()>>,
}

impl DiskFull {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        let file = stage.disks.get(zone).context("no disk of its own here")?.path().join("filler");
        let (full, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, ending) = (Arc::clone(&full), Arc::clone(&stop));
        let filler = thread::spawn(move || fill(&file, &theirs, &ending));
        Ok(Self { zone, errors_before: disk_errors(stage, zone)?, full, stop, filler })
    }
}

/// Writes until nothing fits, again and again; then gives it all back.
fn fill(at: &Path, full: &AtomicU64, stop: &AtomicBool) -> std::io::Result<()> {
    let mut file = File::create(at)?;
    let mut size = 1 << 20;
    while !stop.load(Relaxed) {
        match file.write(&vec![0; size]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull && size > 1 => size /= 2,
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                full.fetch_add(1, Relaxed);
                size = 1 << 12;
                thread::sleep(PACE);
            }
            Err(error) => return Err(error),
        }
    }
    fs::remove_file(at)
}

fn disk_errors(stage: &Stage, zone: usize) -> Result<f64> {
    stage.metric(zone, "tidegate_cache_errors_total", &[("layer", "disk")])
}

/// Reads history once through this gateway alone.
fn read_here(stage: &Stage, zone: usize) -> Result<()> {
    let (address, id) = (stage.sites[zone].address(), format!("disk,zone={}", ZONES[zone]));
    let consumer = cold_consumer(json!({"bootstrap.servers": address, "client.id": id}))?;
    consumer.records(3 * OLD.0 as usize, LIMIT).map(|_| ())
}

/// Gives the gateway something to log until its log doesn't grow any more, for the last page of a file has some room;
/// and a bit longer. A task that ended over a line that it can't write would not answer the next signal.
fn fill_log(stage: &mut Stage, zone: usize) -> Result<()> {
    let mut still = 0;
    for _ in 0..SIGNALS_MAX {
        let before = stage.gateways[zone].log()?.len();
        reload(stage, zone)?;
        still = if stage.gateways[zone].log()?.len() == before { still + 1 } else { 0 };
        if still == 3 {
            return Ok(());
        }
    }
    bail!("the log grows on a full disk")
}

/// SIGHUP, which says in the log what comes of it.
fn reload(stage: &mut Stage, zone: usize) -> Result<()> {
    let unchanged = |stage: &Stage| stage.metric(zone, "tidegate_reloads_total", &[("outcome", "unchanged")]);
    let before = unchanged(stage)?;
    stage.gateways[zone].process().signal("HUP")?;
    wait::until_true("a signal to be heard", LIMIT, || Ok(unchanged(stage)? > before))
}

impl Inflicted for DiskFull {
    fn fired(&mut self, stage: &mut Stage) -> Result<()> {
        let full = || Ok(self.full.load(Relaxed) > 0);
        wait::until_true("the disk to be full", LIMIT, full)?;
        let met = || {
            read_here(stage, self.zone)?;
            Ok(disk_errors(stage, self.zone)? > self.errors_before)
        };
        wait::until_true("the gateway to fail to keep a block", LIMIT, met)?;
        fill_log(stage, self.zone)
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        ensure!(stage.gateways[self.zone].is_alive(), "the gateway has died of a full disk");
        self.stop.store(true, Relaxed);
        self.filler.join().map_err(|_| anyhow!("the filler panicked"))?.context("fill the disk")
    }
}
