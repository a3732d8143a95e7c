//! What Java's consumer shows of an answer. Source: `CompletedFetch.nextFetchedRecord`.

use std::collections::{BTreeSet, HashSet};

use kafka::batch::{BatchView, Batches};

use super::log::is_abort;

/// The base offsets of the data batches in `records` that a reader is given, by the abort list of the answer (`None`: read_uncommitted).
/// A batch that is cut off at the end is not one.
pub fn shown(records: &[u8], aborted: Option<&[(i64, i64)]>) -> Vec<i64> {
    let mut waiting: BTreeSet<(i64, i64)> =
        aborted.unwrap_or_default().iter().map(|(producer, first)| (*first, *producer)).collect();
    let (mut aborting, mut out) = (HashSet::new(), Vec::new());
    for batch in Batches::new(records).map_while(Result::ok) {
        if aborted.is_some() && batch.producer_id() >= 0 {
            while let Some(&(first, producer)) =
                waiting.first().filter(|(first, _)| *first <= batch.last_offset().0)
            {
                waiting.remove(&(first, producer));
                aborting.insert(producer);
            }
            if ends_an_abort(&batch) {
                aborting.remove(&batch.producer_id());
            } else if batch.is_transactional() && aborting.contains(&batch.producer_id()) {
                continue;
            }
        }
        if !batch.is_control() {
            out.push(batch.base_offset().0);
        }
    }
    out
}

fn ends_an_abort(batch: &BatchView<'_>) -> bool {
    batch.is_control() && is_abort(batch) == Some(true)
}
