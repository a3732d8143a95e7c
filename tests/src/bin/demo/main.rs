//! `make demo`: what Tidegate is for, end to end, on a real Kafka, in one command.
//!
//! ```text
//!   demo ──────────── starts ──────────► demo --hold: three brokers and three gateways, one a zone
//!    │                                      ▲
//!    └─ Traffic.java: a producer and three consumer groups,
//!       first at the brokers' addresses, then at the gateways'
//! ```
//!
//! Two processes, because with `--keep` brokers and gateways outlive the demo while everything else about
//! starting and stopping them stays the same.

mod config;
mod feed;
mod flows;
mod hold;
mod live;
mod needs;
mod next;
mod places;
mod price;
mod report;
mod screen;
mod show;
mod signals;
mod stage;
mod traffic;

use std::process::ExitCode;

use clap::Parser;

use price::Price;
use signals::Stopped;

/// Shows what Tidegate saves: the same traffic against three Kafka brokers, direct and through gateways.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Leave brokers and gateways up at the end.
    #[arg(long)]
    keep: bool,
    /// What the cloud charges for a GB that crosses a zone, in USD, once on each side.
    #[arg(long, value_name = "USD", default_value = "0.01")]
    price_per_gb: Price,
    /// Be the process that holds brokers and gateways, until standard input ends.
    #[arg(long, hide = true)]
    hold: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.hold { hold::run() } else { show::run(args.price_per_gb, args.keep) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Stopped>() => {
            eprintln!("\nstopped; brokers, gateways and their folders are gone");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
