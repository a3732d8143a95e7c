//! Drives the rdkafka crate; see `../../README.md`.

#![forbid(unsafe_code)]

mod admin;
mod consume;
mod context;
mod life;
mod options;
mod output;
mod produce;
mod transactions;

use std::error::Error;

use clap::Parser;

use life::Life;
use options::{Options, Verb};
use output::Output;

fn main() -> Result<(), Box<dyn Error>> {
    let life = Life::until_stdin_closes();
    let output = match Options::parse().verb {
        Verb::Consume(options) => {
            let output = Output::new(options.each, true);
            consume::run(&options, &output, &life)?;
            output
        }
        Verb::Produce(options) => {
            let output = Output::new(options.each, options.acks != "0");
            match &options.transactional_id {
                Some(_) => transactions::run(&options, &output, &life)?,
                None => produce::run(&options, &output, &life)?,
            }
            output
        }
        Verb::Admin(options) => {
            let output = Output::new(false, true);
            admin::run(&options, &output)?;
            output
        }
    };
    output.end();
    Ok(())
}
