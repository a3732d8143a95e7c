//! The binary `tidegate`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("tidegate: {e:#}");
            ExitCode::from(1)
        }
    }
}
