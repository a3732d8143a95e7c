//! Everything breaks, one thing or two at a time, while clients write, read, and read history; and no promise does.
//!
//! ```text
//! seed ─> Schedule ─> Strike { kind, zone } ─> inflict ─> fired? ─> others go on? ─> heal ─> everybody goes on?
//!         Crowd: writers, readers, a cold reader; each checks what it is given, and at the end all of it
//! ```
//!
//! The promises: what was acknowledged stands once, in order, at its offset; readers see each record once, in
//! order, without a reset; history reads as it was written; and 90 s after a fault everybody goes on.

mod client;
mod crowd;
mod disk;
mod fault;
mod history;
mod schedule;
mod stage;
mod track;

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crowd::Crowd;
use fault::Kind;
use schedule::{Schedule, Strike};
use stage::Stage;

use crate::random::Random;

/// From this length on, two things may break at once.
const LONG: Duration = Duration::from_secs(20 * 60);

/// Runs chaos for `length`, and longer if not each fault came by then.
///
/// # Errors
/// A promise was broken, a fault did not fire, or nothing could be had: with the seed, and with what led to it.
pub fn run(length: Duration, seed: u64) -> Result<()> {
    let began = Instant::now();
    let mut stage = Stage::start().context("set the stage")?;
    let impossible = stage.impossible();
    for (kind, why) in &impossible {
        say(&format!("\n*** SKIPPED, so nothing is proved of it here: {kind:?}: {why}\n\n"))?;
    }
    let possible: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| impossible.iter().all(|(not, _)| not != kind)).collect();
    let mut schedule = Schedule::new(Random::new(seed), &possible, length >= LONG);
    if let Some(wanted) = wanted(&possible)? {
        schedule = schedule.beginning_with(wanted);
    }
    let crowd = Crowd::start(&stage)?;
    let mut count = 0;
    while !schedule.is_round_done() || began.elapsed() < length {
        let strikes = schedule.draw();
        count += strikes.len();
        let names: Vec<String> = strikes.iter().map(Strike::to_string).collect();
        let (what, at) = (names.join(" and "), began.elapsed().as_secs());
        say(&format!("chaos: {at} s: {what}\n"))?;
        strike(&strikes, &mut stage, &crowd).with_context(|| {
            let (clients, gateways) = (crowd.excerpt(), stage.log_tails(15));
            format!("SEED={seed}: at {at} s: {what}\nlast seen by clients:\n{clients}\n{gateways}")
        })?;
    }
    crowd.end(&stage).with_context(|| format!("SEED={seed}: at the end"))?;
    stage.verify().with_context(|| format!("SEED={seed}: the store at the end"))?;
    say(&format!("chaos: {count} faults in {} s, no promise broken\n", began.elapsed().as_secs()))
}

/// What `$CHAOS_FAULTS` asks for first, like `ZoneCut:az1,DiskFull:az1`: to have one thing again that a long run found.
fn wanted(possible: &[Kind]) -> Result<Option<Vec<Strike>>> {
    let Ok(text) = std::env::var("CHAOS_FAULTS") else { return Ok(None) };
    let strike = |word: &str| {
        let (kind, zone) = word.split_once(':')?;
        let kind = possible.iter().find(|possible| format!("{possible:?}") == kind)?;
        let zone = stage::ZONES.iter().position(|name| *name == zone)?;
        Some(Strike { kind: *kind, zone })
    };
    let all: Option<Vec<Strike>> = text.split(',').map(strike).collect();
    all.map(Some)
        .with_context(|| format!("CHAOS_FAULTS={text}: write {possible:?}, each with :az1, :az2 or :az3"))
}

/// One or two faults, from the first to the last of them.
fn strike(strikes: &[Strike], stage: &mut Stage, crowd: &Crowd) -> Result<()> {
    let inflict = |strike: &Strike| strike.inflict(stage).with_context(|| format!("inflict {strike}"));
    let mut inflicted = strikes.iter().map(inflict).collect::<Result<Vec<_>>>()?;
    for (fault, strike) in inflicted.iter_mut().zip(strikes) {
        fault.fired(stage).with_context(|| format!("{strike} does not show"))?;
    }
    let excused = strikes.iter().filter(|s| s.kind.excuses_the_zone()).map(|s| s.zone);
    crowd.go_on("those to go on whom it doesn't concern", &excused.collect::<Vec<_>>())?;
    for (fault, strike) in inflicted.into_iter().zip(strikes) {
        fault.heal(stage).with_context(|| format!("heal {strike}"))?;
    }
    crowd.all_go_on("everybody to go on when it is over")?;
    stage.wait_whole()
}

/// Past the test runner's capture, which hides what passing tests print: ten minutes are long without a word.
fn say(what: &str) -> Result<()> {
    Ok(std::io::stderr().write_all(what.as_bytes())?)
}
