//! The last part: a topic's history moves to an object store while producers write, brokers free their disks, and a
//! consumer reads all of it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tidegate_tests::s3::Server;
use tidegate_tests::{gateway, http, wait};

use super::account::Account;
use super::bucket::Bucket;
use super::clients::{self, Client, Line};
use super::disk;
use super::places::{self, Place};
use super::progress::Progress;
use super::requests::Requests;
use super::screen::{Ink, Screen};
use super::signals::Stop;

/// The topic that the gateways' files name.
pub(crate) const TOPIC: &str = "history";
/// How long the gateways may take to notice the topic, and that its offloading is paused.
const NOTICE_LIMIT: Duration = Duration::from_secs(30);
/// How long history may take to move, for every 256 MiB of it.
const MOVE_LIMIT: Duration = Duration::from_secs(90);
/// Brokers that free no more for so long are done.
const STILL: Duration = Duration::from_secs(2);

/// What the part needs to know.
pub(crate) struct Ground<'a> {
    /// Brokers and gateways.
    pub(crate) places: &'a [Place],
    /// The bucket.
    pub(crate) bucket: &'a Bucket,
    /// Bytes of history to make.
    pub(crate) bytes: u64,
}

impl Ground<'_> {
    /// Makes the topic, so that gateways know it by the time it is needed.
    pub(crate) fn prepare(&self) -> Result<()> {
        clients::create_topic(&self.brokers(), &log()?)
    }

    /// Runs the part; what it came to.
    pub(crate) fn run(&self, screen: &mut Screen, stop: &Stop) -> Result<Account> {
        screen.step("pausing the offloading of `history`, to see it before and after")?;
        self.tier("pause")?;
        wait::until_true("the gateways to pause", NOTICE_LIMIT, || Ok(self.owned()? == 0))?;
        let gateway = &self.places.first().context("no zone")?.gateway;
        let writer = Client::start(&["write", gateway, &self.brokers(), &self.bytes.to_string()], &log()?)?;
        self.fill(&writer, screen, stop)?;
        let before = disk::used(self.places, TOPIC)?;
        screen.step("offloading goes on, and the producer goes on writing")?;
        let asked = Requests::so_far(self.places)?;
        let began = Instant::now();
        self.tier("resume")?;
        let after = self.offload(&writer, screen, stop)?;
        let moved_in = began.elapsed();
        let starts = writer.next(stop)?.starts;
        let moving = Requests::so_far(self.places)?.since(asked);
        let written = writer.end(stop)?;
        let bucket = self.bucket.contents()?;
        let read = self.read(&written, screen, stop)?;
        let reading = Requests::so_far(self.places)?.since(asked).since(moving);
        let account = Account { written, before, after, moved_in, starts, moving, bucket, read, reading };
        account.check()?;
        Ok(account)
    }

    /// Until the history is written.
    fn fill(&self, writer: &Client, screen: &mut Screen, stop: &Stop) -> Result<()> {
        let bar = Progress::new("written", self.bytes)?;
        loop {
            let line = writer.next(stop)?;
            bar.set(line.bytes, screen)?;
            if line.filled.is_some() {
                bar.end();
                return Ok(());
            }
        }
    }

    /// Until the brokers have dropped all that was written before, and their disks are free of it. Returns what they still hold.
    fn offload(&self, writer: &Client, screen: &mut Screen, stop: &Stop) -> Result<u64> {
        let bar = Progress::new("offloaded", self.bytes)?;
        let limit = MOVE_LIMIT * u32::try_from(self.bytes.div_ceil(256 << 20))?;
        let (began, mut least, mut since) = (Instant::now(), u64::MAX, Instant::now());
        loop {
            let line = writer.next(stop)?;
            bar.set(self.bucket.contents()?.segments, screen)?;
            let held = disk::used(self.places, TOPIC)?;
            if held < least || !dropped(&line) {
                (least, since) = (held.min(least), Instant::now());
            }
            if since.elapsed() > STILL {
                bar.end();
                return Ok(held);
            }
            ensure!(began.elapsed() < limit, "the history has not moved within {limit:?}: {line:?}");
        }
    }

    /// Reads all of it through a gateway of another zone than the writer's.
    fn read(&self, written: &Line, screen: &mut Screen, stop: &Stop) -> Result<Line> {
        let place = self.places.get(1).context("no second zone")?;
        screen.step(&format!("a consumer in {} reads from offset 0, through its gateway", place.zone))?;
        let reader = Client::start(&["read", &place.gateway, &written.records.to_string()], &log()?)?;
        let bar = Progress::new("read", written.bytes)?;
        loop {
            let line = reader.next(stop)?;
            bar.set(line.bytes, screen)?;
            if line.hash.is_some() {
                bar.end();
                return Ok(line);
            }
        }
    }

    /// `tidegate tier VERB history`.
    fn tier(&self, verb: &str) -> Result<()> {
        let zone = &self.places.first().context("no zone")?.zone;
        let config = places::config_file(&places::folder()?, zone);
        let known = || {
            let mut tidegate = Command::new(gateway::binary_path()?);
            tidegate.args(["tier", verb, TOPIC, "-c"]).arg(&config).envs(Server::env());
            let out = tidegate.output().context("run tidegate")?;
            // Until a gateway has taken the topic over the bucket doesn't know it.
            ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr).trim());
            Ok(true)
        };
        wait::until_true(&format!("`tidegate tier {verb} {TOPIC}` to work"), NOTICE_LIMIT, known)
    }

    /// Partitions of the topic that gateways offload now.
    fn owned(&self) -> Result<u64> {
        let mut sum = 0;
        for place in self.places {
            let status: Value = serde_json::from_str(&http::get(&place.admin, "/status")?.body)?;
            let topics = status["tier"]["topics"].as_array().cloned().unwrap_or_default();
            let ours = topics.iter().filter(|topic| topic["topic"] == TOPIC);
            sum += ours.filter_map(|topic| topic["owned"].as_u64()).sum::<u64>();
        }
        Ok(sum)
    }

    fn brokers(&self) -> String {
        self.places.iter().map(|place| place.broker.as_str()).collect::<Vec<_>>().join(",")
    }
}

/// Whether every broker's own log begins behind what had been written when the offloading went on.
fn dropped(line: &Line) -> bool {
    let Some(filled) = &line.filled else { return false };
    filled.len() == line.starts.len() && filled.iter().zip(&line.starts).all(|(end, start)| start >= end)
}

fn log() -> Result<PathBuf> {
    Ok(places::folder()?.join("history.log"))
}

/// The line above the part.
pub(crate) fn title(screen: &Screen) -> String {
    screen.ink(Ink::Bold, "\n3  history: to an object store, and read again from its first record")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_has_moved_once_brokers_begin_behind_all_that_was_written_before() {
        let line = |filled: Option<Vec<i64>>, starts: &[i64]| Line {
            filled,
            starts: starts.to_vec(),
            ..Line::default()
        };
        assert!(dropped(&line(Some(vec![10, 20]), &[10, 25])));
        assert!(!dropped(&line(Some(vec![10, 20]), &[10, 19])));
        assert!(!dropped(&line(Some(vec![10, 20]), &[])), "brokers were not asked yet");
        assert!(!dropped(&line(None, &[10, 20])));
    }
}
