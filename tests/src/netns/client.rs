//! Unmodified clients that read a topic to its end and exit.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::inside;
use crate::clients::Driver;
use crate::process::Process;
use crate::{Dist, Version, reaper};

/// How long one client may take over one topic.
const READ_LIMIT: Duration = Duration::from_secs(300);

/// A client at its default configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// kcat as Debian ships it: librdkafka, without a group.
    Kcat,
    /// Java's console consumer, in a JVM of its own.
    Console,
    /// One of `tests/clients`, in a group.
    Driver(Driver),
}

impl Client {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kcat => "kcat",
            Self::Console => "java",
            Self::Driver(driver) => driver.name(),
        }
    }

    /// Reads `count` records, all of `topic`, from inside the namespace; the bytes of keys and values that it
    /// delivered (values alone where it prints no keys).
    pub fn read(self, namespace: &str, bootstrap: &str, topic: &str, count: usize) -> Result<u64> {
        // Two readers in one group would share the topic.
        let group = format!("{}-{namespace}-{bootstrap}", self.name());
        let command = self.command(bootstrap, topic, &group, count)?;
        let dir = tempfile::Builder::new().prefix("tidegate-reader-").tempdir()?;
        reaper::note_dir(dir.path())?;
        let log = dir.path().join("client.log");
        let mut process = Process::spawn_piped(&mut inside(Some(namespace), command), &log)?;
        let output = process.child().stdout.take().context("a client without output")?;
        let count = count as u64;
        let tally = thread::spawn(move || match self {
            Self::Driver(_) => reported(output, count),
            Self::Kcat | Self::Console => printed(output, count),
        });
        let status = process.wait_exit(READ_LIMIT).with_context(|| process.log_tail(20))?;
        ensure!(status.success(), "{} ended with {status}: {}", self.name(), process.log_tail(20));
        tally.join().map_err(|_| anyhow!("the reader of its output has died"))?
    }

    fn command(self, bootstrap: &str, topic: &str, group: &str, count: usize) -> Result<Command> {
        let count = count.to_string();
        Ok(match self {
            Self::Kcat => {
                let mut kcat = Command::new("kcat");
                kcat.args(["-C", "-q", "-e", "-o", "beginning", "-b", bootstrap, "-t", topic]);
                kcat
            }
            Self::Console => {
                // Not `Dist::java`, which logs to standard output: that is for records alone.
                let mut java = Command::new("java");
                java.args(["-cp", &Dist::resolve(Version::Newest)?.classpath()]);
                java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
                java.arg("org.apache.kafka.tools.consumer.ConsoleConsumer").args(["--from-beginning"]);
                java.args(["--bootstrap-server", bootstrap, "--topic", topic, "--max-messages", &count]);
                java
            }
            Self::Driver(driver) => {
                let mut run =
                    Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/driver.sh"));
                run.args([driver.name(), "consume", "--bootstrap", bootstrap, "--topic", topic]);
                run.args(["--group", group, "--from", "earliest", "--until-count", &count]);
                run
            }
        })
    }
}

/// One line a record, without keys.
fn printed(mut output: impl Read, count: u64) -> Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let (mut bytes, mut lines) = (0, 0);
    loop {
        let n = output.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        lines += buffer[..n].iter().filter(|b| **b == b'\n').count() as u64;
    }
    ensure!(lines == count, "{lines} records of {count}");
    Ok(bytes - lines)
}

/// The lines of `tests/clients/README.md`.
fn reported(output: impl Read, count: u64) -> Result<u64> {
    let (mut bytes, mut records) = (0, 0);
    for line in BufReader::new(output).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        bytes += line["bytes"].as_u64().unwrap_or(0);
        records += line["n"].as_u64().filter(|_| line["event"].is_null()).unwrap_or(0);
    }
    // A driver may have a few records more in hand than it was asked for, never fewer.
    ensure!(records >= count, "{records} records of {count}");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_delivered_is_counted_and_a_missing_record_is_an_error() {
        assert_eq!(printed(&b"abc\nde\n"[..], 2).unwrap(), 5);
        printed(&b"abc\n"[..], 2).unwrap_err();
        let lines = b"{\"p\":0,\"from\":0,\"to\":1,\"n\":2,\"bytes\":9}\n{\"event\":\"end\",\"n\":2}\n";
        assert_eq!(reported(&lines[..], 2).unwrap(), 9);
        reported(&lines[..], 3).unwrap_err();
    }
}
