//! Moves a partition's closed history to the store: [`plan`] decides, [`upload`] moves bytes, [`Offloader`] commits.
//!
//! One offloader owns a partition at a time; the fenced register sees to it that two never both commit. Every step leaves a state from
//! which any other gateway can go on: objects that no manifest names are orphans, and cleaned.

pub mod ledger;
mod pace;
pub mod plan;
mod upload;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka::batch::{BatchError, Batches};
use kafka::client::log::Fetched;
use kafka::types::{LeaderEpoch, Offset};
use store::SharedStore;
use store::register::Seq;

use crate::layout::Layout;
use crate::manifest::{Manifest, ManifestError, encode_spill};
use crate::offload::ledger::{Ledger, LedgerError};
use crate::offload::plan::{Hot, Rules};
use crate::read::ReadError;
use crate::segment::cut::CutError;
use crate::source::{Named, Source, SourceError};
use crate::verify;

pub use pace::Pace;

/// How much is fetched to see whether there is anything to do: one batch.
const PEEK: u32 = 1;

/// What moving a partition's history needs.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Where it goes.
    pub store: SharedStore,
    /// Under which names.
    pub layout: Layout,
    /// Where it comes from.
    pub source: Arc<dyn Source>,
    /// How fast.
    pub pace: Arc<Pace>,
}

/// Why a step failed. What was committed before stays.
#[derive(Debug, thiserror::Error)]
pub enum OffloadError {
    /// The brokers.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// The store.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// Another gateway owns the partition now.
    #[error("another gateway has taken the partition over")]
    Fenced,
    /// The manifest.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Records that can't be tiered.
    #[error("{0}")]
    Records(#[from] CutError),
    /// Records before message format v2 have no CRC that covers them and no epoch.
    #[error("{0}: records in a format before Kafka 0.11 can't be tiered")]
    Format(BatchError),
    /// The cluster lost records that the tier holds and brokers were told to drop.
    #[error(
        "the leader's log ends at {end}, before {trimmed}, up to where brokers dropped their copy: the cluster lost records; the tier keeps its own and stops here"
    )]
    Lost {
        /// Where it ends.
        end: i64,
        /// Up to where it was trimmed.
        trimmed: i64,
    },
    /// The leader's log took a turn that can't be found in ours.
    #[error("the leader says that its log took another turn at {end}, behind the end of what the tier holds")]
    Turn {
        /// Where.
        end: i64,
    },
    /// What nobody names could not be swept.
    #[error("{0}")]
    Clean(#[from] ReadError),
    /// What was uploaded does not read back as it was.
    #[error("a segment does not read back as it was uploaded: {0}")]
    Verify(#[from] verify::VerifyError),
}

impl From<LedgerError> for OffloadError {
    fn from(e: LedgerError) -> Self {
        match e {
            LedgerError::Fenced => Self::Fenced,
            LedgerError::Store(e) => Self::Store(e),
            LedgerError::Manifest(e) => Self::Manifest(e),
            LedgerError::Source(e) => Self::Source(e),
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is due.
    Idle,
    /// A segment was committed; there may be more.
    Uploaded {
        /// Its bytes.
        bytes: u64,
    },
    /// The brokers were told to drop what lies before this.
    Trimmed(Offset),
    /// Brokers had dropped records before they were uploaded.
    Gap {
        /// From here.
        from: Offset,
        /// To here.
        to: Offset,
    },
    /// The leader's log took another turn: the tier forgot what it held from here on.
    Diverged(Offset),
}

/// What the leader has behind the tier's end.
#[derive(Debug)]
pub struct Seen(Look);

#[derive(Debug)]
enum Look {
    /// Nothing there: its log begins later or ends sooner.
    OutOfRange,
    /// Its log took another turn: the same up to here.
    Diverging(Offset),
    /// This, waiting for so long.
    Follows { fetched: Fetched, waited: Duration },
}

/// How far the tier is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Offsets between the tier's end and the last stable offset.
    pub offsets: i64,
    /// Bytes, estimated by the density of what was uploaded.
    pub bytes: u64,
    /// Age of the first record that is not in the tier, seconds.
    pub seconds: u64,
}

/// Moves one partition.
#[derive(Debug)]
pub struct Offloader {
    tools: Tools,
    name: Named,
    rules: Rules,
    ledger: Ledger,
    /// As last looked at.
    pub lag: Lag,
    /// When that was; `None`: not yet.
    pub looked: Option<Instant>,
    /// What is wrong although uploads go on: brokers can't be trimmed.
    pub trouble: Option<String>,
    /// Since when the records at this offset wait. By this clock, not by their timestamps: those are the producers' own, and may be of long ago.
    pub waiting: Option<(Offset, Instant)>,
}

impl Offloader {
    /// Takes the partition over, as `owner`. From then on no earlier owner can commit.
    ///
    /// # Errors
    /// The store; or somebody else takes it at the same time.
    pub async fn take_over(
        tools: Tools,
        name: Named,
        rules: Rules,
        owner: &str,
    ) -> Result<Self, OffloadError> {
        let start = || tools.source.log_start(&name);
        let ledger = Ledger::take_over(&tools, &name, owner, start).await?;
        Ok(Self {
            tools,
            name,
            rules,
            ledger,
            lag: Lag::default(),
            looked: None,
            trouble: None,
            waiting: None,
        })
    }

    /// The manifest as last committed.
    pub fn manifest(&self) -> &Manifest {
        self.ledger.manifest()
    }

    /// Its version.
    pub fn seq(&self) -> Seq {
        self.ledger.seq()
    }

    /// Does what is most urgent.
    ///
    /// # Errors
    /// See [`OffloadError`]. After [`OffloadError::Fenced`] this offloader is of no more use; else a later step may succeed.
    pub async fn step(&mut self) -> Result<Step, OffloadError> {
        let seen = self.look().await?;
        self.act(seen).await
    }

    /// The first half of a step: asks the leader what follows. How far the tier is behind is known from then on, whatever becomes of the other half.
    ///
    /// # Errors
    /// See [`OffloadError`].
    pub async fn look(&mut self) -> Result<Seen, OffloadError> {
        let next = self.manifest().end();
        let fetched = match self.tools.source.fetch(&self.name, next, self.last_epoch(), PEEK).await {
            Err(e) if e.is_out_of_range() => return Ok(Seen(Look::OutOfRange)),
            fetched => fetched?,
        };
        if let Some((epoch, end)) = fetched.diverging {
            return Ok(Seen(Look::Diverging(self.manifest().common_end(epoch, end))));
        }
        self.lag = self.lag_of(&fetched, next, now_ms())?;
        self.looked = Some(Instant::now());
        let waited = self.waited(next);
        Ok(Seen(Look::Follows { fetched, waited }))
    }

    /// The second half: does what follows from what was seen.
    ///
    /// # Errors
    /// As for [`step`](Self::step).
    pub async fn act(&mut self, seen: Seen) -> Result<Step, OffloadError> {
        let next = self.manifest().end();
        match seen.0 {
            Look::OutOfRange => self.out_of_range(next).await,
            Look::Diverging(end) => self.diverged(end).await,
            Look::Follows { fetched, waited } if plan::is_due(&self.rules, self.lag, waited) => {
                self.upload(next, fetched).await
            }
            Look::Follows { fetched, .. } => self.trim(&fetched, now_ms()).await,
        }
    }

    /// How long the records at `next` have been waiting.
    fn waited(&mut self, next: Offset) -> Duration {
        if self.lag.offsets == 0 {
            self.waiting = None;
            return Duration::ZERO;
        }
        let since = self.waiting.filter(|(at, _)| *at == next).map_or_else(Instant::now, |(_, since)| since);
        self.waiting = Some((next, since));
        since.elapsed()
    }

    /// The epoch of the last record that the tier holds.
    fn last_epoch(&self) -> LeaderEpoch {
        match self.manifest().segments() {
            0 => LeaderEpoch(-1),
            _ => self.manifest().epoch_at(Offset(self.manifest().end().0 - 1)),
        }
    }

    fn lag_of(&self, fetched: &Fetched, next: Offset, now: i64) -> Result<Lag, OffloadError> {
        let first = Batches::new(&fetched.records).next().transpose().map_err(OffloadError::Format)?;
        let Some(first) = first else { return Ok(Lag::default()) };
        let offsets = (fetched.last_stable.0 - next.0).max(0);
        let m = self.manifest();
        let sample = (fetched.records.len() as u64, plan::offsets_in(&fetched.records));
        let (bytes, covered) = match m.entries.last() {
            Some(e) => (u64::from(e.size), u64::from(e.len)),
            None => sample,
        };
        let age = (now - first.max_timestamp()).max(0) as u64 / 1000;
        Ok(Lag { offsets, bytes: (offsets as u64).saturating_mul(bytes) / covered.max(1), seconds: age })
    }

    async fn upload(&mut self, next: Offset, first: Fetched) -> Result<Step, OffloadError> {
        // Not after the bytes went: a segment that can't be named is uploaded for nothing, and again.
        if let Some(first) = Batches::new(&first.records).next().transpose().map_err(OffloadError::Format)?
            && !self.manifest().may_follow(first.base_offset(), first.end_offset())
        {
            return Err(
                ManifestError::Unsound("what the leader has next does not follow the last segment").into()
            );
        }
        let uploaded =
            upload::segment(&self.tools, &self.name, next, first, self.rules.segment_bytes).await?;
        let Some((entry, epochs)) = uploaded else { return Ok(Step::Idle) };
        // Nothing is named before it has been read back: what is named may be all there is.
        verify::read_back(&self.tools.store, &self.tools.layout, self.name.id, &entry).await?;
        let mut manifest = self.manifest().clone();
        manifest.append(entry, &epochs)?;
        self.spill(&mut manifest).await?;
        self.ledger.commit(manifest).await?;
        Ok(Step::Uploaded { bytes: u64::from(entry.size) })
    }

    /// Seals older entries in an object of their own, when there are many.
    async fn spill(&self, manifest: &mut Manifest) -> Result<(), OffloadError> {
        let Some(entries) = manifest.to_spill() else { return Ok(()) };
        let (nonce, base) = (upload::nonce(), entries[0].base);
        let key = self.tools.layout.spill(self.name.id, base, nonce);
        self.tools.store.put(&key, encode_spill(entries).into(), store::Mode::Create).await?;
        manifest.seal(nonce);
        Ok(())
    }

    /// The leader doesn't have `next`: its log begins later (retention was faster than we), or ends sooner (an unclean election).
    async fn out_of_range(&mut self, next: Offset) -> Result<Step, OffloadError> {
        let start = self.tools.source.log_start(&self.name).await?;
        if start > next {
            let mut manifest = self.manifest().clone();
            manifest.note_gap(start);
            self.ledger.commit(manifest).await?;
            return Ok(Step::Gap { from: next, to: start });
        }
        let (high_watermark, _) = self.tools.source.ends(&self.name).await?;
        match high_watermark < next {
            true => self.diverged(high_watermark).await,
            false => Ok(Step::Idle),
        }
    }

    async fn diverged(&mut self, end: Offset) -> Result<Step, OffloadError> {
        let trimmed = self.manifest().trimmed;
        if end < trimmed {
            return Err(OffloadError::Lost { end: end.0, trimmed: trimmed.0 });
        }
        if end >= self.manifest().end() {
            // Nothing to forget, and still the leader says so: a person has to look. Going on would turn in a circle.
            return Err(OffloadError::Turn { end: end.0 });
        }
        let mut manifest = self.manifest().clone();
        manifest.truncate(end)?;
        self.ledger.commit(manifest).await?;
        Ok(Step::Diverged(end))
    }

    /// Tells the brokers to drop what the tier holds and the hot window doesn't need. That it will be dropped is durable before it
    /// is: so anybody can tell our trimming from someone else's.
    async fn trim(&mut self, fetched: &Fetched, now: i64) -> Result<Step, OffloadError> {
        let Some(hot) = self.rules.trim else { return Ok(Step::Idle) };
        let Some(to) = plan::trim_to(self.manifest(), hot, self.lag.bytes, now) else {
            return self.trim_again(fetched).await;
        };
        let mut manifest = self.manifest().clone();
        manifest.trimmed = to;
        self.ledger.commit(manifest).await?;
        Ok(self.tell_brokers(to).await)
    }

    /// Brokers that can't be told don't keep uploads waiting: they are told again with every idle step.
    async fn tell_brokers(&mut self, to: Offset) -> Step {
        let told = self.tools.source.trim(&self.name, to).await;
        self.trouble = told
            .as_ref()
            .err()
            .map(|e| format!("brokers could not be told to drop what the tier holds: {e}"));
        if told.is_ok() { Step::Trimmed(to) } else { Step::Idle }
    }

    /// The one before us may have died between its intent and the deed.
    async fn trim_again(&mut self, fetched: &Fetched) -> Result<Step, OffloadError> {
        let to = self.manifest().trimmed;
        if fetched.log_start >= to || fetched.log_start.0 < 0 {
            self.trouble = None;
            return Ok(Step::Idle);
        }
        Ok(self.tell_brokers(to).await)
    }

    /// Raises the visible log's start: retention, or a user's DeleteRecords.
    ///
    /// # Errors
    /// See [`OffloadError`].
    pub async fn raise_start(&mut self, to: Offset) -> Result<(), OffloadError> {
        let mut manifest = self.manifest().clone();
        manifest.raise_start(to);
        Ok(self.ledger.commit(manifest).await?)
    }

    /// Drops what is older or more than the topic's whole retention allows. Returns the new start if it moved.
    ///
    /// # Errors
    /// See [`OffloadError`].
    pub async fn retain(&mut self, keep: Hot) -> Result<Option<Offset>, OffloadError> {
        let Some(to) = plan::retain_from(self.manifest(), keep, self.lag.bytes, now_ms()) else {
            return Ok(None);
        };
        self.raise_start(to).await?;
        Ok(Some(to))
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
