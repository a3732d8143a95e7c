//! `make bench`: measures Tidegate beside other relays and says where it stands. See the crate's head for how.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use tidegate_benches::candidate::{Kind, Workshop};
use tidegate_benches::idle;
use tidegate_benches::machine::Machine;
use tidegate_benches::manifest;
use tidegate_benches::metadata;
use tidegate_benches::real;
use tidegate_benches::relay::{self, Settings};
use tidegate_benches::report::{self, Report, Section};
use tidegate_benches::{soak, tier};

/// Measures Tidegate beside HAProxy, Envoy and Kroxylicious, and direct, in one run; prints ratios.
#[derive(Debug, Parser)]
struct Args {
    /// A look of about a minute a part instead of a full measurement
    #[arg(long)]
    quick: bool,
    /// Only these parts
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Interleaved rounds; fewer than 5 prove nothing
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these cells of the synthetic parts, e.g. `p/16K/1,f/1M/200`
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// Real Kafka only through these relays
    #[arg(long, value_delimiter = ',')]
    ways: Vec<Kind>,
    /// Records of one run of real Kafka; more leave time to attach a profiler
    #[arg(long)]
    records: Option<u64>,
    /// Seconds of one synthetic window; longer ones leave time to attach a profiler
    #[arg(long)]
    window: Option<f64>,
    /// Order of measurements, to have the same again
    #[arg(long)]
    seed: Option<u64>,
    /// Minutes of the soak
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// What the soak starts beside itself: only a fake broker on this port, until standard input ends
    #[arg(long, hide = true)]
    broker: Option<u16>,
    /// Also puts the results into this document, between its marks
    #[arg(long)]
    docs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Synthetic,
    Tls,
    Kafka,
    Idle,
    Metadata,
    Tier,
    Manifest,
    /// Half an hour; only if asked for
    Soak,
}

impl Part {
    const ALL: [Self; 7] =
        [Self::Synthetic, Self::Tls, Self::Kafka, Self::Idle, Self::Metadata, Self::Tier, Self::Manifest];
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(port) = args.broker {
        return soak::serve(port);
    }
    let settings = settings(&args);
    eprintln!("seed {}", settings.seed);
    let folder = std::env::current_exe()?.parent().and_then(|p| p.parent()).context("target")?.join("bench");
    let workshop = Workshop::new(folder.clone())?;
    let parts = if args.only.is_empty() { Part::ALL.to_vec() } else { args.only.clone() };
    let mut report = Report { machine: Machine::read(), settings: settings.clone(), sections: Vec::new() };
    let mut failed = 0;
    for part in parts {
        match measure(part, &workshop, &settings, args.minutes) {
            Ok(section) => report.sections.push(section),
            Err(error) => {
                eprintln!("\n*** FAILED: {part:?}: {error:#}\n");
                failed += 1;
            }
        }
        // After every part: a run that is cut short keeps what it has.
        report.write_raw(&folder.join("raw.json"))?;
    }
    let markdown = report.markdown();
    std::io::stdout().write_all(markdown.as_bytes())?;
    eprintln!("raw numbers: {}", folder.join("raw.json").display());
    if let Some(path) = args.docs {
        report::write_docs(&path, &markdown)?;
    }
    ensure!(failed == 0, "{failed} parts failed");
    Ok(())
}

fn measure(part: Part, workshop: &Workshop, settings: &Settings, minutes: u64) -> anyhow::Result<Section> {
    match part {
        Part::Synthetic => relay::plain(workshop, settings),
        Part::Tls => relay::tls(workshop, settings),
        Part::Kafka => real::run(workshop, settings),
        Part::Idle => idle::run(workshop, settings),
        Part::Metadata => metadata::run(workshop, settings),
        Part::Tier => tier::run(workshop, settings),
        Part::Manifest => manifest::run(settings),
        Part::Soak => soak::run(workshop, settings, Duration::from_secs(60 * minutes)),
    }
}

fn settings(args: &Args) -> Settings {
    let (rounds, warm_up, window) = if args.quick { (1, 0.2, 0.4) } else { (5, 0.2, 0.5) };
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = args.seed.unwrap_or_else(|| clock.map_or(1, |d| d.as_secs()));
    Settings {
        rounds: args.rounds.unwrap_or(rounds),
        warm_up,
        window: args.window.unwrap_or(window),
        seed,
        quick: args.quick,
        cells: args.cells.clone(),
        ways: args.ways.clone(),
        records: args.records,
    }
}
