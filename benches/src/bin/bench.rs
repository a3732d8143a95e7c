//! `make bench`: measures Tidegate beside other relays and says where it stands. See the crate's head for how.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tidegate_benches::candidate::Workshop;
use tidegate_benches::idle;
use tidegate_benches::machine::Machine;
use tidegate_benches::metadata;
use tidegate_benches::relay::{self, Settings};
use tidegate_benches::report::{self, Report};

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
    /// Order of measurements, to have the same again
    #[arg(long)]
    seed: Option<u64>,
    /// Also puts the results into this document, between its marks
    #[arg(long)]
    docs: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Synthetic,
    Tls,
    Idle,
    Metadata,
}

impl Part {
    const ALL: [Self; 4] = [Self::Synthetic, Self::Tls, Self::Idle, Self::Metadata];
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let settings = settings(&args);
    eprintln!("seed {}", settings.seed);
    let folder = std::env::current_exe()?.parent().and_then(|p| p.parent()).context("target")?.join("bench");
    let workshop = Workshop::new(folder.clone())?;
    let parts = if args.only.is_empty() { Part::ALL.to_vec() } else { args.only.clone() };
    let mut report = Report { machine: Machine::read(), settings, sections: Vec::new() };
    for part in parts {
        report.sections.push(match part {
            Part::Synthetic => relay::plain(&workshop, &settings)?,
            Part::Tls => relay::tls(&workshop, &settings)?,
            Part::Idle => idle::run(&workshop, &settings)?,
            Part::Metadata => metadata::run(&workshop, &settings)?,
        });
        // After every part: a run that is cut short keeps what it has.
        report.write_raw(&folder.join("raw.json"))?;
    }
    let markdown = report.markdown();
    std::io::stdout().write_all(markdown.as_bytes())?;
    eprintln!("raw numbers: {}", folder.join("raw.json").display());
    args.docs.map_or(Ok(()), |path| report::write_docs(&path, &markdown))
}

fn settings(args: &Args) -> Settings {
    let (rounds, warm_up, window) = if args.quick { (1, 0.2, 0.4) } else { (7, 0.2, 0.5) };
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = args.seed.unwrap_or_else(|| clock.map_or(1, |d| d.as_secs()));
    Settings { rounds: args.rounds.unwrap_or(rounds), warm_up, window, seed, quick: args.quick }
}
