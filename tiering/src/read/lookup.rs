//! From an offset to the segment that holds it.

use kafka::types::Offset;

use crate::manifest::{Entry, Manifest};
use crate::read::ReadError;
use crate::read::blocks::Blocks;

impl Blocks {
    /// The first segment that ends after `from`, and the one after it.
    pub(super) async fn entry_at(
        &self,
        m: &Manifest,
        from: Offset,
    ) -> Result<Option<(Entry, Option<Entry>)>, ReadError> {
        let from = from.max(m.start);
        let spill = m.spills.partition_point(|s| s.end <= from);
        if let Some(spill) = m.spills.get(spill) {
            let entries = self.spill(m.partition, *spill).await?;
            let at = entries.partition_point(|e| e.end() <= from);
            // The one after a spill's last is not worth another read: it is only for reading ahead.
            return Ok(entries.get(at).map(|e| (*e, entries.get(at + 1).or(m.entries.first()).copied())));
        }
        let at = m.entries.partition_point(|e| e.end() <= from);
        Ok(m.entries.get(at).map(|e| (*e, m.entries.get(at + 1).copied())))
    }
}
