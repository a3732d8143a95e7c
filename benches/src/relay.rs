//! The synthetic part: CPU per GB of each relay, for every cell, in interleaved rounds.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::broker::{Broker, Topics};
use crate::candidate::{Candidate, Kind, Upstream, Workshop, start_all};
use crate::frames::BROKER;
use crate::load::{Cell, Direction, Load};
use crate::report::{Goal, Section, Style, ratio_cell, value_cell};
use crate::samples::Samples;
use crate::stats::Random;
use crate::usage;

/// Frame sizes in bytes.
const FRAMES: [usize; 4] = [1 << 10, 16 << 10, 100 << 10, 1 << 20];
/// Connections.
const CONNECTIONS: [usize; 3] = [1, 16, 200];
const CPU: &str = "cpu_s_per_gb";
const SPEED: &str = "gb_per_s";
const FOREIGN: &str = "foreign_cores";

/// How long and how often.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Settings {
    /// Rounds; every relay once per cell in each.
    pub rounds: usize,
    /// Load before the window, in seconds.
    pub warm_up: f64,
    /// The window that is measured, in seconds.
    pub window: f64,
    /// Of the order of measurements.
    pub seed: u64,
    /// Only a few cells, for a look.
    pub quick: bool,
    /// Only these cells, as tables name them; all if empty.
    pub cells: Vec<String>,
    /// Real Kafka: only through these; all if empty.
    pub ways: Vec<Kind>,
    /// Real Kafka: records a run.
    pub records: Option<u64>,
}

impl Settings {
    fn cells(&self, connections: &[usize]) -> Vec<Cell> {
        let mut cells = Vec::new();
        for direction in [Direction::Produce, Direction::Fetch] {
            for frame in FRAMES {
                for &connections in connections {
                    cells.push(Cell { direction, frame, connections });
                }
            }
        }
        cells.retain(|c| match self.cells.is_empty() {
            true => !self.quick || c.connections == 16,
            false => self.cells.contains(&c.to_string()),
        });
        cells
    }
}

/// Plain TCP: HAProxy in three settings and Tidegate in two.
pub fn plain(workshop: &Workshop, settings: &Settings) -> anyhow::Result<Section> {
    let kinds = [Kind::Haproxy, Kind::HaproxyShipped, Kind::HaproxySplice, Kind::Tidegate, Kind::TidegateOne];
    let cells = settings.cells(&CONNECTIONS);
    let (samples, skipped) = run(workshop, settings, &kinds, &cells)?;
    let mut table = Style::table([
        "cell",
        "HAProxy CPU-s/GB",
        "as shipped x HAProxy",
        "splice x HAProxy",
        "Tidegate x HAProxy",
        "goal",
        "one thread x HAProxy",
        "Tidegate x as shipped",
        "goal",
        "Tidegate x splice",
        "goal",
    ]);
    for cell in &cells {
        let row = cell.to_string();
        let ratio = |ours, theirs| samples.ratio(&row, CPU, ours, theirs);
        let goal = Goal::AtMost(if cell.frame >= 16 << 10 { 1.0 } else { 1.2 });
        let strict = ratio(Kind::Tidegate, Kind::Haproxy);
        let shipped = ratio(Kind::Tidegate, Kind::HaproxyShipped);
        let spliced = ratio(Kind::Tidegate, Kind::HaproxySplice);
        table.add_row([
            row.clone(),
            value_cell(samples.summary(&row, Kind::Haproxy, CPU), 2),
            ratio_cell(ratio(Kind::HaproxyShipped, Kind::Haproxy)),
            ratio_cell(ratio(Kind::HaproxySplice, Kind::Haproxy)),
            ratio_cell(strict),
            goal.verdict(strict),
            ratio_cell(ratio(Kind::TidegateOne, Kind::Haproxy)),
            ratio_cell(shipped),
            goal.verdict(shipped),
            ratio_cell(spliced),
            Goal::AtMost(1.3).verdict(spliced),
        ]);
    }
    let quiet = quietness(&samples);
    Ok(Section::new("synthetic", "Synthetic relay, plain TCP", PLAIN_NOTE, table, samples, skipped)
        .note(quiet))
}

/// TLS on the client side: HAProxy and Tidegate.
pub fn tls(workshop: &Workshop, settings: &Settings) -> anyhow::Result<Section> {
    let kinds = [Kind::HaproxyTls, Kind::TidegateTls];
    let cells = settings.cells(&[16]);
    let (samples, skipped) = run(workshop, settings, &kinds, &cells)?;
    let mut table = Style::table(["cell", "HAProxy TLS CPU-s/GB", "Tidegate TLS x HAProxy TLS", "goal"]);
    for cell in &cells {
        let row = cell.to_string();
        let ours = samples.ratio(&row, CPU, Kind::TidegateTls, Kind::HaproxyTls);
        table.add_row([
            row.clone(),
            value_cell(samples.summary(&row, Kind::HaproxyTls, CPU), 2),
            ratio_cell(ours),
            Goal::AtMost(0.7).verdict(ours),
        ]);
    }
    let quiet = quietness(&samples);
    let title = "Synthetic relay, TLS on the client side";
    Ok(Section::new("tls", title, TLS_NOTE, table, samples, skipped).note(quiet))
}

/// How much of the machine was not ours.
fn quietness(samples: &Samples) -> String {
    let cores = value_cell(samples.overall(FOREIGN), 2);
    format!(
        "Cores that others used during the windows: {cores}. Above 0.1 or so, ratios near a goal say little."
    )
}

const PLAIN_NOTE: &str = "Cell = direction / frame / connections: `p` produces frames of that size with 5 \
    outstanding (Produce v9, acks=1, answers of 60 bytes), `f` fetches answers of that size one at a time (Fetch \
    v17, v16 and v12 by connection in turn; every 16th answer of v16 and later carries node endpoints). GB = 10^9 \
    bytes of requests and answers together. HAProxy without more words has `nbthread 1`; as shipped it takes one \
    thread a core, as Tidegate does; Tidegate with one thread stands beside it for the likeness.";
const TLS_NOTE: &str = "TLS 1.3 with AES-256-GCM on both, forced by the client; upstream plain.";

fn run(
    workshop: &Workshop,
    settings: &Settings,
    kinds: &[Kind],
    cells: &[Cell],
) -> anyhow::Result<(Samples, Vec<String>)> {
    let broker = Broker::start(workshop.port()?, Topics { count: 0, partitions: 0 }, None)?;
    let (mut candidates, skipped) = start_all(workshop, kinds, |_| {
        Ok(Upstream { broker: BROKER, addr: broker.addr, port: workshop.relay_port()?, connections: 4000 })
    })?;
    ensure!(!candidates.is_empty(), "no relay could be started: {}", skipped.join("; "));
    let (mut samples, mut random) = (Samples::default(), Random(settings.seed));
    for round in 0..settings.rounds {
        let mut order = cells.to_vec();
        random.shuffle(&mut order);
        for (done, cell) in order.iter().enumerate() {
            eprintln!("round {}/{}, cell {}/{}: {cell}", round + 1, settings.rounds, done + 1, order.len());
            random.shuffle(&mut candidates);
            for candidate in &mut candidates {
                measure(workshop, settings, candidate, *cell, round, &mut samples)?;
            }
        }
    }
    Ok((samples, skipped))
}

/// One window. A relay that fails in it twice has no number there, and its ratios rest on fewer rounds.
fn measure(
    workshop: &Workshop,
    settings: &Settings,
    candidate: &mut Candidate,
    cell: Cell,
    round: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let (kind, row) = (candidate.kind, cell.to_string());
    let again = |error: anyhow::Error| {
        eprintln!("*** {} failed in {cell}, once more: {error:#}", kind.name());
        window(workshop, settings, candidate, cell)
    };
    match window(workshop, settings, candidate, cell).or_else(again) {
        Ok(window) => {
            samples.push(&row, kind, CPU, round, window.cpu.as_secs_f64() / window.gigabytes());
            samples.push(&row, kind, SPEED, round, window.gigabytes() / window.time.as_secs_f64());
            samples.push(&row, kind, FOREIGN, round, window.foreign);
        }
        Err(error) => eprintln!("*** {} failed in {cell}: {error:#}", kind.name()),
    }
    ensure!(candidate.process.is_alive(), "{} died:\n{}", kind.name(), candidate.process.log_tail(20));
    Ok(())
}

struct Window {
    cpu: Duration,
    time: Duration,
    bytes: u64,
    foreign: f64,
}

impl Window {
    fn gigabytes(&self) -> f64 {
        self.bytes as f64 / 1e9
    }
}

fn window(workshop: &Workshop, settings: &Settings, c: &Candidate, cell: Cell) -> anyhow::Result<Window> {
    let load = Load::start(c.addr, cell, workshop.tls_for(c.kind))?;
    let pid = c.process.pid();
    std::thread::sleep(Duration::from_secs_f64(settings.warm_up));
    let machine = usage::Machine::now(&[pid]);
    let (start, cpu, bytes) = (Instant::now(), usage::cpu(pid)?, load.bytes());
    std::thread::sleep(Duration::from_secs_f64(settings.window));
    let (time, cpu, bytes) = (start.elapsed(), usage::cpu(pid)? - cpu, load.bytes() - bytes);
    load.check()?;
    ensure!(bytes > 0, "no byte moved");
    Ok(Window { cpu, time, bytes, foreign: machine.foreign_cores() })
}
