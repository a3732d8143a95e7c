//! What becomes of each stored batch where it is produced again, and where offsets are left over. Pure.
//!
//! A producer writes data, not markers, and the broker gives out the offsets, one after the other. So offsets of markers, of transactions that were
//! aborted and of ranges that nobody has are holes, to be filled with what no consumer is shown.

use kafka::batch::{BatchView, Compression, TimestampType};
use kafka::types::Offset;

use crate::segment::aborts::Aborted;

/// More offsets without a record are not filled one by one: it would be 80 bytes each.
const HOLE_MAX: i64 = 10_000_000;

/// Offsets without a record that anybody should see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The first.
    pub from: Offset,
    /// The end.
    pub to: Offset,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It ends before the visible log begins.
    Below,
    /// A marker.
    Marker,
    /// Data of a transaction that was aborted.
    Aborted,
    /// It is written again, behind this hole.
    Written(Option<Hole>),
}

/// Why a partition can't be produced again as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A producer may not say that times are the broker's.
    #[error(
        "the batch at offset {0} has the broker's time (message.timestamp.type=LogAppendTime), which a producer can't keep"
    )]
    AppendTime(i64),
    /// Records are missing in the middle of a batch.
    #[error(
        "the batch at offset {0} was compacted: it lacks records, and a producer can't skip offsets within a batch"
    )]
    Compacted(i64),
    /// Brokers refuse it.
    #[error("the batch at offset {0} is compressed by a codec that is not known here")]
    Codec(i64),
    /// A very long hole.
    #[error("{1} offsets from {0} on hold no record: too many to be filled")]
    Hole(i64, i64),
    /// Batches run backwards.
    #[error("the batch at offset {0} begins before the end of the one before it")]
    Order(i64),
}

/// Sorts a partition's batches, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Sorter {
    start: Offset,
    next: Offset,
}

impl Sorter {
    /// For a log that is visible from `start` on. The new log begins at 0.
    pub fn new(start: Offset) -> Self {
        Self { start, next: Offset(0) }
    }

    /// What becomes of the next batch, of a segment with these aborted transactions.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn take(&mut self, batch: &BatchView<'_>, aborted: &[Aborted]) -> Result<Fate, Unfit> {
        if batch.end_offset() <= self.start {
            return Ok(Fate::Below);
        }
        if batch.is_control() {
            return Ok(Fate::Marker);
        }
        if is_aborted(batch, aborted) {
            return Ok(Fate::Aborted);
        }
        fit(batch)?;
        let hole = self.hole_before(batch.base_offset())?;
        self.next = batch.end_offset();
        Ok(Fate::Written(hole))
    }

    /// What is left over up to the log's end.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn finish(&self, end: Offset) -> Result<Option<Hole>, Unfit> {
        if end <= self.next { Ok(None) } else { self.hole_before(end) }
    }

    fn hole_before(&self, to: Offset) -> Result<Option<Hole>, Unfit> {
        let from = self.next;
        if to < from {
            return Err(Unfit::Order(to.0));
        }
        let hole = Hole { from, to };
        let (_, inner) = hole.split(self.start);
        if inner > HOLE_MAX {
            return Err(Unfit::Hole(from.max(self.start).0, inner));
        }
        Ok((to > from).then_some(hole))
    }
}

impl Hole {
    /// How many of its offsets lie before the visible log's start, and how many behind it.
    pub fn split(self, start: Offset) -> (i64, i64) {
        let middle = start.0.clamp(self.from.0, self.to.0);
        (middle - self.from.0, self.to.0 - middle)
    }
}

/// A client is told of a transaction from its first offset to its marker; what its producer wrote between is not shown.
fn is_aborted(batch: &BatchView<'_>, aborted: &[Aborted]) -> bool {
    let hidden =
        |a: &Aborted| a.producer == batch.producer_id() && (a.first..=a.last).contains(&batch.base_offset());
    batch.is_transactional() && aborted.iter().any(hidden)
}

/// Whether a broker would take the batch from a producer as it is (`LogValidator`).
fn fit(batch: &BatchView<'_>) -> Result<(), Unfit> {
    let base = batch.base_offset().0;
    if batch.timestamp_type() == TimestampType::LogAppend {
        return Err(Unfit::AppendTime(base));
    }
    let whole = i64::from(batch.record_count()) == batch.end_offset().0 - base;
    if !whole || batch.has_delete_horizon() {
        return Err(Unfit::Compacted(base));
    }
    match batch.compression() {
        Compression::Unknown(_) => Err(Unfit::Codec(base)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use kafka::batch::Batches;

    use super::*;
    use crate::testing::{abort_marker, batch, commit_marker, in_transaction, with_crc};

    fn take(sorter: &mut Sorter, bytes: &[u8], aborted: &[Aborted]) -> Result<Fate, Unfit> {
        sorter.take(&Batches::new(bytes).next().unwrap().unwrap(), aborted)
    }

    fn hole(from: i64, to: i64) -> Option<Hole> {
        Some(Hole { from: Offset(from), to: Offset(to) })
    }

    #[test]
    fn markers_and_aborted_data_leave_holes_and_committed_data_does_not() {
        let mut s = Sorter::new(Offset(0));
        let aborted = [Aborted { producer: 1, first: Offset(3), last: Offset(6) }];
        let mut next = |bytes: &[u8]| take(&mut s, bytes, &aborted).unwrap();
        assert_eq!(
            next(&in_transaction(0, 2, 1)),
            Fate::Written(None),
            "an earlier one of the same producer"
        );
        assert_eq!(next(&commit_marker(1, 2)), Fate::Marker);
        assert_eq!(next(&in_transaction(3, 2, 1)), Fate::Aborted);
        assert_eq!(next(&in_transaction(5, 1, 2)), Fate::Written(hole(2, 5)), "another producer's");
        assert_eq!(next(&abort_marker(1, 6)), Fate::Marker);
        assert_eq!(next(&in_transaction(7, 1, 1)), Fate::Written(hole(6, 7)), "behind its marker");
        assert_eq!(s.finish(Offset(9)).unwrap(), hole(8, 9));
        assert_eq!(s.finish(Offset(8)).unwrap(), None);
    }

    #[test]
    fn what_lies_before_the_visible_start_is_a_hole_apart_even_in_the_middle_of_a_batch() {
        let mut s = Sorter::new(Offset(15));
        assert_eq!(take(&mut s, &batch(0, 10, 1), &[]).unwrap(), Fate::Below);
        assert_eq!(take(&mut s, &batch(10, 10, 1), &[]).unwrap(), Fate::Written(hole(0, 10)));
        let reaching = Hole { from: Offset(5), to: Offset(25) };
        assert_eq!((reaching.split(Offset(15)), reaching.split(Offset(0))), ((10, 10), (0, 20)));
        assert_eq!(reaching.split(Offset(30)), (20, 0));
        assert_eq!(Sorter::new(Offset(40)).finish(Offset(40)).unwrap(), hole(0, 40), "an empty log at 40");
    }

    #[test]
    fn what_no_producer_may_write_is_refused_with_its_offset() {
        let with = |at: usize, byte: u8| {
            let mut b = batch(7, 3, 1);
            b[at] = byte;
            with_crc(b)
        };
        let of = |bytes: Vec<u8>| take(&mut Sorter::new(Offset(0)), &bytes, &[]).unwrap_err();
        assert_eq!(of(with(22, 0x08)), Unfit::AppendTime(7));
        assert_eq!(of(with(22, 0x40)), Unfit::Compacted(7));
        assert_eq!(of(with(60, 2)), Unfit::Compacted(7));
        assert_eq!(of(with(22, 0x07)), Unfit::Codec(7));
        let mut s = Sorter::new(Offset(0));
        take(&mut s, &batch(0, 3, 1), &[]).unwrap();
        assert_eq!(take(&mut s, &batch(2, 3, 1), &[]), Err(Unfit::Order(2)));
        assert_eq!(s.finish(Offset(20_000_000)), Err(Unfit::Hole(3, 19_999_997)));
    }
}
