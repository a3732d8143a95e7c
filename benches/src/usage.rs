//! What a process has used, read from /proc.

use std::time::Duration;

use anyhow::Context as _;

/// Run time of all living threads of `pid` on a core so far, in the scheduler's own nanoseconds: `utime` and
/// `stime` count in ticks of 10 ms, too coarse here. Threads that have ended are missed; the proxies keep theirs.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid}"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        total += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}

/// CPU time of the whole machine at one moment, in ticks of 10 ms.
#[derive(Clone, Debug)]
pub struct Machine {
    busy: u64,
    ours: u64,
    at: std::time::Instant,
    pids: Vec<u32>,
}

impl Machine {
    /// Reads it now. `pids` are the processes that belong to the measurement, beside this one.
    pub fn now(pids: &[u32]) -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = first.split_whitespace().skip(1).flat_map(str::parse).collect();
        // User, nice, system, irq, softirq, stolen; idle and waiting for disks is nobody's work.
        let busy = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|n| ticks.get(n)).sum();
        let ours = std::iter::once(std::process::id()).chain(pids.iter().copied()).map(process_ticks).sum();
        Self { busy, ours, at: std::time::Instant::now(), pids: pids.to_vec() }
    }

    /// Cores that others, the hypervisor included, have used since.
    pub fn foreign_cores(&self) -> f64 {
        let later = Self::now(&self.pids);
        let foreign = (later.busy - self.busy).saturating_sub(later.ours.saturating_sub(self.ours));
        foreign as f64 / 100.0 / later.at.duration_since(self.at).as_secs_f64().max(0.01)
    }
}

fn process_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold blanks; fields are counted from the bracket that closes it.
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0 };
    rest.split(' ').skip(11).take(2).flat_map(str::parse::<u64>).sum()
}
