//! Collecting old versions.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::Register;
use super::ids::Seq;
use super::read::Listed;
use crate::{Error, Kind, Mode};

/// At most so many listings of 1,000 in one go; the next one goes on.
const PAGES: usize = 10;
/// Boundaries that stay, so that a listing under way while a new one comes and the oldest goes sees one of them.
const BOUNDARIES_KEPT: usize = 2;
/// Deletions in one call: the store's bound.
const BATCH: usize = 1000;
/// What a boundary holds, for people: its number is in its key.
const NOTE: &[u8] = b"versions below this number may have been deleted\n";

/// What stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At least so many of the newest numbers; 0 counts as 1.
    pub versions: u64,
    /// Versions that were replaced less long ago than this. Twenty minutes at least, so that no reader sleeps through it
    /// unnoticed; what writers may believe does not depend on it.
    pub grace: Duration,
}

impl Register {
    /// Deletes old versions, the boundary first. Returns how many. Several collectors at once do no harm.
    ///
    /// `now` by the clock of this machine, ages by the store's.
    ///
    /// # Errors
    /// Those of the store. What was not deleted is by the next call.
    pub async fn collect(&self, keep: Keep, now: SystemTime) -> Result<usize, Error> {
        let Some(newest) = self.list_newest(None).await? else { return Ok(0) };
        let oldest = self.oldest().await?;
        let boundaries = self.boundaries().await?;
        let before = boundaries.last().map(|b| b.seq);
        let bound = decide(&oldest, newest.seq, keep, now).max(before);
        let Some(bound) = bound else { return Ok(0) };
        if Some(bound) != before {
            self.advance(bound).await?;
        }
        let old = oldest.iter().filter(|l| l.seq < bound).map(|l| self.version_key(l.seq));
        let deleted = self.delete_all(old.collect::<Result<_, _>>()?).await?;
        self.tidy(&boundaries, keep.grace, now).await?;
        Ok(deleted)
    }

    /// Makes the boundary durable.
    async fn advance(&self, bound: Seq) -> Result<(), Error> {
        let key = self.boundary_key(bound)?;
        match self.store.put(&key, Bytes::from_static(NOTE), Mode::Create).await {
            Ok(()) => Ok(()),
            Err(e) if e.kind == Kind::Exists => Ok(()),
            // It is there only if a listing says so.
            Err(e) if e.kind == Kind::Uncertain => match self.boundary().await? {
                Some(seen) if seen >= bound => Ok(()),
                _ => Err(e),
            },
            Err(e) => Err(e),
        }
    }

    async fn oldest(&self) -> Result<Vec<Listed>, Error> {
        let mut all: Vec<Listed> = Vec::new();
        for _ in 0..PAGES {
            let (page, full) = self.page(all.last().map(|l| l.seq)).await?;
            all.extend(page);
            if !full {
                break;
            }
        }
        Ok(all)
    }

    /// Deletes boundaries that have long been surpassed.
    async fn tidy(&self, boundaries: &[Listed], grace: Duration, now: SystemTime) -> Result<(), Error> {
        let surpassed = boundaries.len().saturating_sub(BOUNDARIES_KEPT);
        let old = boundaries[..surpassed].iter().filter(|b| is_old(b.written, grace, now));
        let keys = old.map(|b| self.boundary_key(b.seq)).collect::<Result<_, _>>()?;
        self.delete_all(keys).await.map(|_| ())
    }

    async fn delete_all(&self, keys: Vec<crate::Key>) -> Result<usize, Error> {
        for batch in keys.chunks(BATCH) {
            self.store.delete(batch).await?;
        }
        Ok(keys.len())
    }
}

/// The number below which versions may go, if that is any. Never above the newest version.
fn decide(oldest: &[Listed], newest: Seq, keep: Keep, now: SystemTime) -> Option<Seq> {
    let most = (newest.get() + 1).checked_sub(keep.versions.max(1)).and_then(Seq::new)?;
    let mut bound = None;
    // A version is as old as its successor: until then it was the newest.
    for listed in oldest {
        if listed.seq > most || !is_old(listed.written, keep.grace, now) {
            break;
        }
        bound = Some(listed.seq);
    }
    bound
}

fn is_old(written: SystemTime, grace: Duration, now: SystemTime) -> bool {
    now.duration_since(written).is_ok_and(|age| age >= grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Versions 5, 6, 7, 8 and so on, replaced every minute.
    fn versions(n: u64) -> (Vec<Listed>, SystemTime) {
        let start = SystemTime::UNIX_EPOCH;
        let listed = |i| Listed { seq: Seq::new(5 + i).unwrap(), written: start + MINUTE * i as u32 };
        ((0..n).map(listed).collect(), start + MINUTE * (n - 1) as u32)
    }

    fn bound(n: u64, keep: u64, grace: u32) -> Option<u64> {
        let (all, now) = versions(n);
        let keep = Keep { versions: keep, grace: MINUTE * grace };
        decide(&all, all.last().unwrap().seq, keep, now).map(Seq::get)
    }

    #[test]
    fn the_newest_version_always_stays() {
        assert_eq!(bound(4, 0, 0), Some(8));
        assert_eq!(bound(1, 0, 0), Some(5));
    }

    #[test]
    fn a_version_stays_for_the_grace_after_it_was_replaced() {
        // 6 replaced 5 two minutes before 8 was written.
        assert_eq!(bound(4, 1, 2), Some(6));
        assert_eq!(bound(4, 1, 3), Some(5));
        assert_eq!(bound(4, 1, 4), None);
    }

    #[test]
    fn so_many_stay_whatever_their_age() {
        assert_eq!(bound(10, 3, 0), Some(12));
        assert_eq!(bound(2, 100, 0), None);
    }
}
