//! Finding the newest version.

use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::ids::Seq;
use super::{Register, Version, record};
use crate::{Error, Key, Kind, LIST_MAX};

/// How many numbers are tried one by one before a listing is cheaper.
const PROBES: usize = 4;
/// How long probes are believed without a listing. Far below any grace of the collector: a reader that slept for longer
/// than that would find the numbers after its own free, and take its own version for the newest for ever.
const LIST_EVERY: Duration = Duration::from_secs(600);
/// How often a listing is repeated because what it named had been collected meanwhile.
const LISTINGS: usize = 8;

/// What a number holds.
#[derive(Debug)]
pub(super) enum Slot {
    /// Nothing, at least now.
    Free,
    /// Bytes that are no version: skipped by everybody.
    Void,
    /// A version.
    Held(Version),
}

/// What one read of a number came to.
enum Look {
    Slot(Slot),
    NoVersion(Bytes),
}

/// A number that a listing named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) seq: Seq,
    pub(super) written: SystemTime,
}

impl Register {
    /// The newest version, if there is one newer than `known`.
    ///
    /// With `known`, up to four GETs for the numbers after it; a listing if there are more, if none is known, or if the
    /// last listing through this handle or its clones was more than ten minutes ago.
    ///
    /// # Errors
    /// Those of the store; [`Kind::Conflict`] if versions are collected faster than they can be read.
    pub async fn read_newest(&self, known: Option<Seq>) -> Result<Option<Version>, Error> {
        match known {
            Some(known) if self.listed_lately() => self.probe(known).await,
            _ => self.list_newest(known).await,
        }
    }

    async fn probe(&self, known: Seq) -> Result<Option<Version>, Error> {
        let (mut seq, mut newest) = (known, None);
        for _ in 0..PROBES {
            seq = seq.next()?;
            match self.slot(seq).await? {
                Slot::Free => return Ok(newest),
                Slot::Void => {}
                Slot::Held(version) => newest = Some(version),
            }
        }
        Ok(self.list_newest(Some(seq)).await?.or(newest))
    }

    /// As [`Register::read_newest`], always by a listing.
    pub(super) async fn list_newest(&self, after: Option<Seq>) -> Result<Option<Version>, Error> {
        for _ in 0..LISTINGS {
            let began = Instant::now();
            let tail = self.tail(after).await?;
            if let Some(newest) = self.newest_of(&tail).await? {
                self.note_listing(began);
                return Ok(newest);
            }
        }
        let what = format!("register {}", self.prefix);
        Err(Error::new(Kind::Conflict, what, "versions vanish while they are read"))
    }

    /// The newest that is a version; the outer `None` if one vanished meanwhile.
    async fn newest_of(&self, tail: &[Listed]) -> Result<Option<Option<Version>>, Error> {
        for listed in tail.iter().rev() {
            match self.slot(listed.seq).await? {
                Slot::Free => return Ok(None),
                Slot::Void => {}
                Slot::Held(version) => return Ok(Some(Some(version))),
            }
        }
        Ok(Some(None))
    }

    /// The last numbers after `after`, ascending: one listing's worth at least, two at most.
    async fn tail(&self, after: Option<Seq>) -> Result<Vec<Listed>, Error> {
        let (mut last, mut after) = (Vec::new(), after);
        loop {
            let (page, full) = self.page(after).await?;
            let Some(end) = page.last() else { return Ok(last) };
            after = Some(end.seq);
            if !full {
                last.extend(page);
                return Ok(last);
            }
            last = page;
        }
    }

    /// One listing of numbers after `after`, and whether there may be more.
    pub(super) async fn page(&self, after: Option<Seq>) -> Result<(Vec<Listed>, bool), Error> {
        let after = after.map(|seq| self.version_key(seq)).transpose()?;
        self.listing("0", after.as_ref()).await
    }

    /// The number below which nothing counts any more: a version created there was created anew, after the genuine one
    /// had been collected.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn boundary(&self) -> Result<Option<Seq>, Error> {
        Ok(self.boundaries().await?.last().map(|listed| listed.seq))
    }

    /// All boundaries that have not been tidied away, ascending. The last one counts.
    pub(super) async fn boundaries(&self) -> Result<Vec<Listed>, Error> {
        let mut all = Vec::new();
        loop {
            let after = all.last().map(|l: &Listed| self.boundary_key(l.seq)).transpose()?;
            let (page, full) = self.listing("gc/", after.as_ref()).await?;
            all.extend(page);
            if !full {
                return Ok(all);
            }
        }
    }

    async fn listing(&self, start: &str, after: Option<&Key>) -> Result<(Vec<Listed>, bool), Error> {
        let found = self.store.list(&format!("{}/{start}", self.prefix), after, LIST_MAX).await?;
        let named = |key: &Key| key.as_str().rsplit('/').next().and_then(Seq::parse);
        let full = found.len() == LIST_MAX;
        let listed = found.iter().filter_map(|m| Some(Listed { seq: named(&m.key)?, written: m.written }));
        Ok((listed.collect(), full))
    }

    /// Looks at a number. Bytes that are no version are read twice before that is believed: what was bad on the way only
    /// would otherwise hide a higher epoch.
    pub(super) async fn slot(&self, seq: Seq) -> Result<Slot, Error> {
        let key = self.version_key(seq)?;
        let first = match self.look(seq, &key).await {
            Ok(Look::NoVersion(record)) => Some(record),
            Ok(Look::Slot(slot)) => return Ok(slot),
            Err(e) if e.kind == Kind::Corrupt => None,
            Err(e) => return Err(e),
        };
        match self.look(seq, &key).await? {
            Look::Slot(slot) => Ok(slot),
            Look::NoVersion(record) if first.as_ref() == Some(&record) => Ok(Slot::Void),
            Look::NoVersion(_) => Err(Error::new(
                Kind::Corrupt,
                format!("get {key}"),
                "two reads differ, and the second is no version",
            )),
        }
    }

    async fn look(&self, seq: Seq, key: &Key) -> Result<Look, Error> {
        match self.store.get(key).await {
            Ok(record) => Ok(match record::decode(seq, &record) {
                Ok(version) => Look::Slot(Slot::Held(version)),
                Err(_) => Look::NoVersion(record),
            }),
            Err(e) if e.kind == Kind::NotFound => Ok(Look::Slot(Slot::Free)),
            Err(e) => Err(e),
        }
    }

    fn listed_lately(&self) -> bool {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.is_some_and(|at| at.elapsed() < LIST_EVERY)
    }

    fn note_listing(&self, began: Instant) {
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
    }

    /// Lets the last listing look `age` old.
    #[cfg(test)]
    pub(super) fn age_listing(&self, age: Duration) {
        *self.listed.lock().unwrap() = Instant::now().checked_sub(age);
    }
}
