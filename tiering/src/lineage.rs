//! Which leader epoch began where: the whole history of it, of which the brokers forget what they trim.

use kafka::types::{LeaderEpoch, Offset};

/// Epochs and the offsets at which they begin, both growing. Source: `LeaderEpochFileCache`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<(LeaderEpoch, Offset)>);

impl Lineage {
    /// From pairs as stored; `None` unless epochs grow strictly and offsets don't fall.
    pub fn from_pairs(pairs: Vec<(i32, i64)>) -> Option<Self> {
        let grows = pairs.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
        let pairs = pairs.into_iter().map(|(e, o)| (LeaderEpoch(e), Offset(o))).collect();
        grows.then_some(Self(pairs))
    }

    /// As pairs to store.
    pub fn pairs(&self) -> Vec<(i32, i64)> {
        self.0.iter().map(|(e, o)| (e.0, o.0)).collect()
    }

    /// Notes a batch of `epoch` at `offset`. Batches without an epoch (-1) say nothing.
    pub fn note(&mut self, epoch: LeaderEpoch, offset: Offset) {
        let newest = self.newest().map_or(LeaderEpoch(-1), |(e, _)| e);
        if epoch > newest {
            self.0.push((epoch, offset));
        }
    }

    /// Adds what follows: of a later segment.
    pub fn extend(&mut self, later: &Self) {
        for (epoch, offset) in &later.0 {
            self.note(*epoch, *offset);
        }
    }

    /// The newest epoch and where it begins.
    pub fn newest(&self) -> Option<(LeaderEpoch, Offset)> {
        self.0.last().copied()
    }

    /// Forgets what begins at or after `end`: the leader's log took another turn there.
    pub fn truncate(&mut self, end: Offset) {
        self.0.retain(|(_, start)| *start < end);
    }

    /// The epoch of the batch at `offset`; -1 if it is older than all that is known.
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        let after = self.0.partition_point(|(_, start)| *start <= offset);
        after.checked_sub(1).map_or(LeaderEpoch(-1), |i| self.0[i].0)
    }

    /// Where the largest epoch not above `asked` ends: where the next one begins. `None` if no next one is known: the
    /// broker knows better. Source: `LeaderEpochFileCache.endOffsetFor`.
    pub fn end_of(&self, asked: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let after = self.0.partition_point(|(epoch, _)| *epoch <= asked);
        let floor = self.0.get(after.checked_sub(1)?)?;
        let next = self.0.get(after)?;
        Some((floor.0, next.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage() -> Lineage {
        Lineage::from_pairs(vec![(0, 0), (2, 100), (5, 300)]).unwrap()
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins_and_the_newest_is_the_brokers_to_answer() {
        let end = |e| lineage().end_of(LeaderEpoch(e)).map(|(e, o)| (e.0, o.0));
        assert_eq!(end(0), Some((0, 100)));
        assert_eq!(end(1), Some((0, 100)), "floor of an epoch that wrote nothing");
        assert_eq!(end(4), Some((2, 300)));
        assert_eq!(end(5), None);
        assert_eq!(end(-1), None);
    }

    #[test]
    fn the_epoch_of_an_offset_is_that_of_the_last_start_at_or_before_it() {
        let at = |o| lineage().epoch_at(Offset(o)).0;
        assert_eq!((at(0), at(99), at(100), at(1_000)), (0, 0, 2, 5));
    }

    #[test]
    fn a_divergence_forgets_the_epochs_after_it() {
        let mut l = lineage();
        l.truncate(Offset(300));
        assert_eq!(l.newest(), Some((LeaderEpoch(2), Offset(100))));
        l.note(LeaderEpoch(1), Offset(400));
        assert_eq!(l.newest(), Some((LeaderEpoch(2), Offset(100))), "epochs never fall");
    }

    #[test]
    fn pairs_that_do_not_grow_are_no_lineage() {
        assert!(Lineage::from_pairs(vec![(1, 0), (1, 5)]).is_none());
        assert!(Lineage::from_pairs(vec![(1, 5), (2, 4)]).is_none());
    }
}
