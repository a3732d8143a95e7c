//! Kafka's own performance tools, as a user runs them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ::tests::kafka_dist::Dist;
use anyhow::{Context as _, ensure};

/// Bytes of a record's value.
pub(crate) const RECORD: usize = 1024;
const JVM: [&str; 2] = ["-Xms512m", "-Xmx512m"];

/// What ProducerPerformance is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Produce<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) topic: &'a str,
    pub(crate) records: u64,
    /// Records a second; `None` for as many as will go.
    pub(crate) rate: Option<u64>,
}

impl Produce<'_> {
    /// The command; its output goes to a file beside the others.
    pub(crate) fn command(&self, dist: &Dist) -> Command {
        let mut java = tool(dist, "org.apache.kafka.tools.ProducerPerformance");
        let rate = self.rate.map_or("-1".to_owned(), |r| r.to_string());
        java.args(["--topic", self.topic, "--bootstrap-server", &self.to.to_string(), "--throughput", &rate]);
        java.args(["--num-records", &self.records.to_string(), "--record-size", &RECORD.to_string()]);
        java.args([
            "--command-property",
            "acks=1",
            "batch.size=131072",
            "linger.ms=5",
            "buffer.memory=67108864",
        ]);
        java
    }
}

/// Produces and returns MB/s (10^6 bytes of values) and p99 in ms as the tool tells them.
pub(crate) fn produce(dist: &Dist, what: Produce<'_>) -> anyhow::Result<(f64, f64)> {
    let output = run(&mut what.command(dist))?;
    told(&output).with_context(|| format!("no summary in: {output}"))
}

/// Reads the last line: `N records sent, R records/sec (M MB/sec), A ms avg latency, ... P ms 99th, ...`.
pub(crate) fn told(output: &str) -> Option<(f64, f64)> {
    let line = output.lines().rfind(|l| l.contains("99th"))?;
    let before = |mark: &str| {
        let (head, _) = line.split_once(mark)?;
        head.rsplit([' ', '(']).find(|w| !w.is_empty())?.parse::<f64>().ok()
    };
    // The tool's MB are of 2^20 bytes.
    Some((before(" records/sec")? * RECORD as f64 / 1e6, before(" ms 99th")?))
}

/// Consumes `records` from the start of `topic`; MB/s of fetching, without joining the group.
pub(crate) fn consume(dist: &Dist, from: SocketAddr, topic: &str, records: u64) -> anyhow::Result<f64> {
    let mut java = tool(dist, "org.apache.kafka.tools.ConsumerPerformance");
    java.args(["--bootstrap-server", &from.to_string(), "--topic", topic, "--hide-header"]);
    java.args(["--num-records", &records.to_string(), "--timeout", "20000"]);
    let output = run(&mut java)?;
    // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
    let line = output.lines().rfind(|l| l.matches(", ").count() == 9);
    let fields: Vec<&str> = line.with_context(|| format!("no summary in: {output}"))?.split(", ").collect();
    ensure!(fields[4].parse::<u64>()? >= records, "only {} of {records} records came", fields[4]);
    Ok(fields[9].trim().parse::<f64>()? * RECORD as f64 / 1e6)
}

fn tool(dist: &Dist, class: &str) -> Command {
    // The tools' own warnings would hide their one line; a broken run has no such line.
    let mut java = Command::new("java");
    java.args(JVM).args(["-cp", &dist.classpath(), &off(dist), class]).stdin(Stdio::null());
    java
}

fn off(dist: &Dist) -> String {
    let file: PathBuf = dist.lib().with_file_name("log4j2.properties");
    format!("-Dlog4j2.configurationFile={}", file.display())
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("java")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_last_line_gives_speed_and_p99() {
        let output = "5 records sent, 1 records/sec (0.00 MB/sec), 0.1 ms avg latency, 1.0 ms max latency.\n\
            500000 records sent, 97656.25 records/sec (95.37 MB/sec), 12.34 ms avg latency, 310.00 ms max \
            latency, 8 ms 50th, 40 ms 95th, 57 ms 99th, 66 ms 99.9th.\n";
        assert_eq!(told(output), Some((100.0, 57.0)));
    }
}
