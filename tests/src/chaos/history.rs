//! What clients were told, and whether a log and its readers keep it. Pure: tests break it on purpose.

use std::collections::VecDeque;
use std::fmt;

use anyhow::{Result, ensure};

use crate::java::{Ack, Record};

/// What is kept of the last things that happened, for whoever reads a failure.
const EXCERPT: usize = 12;

/// A partition as the cluster has it: the key at each offset, from 0 on.
pub(super) type Log = [i64];

/// The last few things that happened to a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Excerpt(VecDeque<String>);

impl Excerpt {
    /// Notes one, and forgets the oldest.
    pub(super) fn note(&mut self, what: String) {
        if self.0.len() == EXCERPT {
            self.0.pop_front();
        }
        self.0.push_back(what);
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// What a producer sent to its partition, and what it was told. Keys are 0, 1, 2, ... in the order of sending.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    sent: i64,
    /// Key and offset of what was acknowledged.
    acked: Vec<(i64, i64)>,
    refused: u64,
}

impl Writes {
    /// The next key to send.
    pub(super) fn next(&self) -> i64 {
        self.sent
    }

    /// How many were acknowledged, and how many given up.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.acked.len() as u64, self.refused)
    }

    /// Takes in what became of the next records, in the order of sending.
    pub(super) fn told(&mut self, acks: &[Ack]) {
        for ack in acks {
            match ack {
                Ok((_, offset)) => self.acked.push((self.sent, *offset)),
                Err(_) => self.refused += 1,
            }
            self.sent += 1;
        }
    }

    /// Every acknowledged key stands where the producer was told, and keys stand in the order of sending, none twice.
    ///
    /// # Errors
    /// Which does not.
    pub(super) fn check(&self, log: &Log) -> Result<()> {
        for (offset, pair) in log.windows(2).enumerate() {
            let (first, second) = (pair[0], pair[1]);
            ensure!(
                first < second,
                "offset {}: key {second} after {first}: repeated or reordered",
                offset + 1
            );
        }
        for (key, offset) in &self.acked {
            let stands = log.get(usize::try_from(*offset)?);
            ensure!(
                stands == Some(key),
                "key {key} acknowledged at offset {offset}, where {stands:?} stands"
            );
        }
        Ok(())
    }
}

/// What a consumer was given of each partition, from offset 0 on.
#[derive(Clone, Debug)]
pub(super) struct Reads(Vec<Vec<i64>>);

impl Reads {
    /// Nothing yet, of that many partitions.
    pub(super) fn of(partitions: usize) -> Self {
        Self(vec![Vec::new(); partitions])
    }

    /// Takes in one record.
    ///
    /// # Errors
    /// It is not the one that follows.
    pub(super) fn take(&mut self, record: &Record) -> Result<()> {
        let Record(partition, offset, key, _) = record;
        let lane = self.0.get_mut(usize::try_from(*partition)?);
        let Some(lane) = lane else { anyhow::bail!("a record of partition {partition}, which nobody reads") };
        let next = lane.len() as i64;
        ensure!(*offset == next, "partition {partition}: offset {offset} where {next} follows");
        lane.push(key.parse()?);
        Ok(())
    }

    /// The next offset of each partition.
    pub(super) fn ends(&self) -> Vec<u64> {
        self.0.iter().map(|lane| lane.len() as u64).collect()
    }

    /// The reader was given what the logs hold, all of it.
    ///
    /// # Errors
    /// The first difference.
    pub(super) fn check(&self, logs: &[Vec<i64>]) -> Result<()> {
        for (partition, (read, log)) in self.0.iter().zip(logs).enumerate() {
            let differs = read.iter().zip(log).position(|(read, stands)| read != stands);
            ensure!(differs.is_none(), "partition {partition}: another record at offset {differs:?}");
            let (read, stands) = (read.len(), log.len());
            ensure!(read == stands, "partition {partition}: {read} records read of {stands}");
        }
        Ok(())
    }
}

/// A record of history, as it was written: its key is its offset, its value is of this size.
///
/// # Errors
/// It is another.
pub(super) fn check_old(record: &Record, next: i64, size: i64) -> Result<()> {
    let Record(partition, offset, key, bytes) = record;
    ensure!(*offset == next, "history {partition}: offset {offset} where {next} follows");
    ensure!(
        *key == next.to_string() && *bytes == size,
        "history {partition}: {offset} holds {key}, {bytes} bytes"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offsets: &[i64]) -> Writes {
        let mut writes = Writes::default();
        writes.told(&offsets.iter().map(|o| Ok((0, *o))).collect::<Vec<_>>());
        writes
    }

    #[test]
    fn a_lost_a_repeated_a_reordered_and_a_moved_record_are_found() {
        let writes = told(&[0, 1, 2]);
        writes.check(&[0, 1, 2]).unwrap();
        writes.check(&[0, 1, 2, 7]).unwrap();
        for bad in [&[0, 1][..], &[0, 1, 2, 2], &[0, 2, 1], &[1, 2], &[]] {
            writes.check(bad).unwrap_err();
        }
    }

    #[test]
    fn what_was_given_up_may_stand_or_not_and_no_key_is_sent_twice() {
        let mut writes = told(&[0]);
        let error = crate::java::JavaError { class: "TimeoutException".into(), message: String::new() };
        writes.told(&[Err(error), Ok((0, 1))]);
        assert_eq!((writes.next(), writes.counts()), (3, (2, 1)));
        writes.check(&[0, 2]).unwrap();
        writes.check(&[0, 1, 2]).unwrap_err();
    }

    #[test]
    fn a_reader_that_skips_repeats_or_reads_another_record_is_found() {
        let record = |offset, key: &str| Record(0, offset, key.to_owned(), 1);
        let mut reads = Reads::of(1);
        reads.take(&record(0, "0")).unwrap();
        reads.take(&record(0, "0")).unwrap_err();
        reads.take(&record(2, "2")).unwrap_err();
        reads.take(&record(1, "1")).unwrap();
        reads.check(&[vec![0, 1]]).unwrap();
        for other in [vec![0, 2], vec![0], vec![0, 1, 2]] {
            reads.check(&[other]).unwrap_err();
        }
    }

    #[test]
    fn history_that_is_not_as_it_was_written_is_found() {
        check_old(&Record(0, 7, "7".into(), 100), 7, 100).unwrap();
        for bad in
            [Record(0, 8, "8".into(), 100), Record(0, 7, "8".into(), 100), Record(0, 7, "7".into(), 99)]
        {
            check_old(&bad, 7, 100).unwrap_err();
        }
    }
}
