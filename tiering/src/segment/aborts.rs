//! Aborted transactions of a range.
//!
//! A broker tells of each that touches what it returns: producer and first offset. Its end is the abort marker of that producer, which passes
//! in the same stream. A client that is told of one whose marker lies before its first batch drops committed records, so the end has to be known.
//! Source: `CompletedFetch.nextFetchedRecord`, `AbortedTxn`.

use std::collections::BTreeSet;

use kafka::batch::BatchView;
use kafka::types::Offset;

/// An aborted transaction in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted {
    /// Whose.
    pub producer: i64,
    /// Its first offset; may lie before the segment.
    pub first: Offset,
    /// Its marker's offset, or the segment's last if the marker lies beyond.
    pub last: Offset,
}

impl Aborted {
    /// Whether a client that reads `[from, to)` must know of it.
    pub fn concerns(&self, from: Offset, to: Offset) -> bool {
        self.first < to && self.last >= from
    }
}

/// Collects a segment's aborted transactions as its batches pass.
#[derive(Clone, Debug, Default)]
pub struct Aborts {
    open: BTreeSet<(i64, Offset)>,
    closed: Vec<Aborted>,
}

impl Aborts {
    /// What the broker said of the batches that follow. It says the same again with each answer.
    pub fn announced(&mut self, list: &[(i64, i64)]) {
        for (producer, first) in list {
            let known = self.closed.iter().any(|a| (a.producer, a.first.0) == (*producer, *first));
            if !known {
                self.open.insert((*producer, Offset(*first)));
            }
        }
    }

    /// A batch passes: an abort marker ends its producer's transaction.
    pub fn passed(&mut self, batch: &BatchView<'_>) {
        if !(batch.is_control() && batch.is_transactional() && is_abort(batch)) {
            return;
        }
        let (producer, last) = (batch.producer_id(), batch.last_offset());
        let ended: Vec<_> =
            self.open.iter().filter(|(p, first)| *p == producer && *first <= last).copied().collect();
        for (producer, first) in ended {
            self.open.remove(&(producer, first));
            self.closed.push(Aborted { producer, first, last });
        }
    }

    /// All that concern a segment `[base, end)`, by first offset.
    pub fn finish(&self, base: Offset, end: Offset) -> Vec<Aborted> {
        let beyond = self.open.iter().map(|(producer, first)| Aborted {
            producer: *producer,
            first: *first,
            last: Offset(end.0 - 1),
        });
        let mut all: Vec<_> =
            self.closed.iter().copied().chain(beyond).filter(|a| a.concerns(base, end)).collect();
        all.sort_by_key(|a| (a.first, a.producer));
        all
    }
}

/// A control batch holds one record whose key is (version i16, type i16), type 0 for abort. Source: `ControlRecordType`.
fn is_abort(batch: &BatchView<'_>) -> bool {
    let record = &batch.bytes()[kafka::batch::HEADER_LEN..];
    // Length, then one byte of attributes, then timestamp delta, offset delta and the key's length.
    let key = skip_varint(record)
        .and_then(|rest| rest.get(1..))
        .and_then(skip_varint)
        .and_then(skip_varint)
        .and_then(skip_varint);
    key.and_then(|key| key.get(2..4)) == Some(&[0, 0])
}

fn skip_varint(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().take(10).position(|b| b & 0x80 == 0)?;
    bytes.get(last + 1..)
}

#[cfg(test)]
mod tests {
    use kafka::batch::Batches;

    use super::*;
    use crate::testing::{abort_marker, commit_marker};

    fn pass(aborts: &mut Aborts, bytes: &[u8]) {
        for batch in Batches::new(bytes) {
            aborts.passed(&batch.unwrap());
        }
    }

    #[test]
    fn an_abort_ends_at_its_marker_and_one_whose_marker_lies_beyond_ends_with_the_segment() {
        let mut aborts = Aborts::default();
        aborts.announced(&[(1, 5), (2, 8)]);
        pass(&mut aborts, &abort_marker(1, 12));
        aborts.announced(&[(1, 5), (2, 8)]);
        assert_eq!(
            aborts.finish(Offset(4), Offset(20)),
            vec![
                Aborted { producer: 1, first: Offset(5), last: Offset(12) },
                Aborted { producer: 2, first: Offset(8), last: Offset(19) },
            ]
        );
    }

    #[test]
    fn a_commit_marker_ends_nothing() {
        let mut aborts = Aborts::default();
        aborts.announced(&[(1, 5)]);
        pass(&mut aborts, &commit_marker(1, 12));
        assert_eq!(aborts.finish(Offset(0), Offset(20))[0].last, Offset(19));
    }

    #[test]
    fn a_transaction_whose_marker_lies_before_the_range_does_not_concern_it() {
        let mut aborts = Aborts::default();
        aborts.announced(&[(1, 5)]);
        pass(&mut aborts, &abort_marker(1, 12));
        assert_eq!(aborts.finish(Offset(13), Offset(20)), vec![]);
        let one = Aborted { producer: 1, first: Offset(5), last: Offset(12) };
        assert!(one.concerns(Offset(12), Offset(20)) && !one.concerns(Offset(13), Offset(20)));
        assert!(!one.concerns(Offset(0), Offset(5)), "it begins after what is returned");
    }

    #[test]
    fn two_transactions_of_one_producer_keep_their_own_ends() {
        let mut aborts = Aborts::default();
        aborts.announced(&[(1, 5)]);
        pass(&mut aborts, &abort_marker(1, 7));
        aborts.announced(&[(1, 5), (1, 8)]);
        pass(&mut aborts, &abort_marker(1, 9));
        let ends: Vec<_> = aborts.finish(Offset(0), Offset(20)).iter().map(|a| a.last.0).collect();
        assert_eq!(ends, vec![7, 9]);
    }
}
