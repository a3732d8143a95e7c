//! The demo's side of the process that holds brokers and gateways.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tidegate_tests::{files, wait};

use super::bucket::Bucket;
use super::feed::Feed;
use super::hold::{KEEP, Notice};
use super::places::{self, Place};
use super::screen::Screen;
use super::signals::Stop;

/// How long one step of the start may take; the longest fetches Kafka over a slow line.
const STEP_LIMIT: Duration = Duration::from_secs(600);

/// How long the holding process may take to clean up.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Running brokers and gateways; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Who is where, by zone.
    pub(crate) places: Vec<Place>,
    /// Where history goes.
    pub(crate) bucket: Bucket,
    holder: Child,
    /// Closed, it ends the holder.
    input: Option<ChildStdin>,
}

impl Stage {
    /// Starts everything, saying each step on `screen`.
    pub(crate) fn set(screen: &mut Screen, stop: &Stop) -> Result<Self> {
        let folder = places::folder()?;
        fs::create_dir_all(&folder)?;
        let log = folder.join("demo.log");
        let mut holder = spawn(&log)?;
        let input = holder.stdin.take();
        let notices = Feed::of(holder.stdout.take().context("no pipe")?);
        // Whatever happens from here on, dropping this ends the holder.
        let mut stage = Self { places: Vec::new(), bucket: Bucket::default(), holder, input };
        (stage.places, stage.bucket) = until_ready(&notices, screen, stop, &log)?;
        Ok(stage)
    }

    /// Leaves brokers and gateways to themselves.
    pub(crate) fn keep(mut self) -> Result<()> {
        let mut input = self.input.take().context("the holder is gone")?;
        writeln!(input, "{KEEP}").context("the holder is gone")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(input) = self.input.take() else { return };
        drop(input);
        let gone = || Ok(self.holder.try_wait()?);
        if wait::until("the holder to clean up", END_LIMIT, gone).is_err() {
            // Its reaper cleans up in its place.
            let _ = self.holder.kill();
        }
    }
}

fn spawn(log: &Path) -> Result<Child> {
    let mut hold = Command::new(std::env::current_exe()?);
    hold.arg("--hold").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log)?);
    // A group of its own: Ctrl-C reaches the demo, and the demo ends the holder.
    hold.process_group(0).spawn().context("start the process that holds brokers and gateways")
}

/// One demo at a time: a second would write over the first one's files.
///
/// # Errors
/// The first still runs.
pub(crate) fn refuse_a_second() -> Result<()> {
    let Ok(pid) = fs::read_to_string(places::pid_file(&places::folder()?)) else { return Ok(()) };
    let pid = pid.trim();
    let command = fs::read(PathBuf::from("/proc").join(pid).join("cmdline")).unwrap_or_default();
    let runs = String::from_utf8_lossy(&command).contains("--hold");
    ensure!(!runs, "the last demo still runs; stop it with: kill {pid}");
    Ok(())
}

fn until_ready(
    notices: &Feed<Notice>,
    screen: &mut Screen,
    stop: &Stop,
    log: &Path,
) -> Result<(Vec<Place>, Bucket)> {
    loop {
        match notices.next(STEP_LIMIT, stop)? {
            Some(Notice::Step(text)) => screen.step(&text)?,
            Some(Notice::Ready { places, bucket }) => return Ok((places, bucket)),
            Some(Notice::Failed(error)) => bail!("{error}"),
            None => bail!("the start failed:\n{}", files::tail(log, 20)),
        }
    }
}
