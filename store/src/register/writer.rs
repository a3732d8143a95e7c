//! Writing: taking over, and committing one version after another.

use bytes::Bytes;

use super::ids::{PutId, Seq, WriterEpoch};
use super::read::Slot;
use super::{Register, Version, record};
use crate::{Error, Kind, Mode};

/// How often one commit tries a number, or goes past one that holds no version.
const ATTEMPTS: usize = 8;

/// Why a commit did not, or may not have happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody took over: this writer must stop.
    #[error("fenced by writer epoch {}", by.0)]
    Fenced {
        /// Their epoch.
        by: WriterEpoch,
    },
    /// A version that this writer did not know of is the newest: an earlier commit of its own, the answer to which was lost.
    /// It is what the next commit builds on; whether it holds what was to be committed, it says itself.
    #[error("version {} is newer than what was known", .0.seq.get())]
    Behind(Version),
    /// Nothing was written.
    #[error(transparent)]
    Io(Error),
    /// It may or may not be written, now or later. The next commit finds out, and says [`Lost::Behind`] if it was.
    #[error("may or may not be written: {0}")]
    Unknown(Error),
}

/// The right to write, until somebody takes it over.
#[derive(Debug)]
pub struct Writer {
    register: Register,
    name: String,
    epoch: WriterEpoch,
    /// The newest version that this writer knows.
    newest: Version,
}

impl Writer {
    /// Takes over, from whoever writes now: writes a version with the next epoch and the same value, empty if there was
    /// none. `name` says who, to people.
    ///
    /// # Errors
    /// [`Lost::Fenced`] if somebody else took over at the same time; never [`Lost::Behind`].
    pub async fn take_over(register: Register, name: &str) -> Result<Self, Lost> {
        for _ in 0..ATTEMPTS {
            let newest = register.list_newest(None).await.map_err(Lost::Io)?;
            let next = successor(newest.as_ref(), name).map_err(Lost::Io)?;
            let epoch = next.epoch;
            match claim(&register, next).await {
                Ok(newest) => return Ok(Self { register, name: name.to_owned(), epoch, newest }),
                Err(Lost::Behind(theirs)) if theirs.epoch == epoch => {
                    return Err(Lost::Fenced { by: theirs.epoch });
                }
                // The present writer was faster with a commit.
                Err(Lost::Behind(_)) => {}
                Err(lost) => return Err(lost),
            }
        }
        Err(Lost::Io(Error::new(Kind::Conflict, "take over", "the present writer is always faster")))
    }

    /// The newest version that this writer knows: what the next commit builds on.
    pub fn newest(&self) -> &Version {
        &self.newest
    }

    /// This writer's epoch.
    pub fn epoch(&self) -> WriterEpoch {
        self.epoch
    }

    /// Makes `body` the newest version.
    ///
    /// # Errors
    /// See [`Lost`].
    pub async fn commit(&mut self, body: Bytes) -> Result<Seq, Lost> {
        let next = self.next(body).map_err(Lost::Io)?;
        match claim(&self.register, next).await {
            Ok(version) => self.newest = version,
            Err(Lost::Behind(newest)) => {
                self.newest = newest.clone();
                return Err(Lost::Behind(newest));
            }
            Err(lost) => return Err(lost),
        }
        Ok(self.newest.seq)
    }

    fn next(&self, body: Bytes) -> Result<Version, Error> {
        let (seq, put_id) = (self.newest.seq.next()?, PutId::random()?);
        Ok(Version { seq, epoch: self.epoch, put_id, writer: self.name.clone(), body })
    }
}

/// The version by which `name` takes over from `newest`.
fn successor(newest: Option<&Version>, name: &str) -> Result<Version, Error> {
    let (seq, epoch, body) = match newest {
        Some(v) => (v.seq.next()?, v.epoch.next()?, v.body.clone()),
        None => (Seq::FIRST, WriterEpoch(1), Bytes::new()),
    };
    Ok(Version { seq, epoch, put_id: PutId::random()?, writer: name.to_owned(), body })
}

/// Creates a version, or says who was faster. All attempts carry one put id, so that a late one does no harm.
async fn claim(register: &Register, mut next: Version) -> Result<Version, Lost> {
    let mut sent = None;
    for _ in 0..ATTEMPTS {
        match register.create(&next).await {
            Ok(()) => return confirm(register, next).await,
            Err(e) if e.kind == Kind::Uncertain => sent = Some(e),
            Err(e) if e.kind == Kind::Exists => {}
            Err(e) => return Err(sent.map_or(Lost::Io(e), Lost::Unknown)),
        }
        match register.slot(next.seq).await.map_err(Lost::Unknown)? {
            Slot::Held(found) if found.put_id == next.put_id => return confirm(register, next).await,
            Slot::Held(_) => return Err(overtaken(register, next.epoch).await),
            Slot::Void => next.seq = next.seq.next().map_err(Lost::Io)?,
            Slot::Free => {}
        }
    }
    let give_up = || Error::new(Kind::Conflict, "commit", "the number is free and cannot be taken");
    Err(Lost::Unknown(sent.unwrap_or_else(give_up)))
}

/// A created version counts unless its number lies below the boundary: then it had been used before, and was collected.
async fn confirm(register: &Register, created: Version) -> Result<Version, Lost> {
    let boundary = register.boundary_unless_blind().await.map_err(Lost::Unknown)?;
    if boundary.is_none_or(|boundary| created.seq >= boundary) {
        return Ok(created);
    }
    register.delete_ghost(created.seq).await;
    Err(overtaken(register, created.epoch).await)
}

/// Somebody else's version is the newest: who they are decides.
async fn overtaken(register: &Register, epoch: WriterEpoch) -> Lost {
    match register.list_newest(None).await {
        Ok(Some(newest)) if newest.epoch > epoch => Lost::Fenced { by: newest.epoch },
        Ok(Some(newest)) => Lost::Behind(newest),
        Ok(None) => Lost::Io(Error::new(Kind::Unusable, "commit", "the register's versions are gone")),
        Err(e) => Lost::Unknown(e),
    }
}

impl Register {
    async fn create(&self, version: &Version) -> Result<(), Error> {
        let record = record::encode(version)?;
        self.store.put(&self.version_key(version.seq)?, record, Mode::Create).await
    }

    async fn boundary_unless_blind(&self) -> Result<Option<Seq>, Error> {
        #[cfg(test)]
        if self.blind {
            return Ok(None);
        }
        self.boundary().await
    }

    /// Removes a version that was created below the boundary. If that fails, the collector does it.
    async fn delete_ghost(&self, seq: Seq) {
        if let Ok(key) = self.version_key(seq) {
            let _collected_later = self.store.delete(&[key]).await;
        }
    }
}
