//! What a client saw, and whether it is what a log may show: offsets one after the other, and no reset.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail, ensure};

use super::admin::{Outcome, Step};

/// Faults kept in full; a client in a loop makes millions.
const FAULTS_KEPT: usize = 20;

/// A break of the promise that a partition is read once, in order, without holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Offsets from `expected` up to `got`, exclusive, were left out.
    Gap {
        /// The partition.
        partition: i32,
        /// The offset that should have come.
        expected: i64,
        /// The offset that came.
        got: i64,
    },
    /// An offset came that had come before.
    Repeat {
        /// The partition.
        partition: i32,
        /// The offset that should have come.
        expected: i64,
        /// The offset that came.
        got: i64,
    },
    /// The client gave up its position: it was told OFFSET_OUT_OF_RANGE.
    Reset(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { partition, expected, got } => {
                write!(f, "gap in partition {partition}: expected {expected}, got {got}")
            }
            Self::Repeat { partition, expected, got } => {
                write!(f, "repeat in partition {partition}: expected {expected}, got {got}")
            }
            Self::Reset(message) => write!(f, "reset: {message}"),
        }
    }
}

/// One partition as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lane {
    first: i64,
    next: i64,
}

/// Everything that one client delivered or had acknowledged, in order.
#[derive(Clone, Debug, Default)]
pub struct History {
    lanes: BTreeMap<i32, Lane>,
    keys: BTreeMap<(i32, i64), String>,
    faults: Vec<Fault>,
    faults_total: u64,
    gaps: u64,
    errors: Vec<String>,
    assigned: Option<Vec<i32>>,
    aborted: u64,
    retried: Vec<String>,
    steps: Vec<Step>,
    records: u64,
    bytes: u64,
}

impl History {
    /// Notes that offsets `from` to `to`, inclusive, came one after the other.
    pub fn run(&mut self, partition: i32, from: i64, to: i64, bytes: u64) {
        self.records += (to - from + 1).unsigned_abs();
        self.bytes += bytes;
        let lane = self.lanes.entry(partition).or_insert(Lane { first: from, next: from });
        let expected = lane.next;
        lane.next = to + 1;
        match from {
            _ if from > expected => self.fault(Fault::Gap { partition, expected, got: from }),
            _ if from < expected => self.fault(Fault::Repeat { partition, expected, got: from }),
            _ => {}
        }
    }

    /// Notes one record with its key.
    pub fn record(&mut self, partition: i32, offset: i64, key: String, bytes: u64) {
        self.run(partition, offset, offset, bytes);
        self.keys.insert((partition, offset), key);
    }

    /// Notes that the client was told that its position is out of range.
    pub fn reset(&mut self, message: String) {
        self.fault(Fault::Reset(message));
    }

    /// Notes an error that the client showed to its application.
    pub fn error(&mut self, message: String) {
        self.errors.push(message);
    }

    /// Notes an assignment. It excuses nothing: the checks are meant for the only member of a group.
    pub fn assign(&mut self, partitions: Vec<i32>) {
        self.assigned = Some(partitions);
    }

    /// Notes records that were sent with nobody to say where they stand (acks 0).
    pub fn sent(&mut self, records: u64) {
        self.records += records;
    }

    /// Notes a transaction of as many records that was aborted as it was asked for.
    pub fn abort(&mut self, records: u64) {
        self.aborted += records;
    }

    /// Notes a transaction that the client could not commit, and writes again.
    pub fn retry(&mut self, message: String) {
        self.retried.push(message);
    }

    /// Notes a step of the admin script, or what the client has no way of doing.
    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn fault(&mut self, fault: Fault) {
        self.faults_total += 1;
        self.gaps += u64::from(matches!(fault, Fault::Gap { .. }));
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(fault);
        }
    }

    /// Records delivered or acknowledged.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of their keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Errors that the client showed to its application.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// The partitions of the latest assignment, if there was one.
    pub fn assigned(&self) -> Option<&[i32]> {
        self.assigned.as_deref()
    }

    /// Records of transactions that were aborted as it was asked for.
    pub fn aborted(&self) -> u64 {
        self.aborted
    }

    /// Transactions that the client could not commit and wrote again, and why.
    pub fn retried(&self) -> &[String] {
        &self.retried
    }

    /// Steps of the admin script so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What the client's library has no way of doing, if it was asked for such a thing.
    pub fn unsupported(&self) -> Option<&str> {
        self.steps.iter().find(|step| step.outcome == Outcome::Unsupported).map(|step| step.op.as_str())
    }

    /// The half-open range of offsets seen of a partition.
    pub fn range(&self, partition: i32) -> Option<std::ops::Range<i64>> {
        self.lanes.get(&partition).map(|lane| lane.first..lane.next)
    }

    /// Keys by (partition, offset), if they were asked for.
    pub fn keys(&self) -> &BTreeMap<(i32, i64), String> {
        &self.keys
    }

    /// The first faults; there may be more.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// No gap, no repeat, no reset, and at least one record: a history of nothing proves nothing.
    pub fn check(&self) -> Result<()> {
        ensure!(self.records > 0, "not a single record; errors: {:?}", self.errors);
        if self.faults_total > 0 {
            let first: Vec<_> = self.faults.iter().map(Fault::to_string).collect();
            bail!("{} faults, the first: {}", self.faults_total, first.join("; "));
        }
        Ok(())
    }

    /// Everything that was acknowledged to a producer was read here, with the same keys where both kept them.
    pub fn check_holds(&self, acknowledged: &Self) -> Result<()> {
        ensure!(acknowledged.records > 0, "nothing was acknowledged; errors: {:?}", acknowledged.errors);
        for (partition, wrote) in &acknowledged.lanes {
            let read = self.range(*partition).unwrap_or(0..0);
            let whole = read.start <= wrote.first && read.end >= wrote.next;
            ensure!(whole, "partition {partition}: wrote {}..{}, read {read:?}", wrote.first, wrote.next);
        }
        for (place, key) in acknowledged.keys.iter().filter(|_| !self.keys.is_empty()) {
            let read = self.keys.get(place);
            ensure!(read == Some(key), "{place:?}: wrote {key:?}, read {read:?}");
        }
        Ok(())
    }

    /// The records that were acknowledged to a producer were read here, and no others: what was aborted and the markers
    /// of transactions are gaps and no fault. Both need keys.
    pub fn check_is(&self, acknowledged: &Self) -> Result<()> {
        ensure!(!acknowledged.keys.is_empty(), "no key was acknowledged; errors: {:?}", acknowledged.errors);
        if self.faults_total > self.gaps {
            let other = self.faults.iter().find(|fault| !matches!(fault, Fault::Gap { .. }));
            bail!("{}", other.map_or_else(|| "repeats or resets".to_owned(), Fault::to_string));
        }
        let missing = acknowledged.keys.iter().find(|(place, key)| self.keys.get(place) != Some(key));
        let excess = self.keys.iter().find(|(place, key)| acknowledged.keys.get(place) != Some(key));
        ensure!(missing.is_none() && excess.is_none(), "missing: {missing:?}, not acknowledged: {excess:?}");
        Ok(())
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = self.lanes.iter().map(|(p, lane)| format!("{p}: {}..{}", lane.first, lane.next));
        let lanes: Vec<_> = lanes.collect();
        write!(f, "{} records ({}), {} faults", self.records, lanes.join(", "), self.faults_total)?;
        let last = self.errors.last().map_or("none", String::as_str);
        write!(f, ", {} errors (last: {last}), assigned {:?}", self.errors.len(), self.assigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_runs_are_sound_and_partitions_do_not_mix() {
        let mut history = History::default();
        history.run(0, 5, 9, 50);
        history.run(1, 0, 0, 10);
        history.run(0, 10, 10, 10);
        history.check().unwrap();
        assert_eq!((history.records(), history.bytes(), history.range(0)), (7, 70, Some(5..11)));
    }

    #[test]
    fn gaps_repeats_resets_and_emptiness_are_faults() {
        History::default().check().unwrap_err();
        let mut history = History::default();
        history.run(0, 0, 4, 1);
        history.run(0, 6, 6, 1);
        history.run(0, 6, 7, 1);
        history.reset("out of range".into());
        let gap = Fault::Gap { partition: 0, expected: 5, got: 6 };
        let repeat = Fault::Repeat { partition: 0, expected: 7, got: 6 };
        assert_eq!(history.faults(), [gap, repeat, Fault::Reset("out of range".into())]);
        assert!(history.check().unwrap_err().to_string().starts_with("3 faults"));
    }

    #[test]
    fn a_reader_that_misses_an_acknowledged_record_or_reads_another_is_found() {
        let (mut wrote, mut read) = (History::default(), History::default());
        read.check_holds(&wrote).unwrap_err();
        wrote.record(0, 0, "a".into(), 1);
        wrote.record(0, 1, "b".into(), 1);
        read.record(0, 0, "a".into(), 1);
        assert!(read.check_holds(&wrote).unwrap_err().to_string().contains("read 0..1"));
        read.record(0, 1, "c".into(), 1);
        assert!(read.check_holds(&wrote).unwrap_err().to_string().contains(r#"wrote "b""#));
    }
    #[test]
    fn a_reader_of_transactions_sees_what_was_committed_and_nothing_else() {
        let (mut wrote, mut read) = (History::default(), History::default());
        read.check_is(&wrote).unwrap_err();
        wrote.record(0, 0, "a".into(), 1);
        wrote.record(0, 5, "b".into(), 1);
        read.record(0, 0, "a".into(), 1);
        assert!(read.check_is(&wrote).unwrap_err().to_string().contains("missing: Some"));
        let mut dirty = read.clone();
        read.record(0, 5, "b".into(), 1);
        read.check_is(&wrote).unwrap();
        dirty.record(0, 2, "aborted".into(), 1);
        dirty.record(0, 5, "b".into(), 1);
        assert!(dirty.check_is(&wrote).unwrap_err().to_string().contains("not acknowledged: Some"));
        read.record(0, 5, "b".into(), 1);
        assert!(read.check_is(&wrote).unwrap_err().to_string().starts_with("repeat"));
    }
}
