//! When a segment is cut, how far brokers are trimmed, and what retention drops. Pure.

use std::time::Duration;

use kafka::batch::Batches;
use kafka::types::Offset;

use crate::manifest::Manifest;
use crate::offload::Lag;

/// How much is kept: whatever is older than `time`, or beyond `bytes`, may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hot {
    /// Age of the newest record kept no longer.
    pub time: Option<Duration>,
    /// Bytes.
    pub bytes: Option<u64>,
}

/// A topic's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A segment has at most so many bytes (but always a batch).
    pub segment_bytes: u32,
    /// And is cut sooner if its first record has waited for so long.
    pub segment_age: Duration,
    /// What stays on the brokers; `None`: they keep all (copy only).
    pub trim: Option<Hot>,
}

/// Whether there is a segment to upload. `waited`: how long there has been something.
pub fn is_due(rules: &Rules, lag: Lag, waited: Duration) -> bool {
    lag.offsets > 0 && (lag.bytes >= u64::from(rules.segment_bytes) || waited >= rules.segment_age)
}

/// How many offsets the whole batches in `records` cover; 0 if there is none.
pub fn offsets_in(records: &[u8]) -> u64 {
    let mut batches = Batches::new(records).map_while(Result::ok);
    let Some(first) = batches.next() else { return 0 };
    let end = batches.last().map_or(first.end_offset(), |b| b.end_offset());
    (end.0 - first.base_offset().0) as u64
}

/// Up to where brokers may drop their copy now, if it is further than they were told before. `behind`: bytes after the tier's end.
pub fn trim_to(m: &Manifest, hot: Hot, behind: u64, now: i64) -> Option<Offset> {
    let to = first_kept(m, hot, behind, now)?;
    (to > m.trimmed && to > m.start).then_some(to)
}

/// Where the tier's part of the log shall begin, if later than it does. What brokers still hold of it stays visible.
pub fn retain_from(m: &Manifest, keep: Hot, behind: u64, now: i64) -> Option<Offset> {
    let to = first_kept(m, keep, behind, now)?;
    (to > m.start).then_some(to)
}

/// The end of the newest segment that may go. One goes only if all before it go; those in a spill go together.
fn first_kept(m: &Manifest, keep: Hot, behind: u64, now: i64) -> Option<Offset> {
    let spills = m.spills.iter().map(|s| (s.end, s.bytes, s.max_timestamp));
    let entries = m.entries.iter().map(|e| (e.end(), u64::from(e.size), e.max_timestamp));
    let (mut after, mut to) = (behind + m.bytes(), None);
    for (end, bytes, newest) in spills.chain(entries) {
        after -= bytes;
        // Producers write timestamps as they like, and files durations: neither may turn into its opposite.
        let age = i128::from(now) - i128::from(newest);
        let old = keep.time.is_some_and(|time| u128::try_from(age).is_ok_and(|age| age >= time.as_millis()));
        let beyond = keep.bytes.is_some_and(|bytes| after >= bytes);
        if !(old || beyond) {
            break;
        }
        to = Some(end);
    }
    to
}

#[cfg(test)]
mod tests {
    use kafka::types::{Partition, TopicId};

    use super::*;
    use crate::PartitionId;
    use crate::lineage::Lineage;
    use crate::manifest::Entry;

    fn manifest() -> Manifest {
        let id = PartitionId { topic: TopicId([1; 16]), partition: Partition(0) };
        let mut m = Manifest::new("t", id, Offset(0));
        for n in 0..4 {
            let entry = Entry { base: Offset(n * 10), len: 10, size: 100, max_timestamp: n * 1000, nonce: 1 };
            m.append(entry, &Lineage::default()).unwrap();
        }
        m
    }

    fn hot(seconds: Option<u64>, bytes: Option<u64>) -> Hot {
        Hot { time: seconds.map(Duration::from_secs), bytes }
    }

    #[test]
    fn brokers_keep_what_is_young_and_what_fits() {
        let m = manifest();
        assert_eq!(trim_to(&m, hot(Some(2), None), 0, 3000), Some(Offset(20)), "two are 2 s old or older");
        assert_eq!(trim_to(&m, hot(Some(10), None), 0, 3000), None);
        assert_eq!(
            trim_to(&m, hot(None, Some(200)), 0, 0),
            Some(Offset(20)),
            "200 bytes lie after the second"
        );
        assert_eq!(
            trim_to(&m, hot(None, Some(200)), 100, 0),
            Some(Offset(30)),
            "what is not uploaded yet counts"
        );
        assert_eq!(trim_to(&m, hot(None, None), 0, i64::MAX), None, "nothing is said: nothing goes");
    }

    #[test]
    fn what_lies_in_spills_goes_too_and_first() {
        let mut m = manifest();
        m.seal(7);
        assert!(m.entries.is_empty() && m.spills.len() == 1);
        let young = Entry { base: Offset(40), len: 10, size: 100, max_timestamp: 9000, nonce: 1 };
        m.append(young, &Lineage::default()).unwrap();
        assert_eq!(trim_to(&m, hot(Some(5), None), 0, 9000), Some(Offset(40)));
        assert_eq!(retain_from(&m, hot(None, Some(100)), 0, 0), Some(Offset(40)));
        assert_eq!(trim_to(&m, hot(Some(7), None), 0, 9000), None, "the newest in the spill is 6 s old");
    }

    #[test]
    fn no_age_and_no_time_to_keep_are_so_long_that_they_turn_round() {
        let mut m = manifest();
        let for_ever = Hot { time: Some(Duration::from_millis(u64::MAX)), bytes: None };
        assert_eq!(retain_from(&m, for_ever, 0, i64::MAX), None, "kept for ever");
        m.entries[0].max_timestamp = i64::MIN;
        assert_eq!(retain_from(&m, hot(Some(10), None), 0, i64::MAX), Some(Offset(40)), "as old as can be");
        m.entries[0].max_timestamp = i64::MAX;
        assert_eq!(retain_from(&m, hot(Some(0), None), 0, 0), None, "from the future");
    }

    #[test]
    fn an_old_segment_behind_a_young_one_stays() {
        let mut m = manifest();
        m.entries[1].max_timestamp = 3000;
        assert_eq!(trim_to(&m, hot(Some(1), None), 0, 3000), Some(Offset(10)));
    }

    #[test]
    fn brokers_are_never_told_twice_and_retention_drops_the_oldest() {
        let mut m = manifest();
        m.trimmed = Offset(20);
        assert_eq!(trim_to(&m, hot(None, Some(200)), 0, 0), None);
        assert_eq!(retain_from(&m, hot(None, Some(100)), 0, 0), Some(Offset(30)));
        m.start = Offset(30);
        assert_eq!(retain_from(&m, hot(None, Some(100)), 0, 0), None);
    }

    #[test]
    fn a_segment_is_due_when_it_is_full_or_old_and_never_when_there_is_nothing() {
        let rules = Rules { segment_bytes: 1000, segment_age: Duration::from_secs(60), trim: None };
        let due = |offsets, bytes, waited| {
            is_due(&rules, Lag { offsets, bytes, seconds: 0 }, Duration::from_secs(waited))
        };
        assert!(due(1, 1000, 0) && due(1, 1, 60));
        assert!(!due(1, 999, 59) && !due(0, 0, 1000));
    }
}
