//! Everybody who must go on, whatever breaks.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::client::{self, Running};
use super::history::{Reads, Writes};
use super::stage::{OLD, Stage, TOPIC, ZONES};
use crate::clients::{Driver, Reader, Reading};
use crate::wait;

/// How long anybody may stand still after a fault is over, and those whom it doesn't concern while it lasts.
const PATIENCE: Duration = Duration::from_secs(90);
/// Records of a line that show that its client goes on; of the cold reader, all of history.
const STEP: u64 = 60;
const COLD_STEP: u64 = 3 * OLD.0 as u64;
/// How long the last records may take to reach all readers.
const END_LIMIT: Duration = Duration::from_secs(120);
/// Clients that live inside a zone: each in the zone of its number.
const NATIVES: [Driver; 2] = [Driver::Franz, Driver::Librdkafka];

/// The clients.
#[derive(Debug)]
pub(super) struct Crowd {
    writers: Vec<Running<Writes>>,
    readers: Vec<Running<Reads>>,
    cold: Running<u64>,
    natives: Vec<Reader>,
}

/// A line on which a client goes on, and whose trouble excuses it.
struct Line {
    name: String,
    at: u64,
    step: u64,
    /// The zones whose gateways and brokers it needs; none: all of them.
    zones: Vec<usize>,
}

impl Crowd {
    /// Starts them, and waits until all are at work.
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let zones = 0..ZONES.len();
        let crowd = Self {
            readers: zones.clone().map(|zone| client::reader(stage, zone)).collect::<Result<_>>()?,
            cold: client::cold_reader(stage),
            natives: (0..NATIVES.len()).map(|zone| native(stage, zone)).collect::<Result<_>>()?,
            writers: zones.map(|zone| client::writer(stage, zone)).collect::<Result<_>>()?,
        };
        crowd.all_go_on("everybody to be at work")?;
        Ok(crowd)
    }

    /// Waits until each client has done something more, and each reader has it.
    pub(super) fn all_go_on(&self, what: &str) -> Result<()> {
        self.go_on(what, &[])
    }

    /// The same, less those who live in these zones. Of a partition whose writer lives there nothing is asked.
    pub(super) fn go_on(&self, what: &str, excused: &[usize]) -> Result<()> {
        let before = self.lines();
        wait::until(what, PATIENCE, || {
            if let Some(failure) = self.failure() {
                return Ok(Some(Err(failure)));
            }
            let behind = behind(&before, &self.lines(), excused);
            if behind.is_empty() {
                return Ok(Some(Ok(())));
            }
            bail!("no step by {}", behind.join(", "))
        })?
        .map_err(anyhow::Error::msg)
    }

    fn lines(&self) -> Vec<Line> {
        let name = |who: &str, line: usize| format!("{who} in partition {line}");
        let mut lines = Vec::new();
        for (zone, writer) in self.writers.iter().enumerate() {
            let at = writer.track.lines()[0];
            lines.push(Line { name: writer.track.name.clone(), at, step: STEP, zones: vec![zone] });
        }
        for (zone, reader) in self.readers.iter().enumerate() {
            for (n, at) in reader.track.lines().into_iter().enumerate() {
                lines.push(Line { name: name(&reader.track.name, n), at, step: STEP, zones: vec![zone, n] });
            }
        }
        for (zone, native) in self.natives.iter().enumerate() {
            let history = native.history();
            for n in 0..ZONES.len() {
                let at = history.range(n as i32).map_or(0, |range| range.end as u64);
                lines.push(Line {
                    name: name(NATIVES[zone].name(), n),
                    at,
                    step: STEP,
                    zones: vec![zone, n],
                });
            }
        }
        let cold = &self.cold.track;
        lines.push(Line {
            name: cold.name.clone(),
            at: cold.lines()[0],
            step: COLD_STEP,
            zones: (0..ZONES.len()).collect(),
        });
        lines
    }

    /// What was broken, if anything.
    fn failure(&self) -> Option<String> {
        let tracks = self.writers.iter().map(|w| &w.track).chain(self.readers.iter().map(|r| &r.track));
        let mut failures = tracks.chain([&self.cold.track]).filter_map(|track| track.failure());
        failures.next().or_else(|| {
            let broken = |(driver, native): (&Driver, &Reader)| {
                let history = native.history();
                let failure = (history.records() > 0).then(|| history.check().err()).flatten()?;
                Some(format!("{driver}: {failure:#}\n  it saw {history}"))
            };
            NATIVES.iter().zip(&self.natives).find_map(broken)
        })
    }

    /// The last things that happened to everybody.
    pub(super) fn excerpt(&self) -> String {
        let tracks = self.writers.iter().map(|w| &w.track).chain(self.readers.iter().map(|r| &r.track));
        let java = tracks.chain([&self.cold.track]).map(|track| track.excerpt());
        let native = |(driver, native): (&Driver, &Reader)| format!("  {driver}: {}\n", native.history());
        java.chain(NATIVES.iter().zip(&self.natives).map(native)).collect()
    }

    /// Ends it, and holds what everybody was told against what the brokers have.
    pub(super) fn end(self, stage: &Stage) -> Result<()> {
        self.writers.iter().for_each(|w| w.track.stop());
        let writes = self.writers.into_iter().map(Running::join).collect::<Result<Vec<_>>>()?;
        let log = |partition| stage.log(partition, END_LIMIT);
        let logs = (0..3).map(log).collect::<Result<Vec<_>>>()?;
        for ((zone, writes), log) in ZONES.iter().zip(&writes).zip(&logs) {
            writes.check(log).with_context(|| format!("the writer of {zone}"))?;
            let (acked, refused) = writes.counts();
            eprintln!("chaos: writer of {zone}: {acked} acknowledged, {refused} given up");
        }
        let ends: Vec<u64> = logs.iter().map(|log| log.len() as u64).collect();
        for reader in self.readers {
            let all = || Ok(reader.track.lines() == ends || reader.track.failure().is_some());
            wait::until_true(&format!("{} to be at the end", reader.track.name), END_LIMIT, all)?;
            let failure = reader.track.failure();
            ensure!(failure.is_none(), failure.unwrap_or_default());
            reader.track.stop();
            let name = reader.track.name.clone();
            reader.join()?.check(&logs).context(name)?;
        }
        for (driver, native) in NATIVES.iter().zip(self.natives) {
            native.wait_records(ends.iter().sum(), END_LIMIT)?;
            let history = native.finish(END_LIMIT)?;
            history.check().with_context(|| driver.name())?;
            for (n, end) in (0..).zip(&ends) {
                let read = history.range(n);
                ensure!(read == Some(0..*end as i64), "{driver}: partition {n}: {read:?} read of {end}");
            }
        }
        self.cold.track.stop();
        let failure = self.cold.track.failure();
        ensure!(failure.is_none(), failure.unwrap_or_default());
        eprintln!("chaos: history was read {} times", self.cold.join()?);
        Ok(())
    }
}

fn native(stage: &Stage, zone: usize) -> Result<Reader> {
    let namespace = stage.zones.as_ref().map(|zones| zones.namespace(zone));
    let reading = Reading::assign(&stage.bootstrap(zone), TOPIC, &[0, 1, 2])
        .client_id(&format!("app,zone={}", ZONES[zone]))
        .inside(namespace);
    NATIVES[zone].spawn_consumer(&reading)
}

/// Who did not take its step, of those that aren't excused.
fn behind(before: &[Line], now: &[Line], excused: &[usize]) -> Vec<String> {
    let late = |(before, now): (&Line, &Line)| {
        let asked = !before.zones.iter().any(|zone| excused.contains(zone));
        (asked && now.at < before.at + before.step).then(|| format!("{} ({})", now.name, now.at - before.at))
    };
    before.iter().zip(now).filter_map(late).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, at: u64, zones: &[usize]) -> Line {
        Line { name: name.to_owned(), at, step: 10, zones: zones.to_vec() }
    }

    #[test]
    fn who_stands_still_is_named_unless_the_fault_is_in_a_zone_that_it_needs() {
        let at = |a, b| [line("a", a, &[0]), line("b", b, &[1, 2])];
        assert!(behind(&at(0, 0), &at(10, 11), &[]).is_empty());
        assert_eq!(behind(&at(0, 0), &at(9, 10), &[]), ["a (9)"]);
        assert!(behind(&at(0, 5), &at(10, 5), &[2]).is_empty());
        assert_eq!(behind(&at(0, 5), &at(10, 5), &[0]), ["b (0)"]);
    }
}
