//! `make demo`: what Tidegate is for, end to end, on a real Kafka and a real S3 server, in one command.
//!
//! ```text
//!   demo ──────────── starts ──────────► demo --hold: three brokers and three gateways, one a zone; an S3 server
//!    │                                      ▲
//!    ├─ Traffic.java: a producer and three consumer groups,
//!    │  first at the brokers' addresses, then at the gateways'
//!    └─ History.java: a topic whose history moves to the S3 server, and a consumer that reads it from offset 0
//! ```
//!
//! Two processes, because with `--keep` brokers and gateways outlive the demo while everything else about
//! starting and stopping them stays the same.

mod account;
mod bucket;
mod clients;
mod config;
mod disk;
mod feed;
mod flows;
mod history;
mod hold;
mod live;
mod needs;
mod next;
mod places;
mod price;
mod progress;
mod report;
mod requests;
mod screen;
mod show;
mod signals;
mod size;
mod stage;
mod traffic;

use std::process::ExitCode;

use clap::Parser;

use price::Price;
use signals::Stopped;
use size::Size;

/// Shows what Tidegate saves: the same traffic against three Kafka brokers, direct and through gateways; then a
/// topic's history in an object store.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Leave brokers and gateways up at the end.
    #[arg(long)]
    keep: bool,
    /// What the cloud charges for a GB that crosses a zone, in USD, once on each side.
    #[arg(long, value_name = "USD", default_value = "0.01")]
    price_per_gb: Price,
    /// How much history to move and to read again, e.g. 2GiB; the disk needs five times as much for a while.
    /// Default: 128 MiB a core, 256 MiB to 1 GiB.
    #[arg(long, value_name = "SIZE", default_value_t = Size::of_machine())]
    history: Size,
    /// Be the process that holds brokers and gateways, until standard input ends.
    #[arg(long, hide = true)]
    hold: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.hold { hold::run() } else { show::run(&args) };
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
