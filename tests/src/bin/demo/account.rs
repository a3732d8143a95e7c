//! What moving the history came to, and what it cost to read it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use comfy_table::Table;

use super::bucket::Contents;
use super::clients::Line;
use super::report::finish;
use super::requests::Requests;

/// USD for a GB of a disk (EBS gp3) and of S3 Standard for a month, by Amazon's list price in us-east-1.
const DISK: f64 = 0.08;
const STORE: f64 = 0.023;
/// Copies that brokers keep.
const REPLICAS: f64 = 3.0;

/// All of it.
#[derive(Debug)]
pub(crate) struct Account {
    /// The writer's last word.
    pub(crate) written: Line,
    /// Bytes on the brokers' disks before, and after.
    pub(crate) before: u64,
    /// See `before`.
    pub(crate) after: u64,
    /// How long it took until brokers had dropped it.
    pub(crate) moved_in: Duration,
    /// Where the brokers' own logs began before the reader came.
    pub(crate) starts: Vec<i64>,
    /// Requests while it moved.
    pub(crate) moving: Requests,
    /// What the bucket holds.
    pub(crate) bucket: Contents,
    /// The reader's last word.
    pub(crate) read: Line,
    /// Requests while it read.
    pub(crate) reading: Requests,
}

impl Account {
    /// # Errors
    /// A record is lost, repeated or different; or brokers kept what they should have dropped.
    pub(crate) fn check(&self) -> Result<()> {
        let (written, read) = (&self.written, &self.read);
        ensure!(read.misplaced == 0, "{} records were lost, repeated or reordered", read.misplaced);
        ensure!(read.records == written.records, "{} records of {} were read", read.records, written.records);
        let hash = written.hash.as_ref().context("the writer gave no hash")?;
        ensure!(read.hash.as_ref() == Some(hash), "what was read is not what was written: {read:?}");
        ensure!(self.starts.iter().all(|start| *start > 0), "brokers still begin at {:?}", self.starts);
        ensure!(self.after < self.before, "brokers hold {} bytes, {} before", self.after, self.before);
        Ok(())
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.set_header(["History", "bytes", "requests", "USD"]);
        let mut row = |name: &str, bytes: u64, requests: String, usd: String| {
            table.add_row([name.to_owned(), mb(bytes), requests, usd]);
        };
        let asked = |r: Requests| format!("{} PUT, {} GET", r.puts, r.gets);
        let price = |r: Requests| format!("{:.5}", r.price());
        let none = String::new;
        row("written", self.written.bytes, none(), none());
        row("disks before, three copies", self.before, none(), none());
        row("disks after", self.after, none(), none());
        row("in the bucket", self.bucket.bytes, format!("{} objects", self.bucket.objects), none());
        row("moved", self.bucket.segments, asked(self.moving), price(self.moving));
        row("read from offset 0", self.read.bytes, asked(self.reading), price(self.reading));
        finish(table)
    }

    /// The sentences to remember.
    pub(crate) fn headline(&self) -> String {
        let hash = self.read.hash.as_deref().and_then(|hash| hash.get(..16)).unwrap_or_default();
        let speed = self.read.bytes as f64 / 1e6 / self.read.seconds.max(1e-3);
        format!(
            "Brokers' disks: {} before, {} after {:.0} s; their own logs begin at {}.\n\
             All {} records were read at {speed:.0} MB/s, each once, in order, unchanged (SHA-256 {hash}).\n\
             A TB of history costs USD {:.0} a month on brokers' disks (three copies), {:.0} in the store.",
            mb(self.before),
            mb(self.after),
            self.moved_in.as_secs_f64(),
            self.starts.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
            self.read.records,
            REPLICAS * DISK * 1000.0,
            STORE * 1000.0,
        )
    }

    /// How the numbers came about.
    pub(crate) fn remark() -> &'static str {
        "  Disks are counted as `du` does, in every broker's log folder, for this topic. Brokers keep the segment
  they write to. Requests are the gateways' own counters (tidegate_store_requests_total), with the looking
  for news that goes on all the time. Prices are Amazon's list prices in us-east-1: S3 Standard USD 0.005 for
  1,000 PUT or LIST, 0.0004 for 1,000 GET, 0.023 for a GB a month; EBS gp3 0.08 for a GB a month."
    }
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let line =
            Line { records: 10, bytes: 10_000, hash: Some("0123456789abcdef01".into()), ..Line::default() };
        Account {
            written: line.clone(),
            before: 300_000_000_000,
            after: 1_000_000,
            moved_in: Duration::from_secs(9),
            starts: vec![4, 5],
            moving: Requests { puts: 10_000, gets: 10_000 },
            bucket: Contents::default(),
            read: line,
            reading: Requests { puts: 10_000, gets: 10_000 },
        }
    }

    #[test]
    fn a_record_that_is_lost_repeated_or_different_fails_the_demo() {
        account().check().unwrap();
        let broken: [fn(&mut Account); 5] = [
            |a| a.read.misplaced = 1,
            |a| a.read.records = 11,
            |a| a.read.hash = Some("other".into()),
            |a| a.starts[1] = 0,
            |a| a.after = a.before,
        ];
        for change in broken {
            let mut account = account();
            change(&mut account);
            account.check().unwrap_err();
        }
    }

    #[test]
    fn the_table_fits_a_terminal_of_80_columns() {
        let table = account().table();
        assert!(table.lines().all(|line| line.chars().count() < 80), "{table}");
    }
}
