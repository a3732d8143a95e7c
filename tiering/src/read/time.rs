//! The first record at or after a timestamp. Source: `RemoteLogManager.lookupTimestamp`.

use kafka::batch::Batches;
use kafka::types::{LeaderEpoch, Offset};

use crate::manifest::{Entry, Manifest};
use crate::read::window::Window;
use crate::read::{ReadError, Reader};
use crate::segment::records;

/// A record that a time was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its timestamp, ms since 1970.
    pub timestamp: i64,
    /// Its offset.
    pub offset: Offset,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

impl Reader {
    /// The first record of the tier, not before the visible start, whose timestamp is `timestamp` or later. Timestamps need not be
    /// in order.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn find_time(&self, m: &Manifest, timestamp: i64) -> Result<Option<Found>, ReadError> {
        let found = self.find_first(m, timestamp).await;
        self.noted(m, found)
    }

    async fn find_first(&self, m: &Manifest, timestamp: i64) -> Result<Option<Found>, ReadError> {
        for spill in m.spills.iter().filter(|s| s.max_timestamp >= timestamp) {
            let entries = self.blocks.spill(m.partition, *spill).await?;
            if let Some(found) = self.find_in(m, &entries, timestamp).await? {
                return Ok(Some(found));
            }
        }
        self.find_in(m, &m.entries, timestamp).await
    }

    /// The newest timestamp in the tier; `None` if it holds nothing.
    pub fn max_timestamp(&self, m: &Manifest) -> Option<i64> {
        let spilled = m.spills.iter().map(|s| s.max_timestamp);
        spilled.chain(m.entries.iter().map(|e| e.max_timestamp)).max()
    }

    async fn find_in(
        &self,
        m: &Manifest,
        entries: &[Entry],
        timestamp: i64,
    ) -> Result<Option<Found>, ReadError> {
        for entry in entries.iter().filter(|e| e.max_timestamp >= timestamp && e.end() > m.start) {
            if let Some(found) = self.find_in_segment(m, *entry, timestamp).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn find_in_segment(
        &self,
        m: &Manifest,
        entry: Entry,
        timestamp: i64,
    ) -> Result<Option<Found>, ReadError> {
        let aux = self.blocks.aux(m.partition, entry).await?;
        let Some(mut position) = aux.position_of_time(timestamp) else { return Ok(None) };
        let mut window = Window::new(&self.blocks, m.partition, entry, aux);
        while position < entry.size {
            let head = window.head(position).await?;
            if head.base >= entry.end() {
                break;
            }
            if head.max_timestamp >= timestamp && head.end > m.start {
                let batch = window.bytes(position, position + head.size).await?;
                if let Some(found) = find_in_batch(m, &batch, timestamp)? {
                    return Ok(Some(found));
                }
            }
            position += head.size;
        }
        Ok(None)
    }
}

fn find_in_batch(m: &Manifest, bytes: &[u8], timestamp: i64) -> Result<Option<Found>, ReadError> {
    let Some(batch) = Batches::new(bytes).next().transpose()? else { return Ok(None) };
    let wanted = |r: &records::Stamp| r.timestamp >= timestamp && r.offset >= m.start;
    let stamps = records::stamps(&batch).map_err(|e| ReadError::Damaged(e.to_string()))?;
    let found = stamps.into_iter().find(wanted);
    Ok(found.map(|r| Found { timestamp: r.timestamp, offset: r.offset, epoch: batch.leader_epoch() }))
}
