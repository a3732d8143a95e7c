//! The partitions that this gateway offloads: one task each, a few at work at a time, what brokers are about to drop first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use kafka::types::Offset;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::PartitionId;
use crate::clean;
use crate::headroom::{Retention, headroom};
use crate::offload::plan::{Hot, Rules};
use crate::offload::{Lag, OffloadError, Offloader, Step, Tools};
use crate::source::Named;
use crate::tier::Tier;
use crate::turns::Turns;

/// Partitions at work at a time: each holds at most two parts of 24 MiB.
const AT_WORK: usize = 4;
/// How often a partition with nothing to do is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause after trouble, doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often retention is looked at.
const RETAIN_EVERY: Duration = Duration::from_secs(30);
/// How often the bucket is swept.
const CLEAN_EVERY: Duration = Duration::from_secs(3600);
/// How old an object that nobody names must be: longer than the longest upload and the longest read.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

/// How the work ends.
#[derive(Clone, Debug)]
pub struct Ends {
    /// After the step that is under way: whatever it did is durable, and the next owner goes on from there.
    pub leave: CancellationToken,
    /// At once. What a step had not made durable is done again by the next owner.
    pub stop: CancellationToken,
}

/// A partition to offload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub name: Named,
    /// By which rules.
    pub rules: Rules,
    /// How much of the whole history is kept; nothing said: all.
    pub retain: Hot,
    /// The brokers' own retention.
    pub retention: Retention,
}

/// How a partition stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// How far behind it was, and when that was seen.
    lag: Option<(Instant, Lag)>,
    retention: Retention,
    /// What went wrong last, until a step succeeds.
    pub trouble: Option<String>,
    /// Ranges that brokers dropped too soon.
    pub gaps: u64,
    /// Times that the leader's log took another turn.
    pub divergences: u64,
}

impl Standing {
    /// How far behind it is now; `None` until that was looked at once. What waits grows older while nobody can look.
    pub fn lag(&self) -> Option<Lag> {
        let (at, lag) = self.lag?;
        let since = if lag.offsets > 0 { at.elapsed().as_secs() } else { 0 };
        Some(Lag { seconds: lag.seconds + since, ..lag })
    }

    /// Seconds until the brokers' own retention overtakes the upload; `None` where they keep all.
    pub fn headroom(&self) -> Option<i64> {
        headroom(self.lag()?, self.retention)
    }
}

/// What outlives an offloader that was given up.
struct Kept {
    waiting: Option<(Offset, Instant)>,
    cleaned: Instant,
}

/// What this gateway does for the tier.
#[derive(Debug)]
pub struct Duty {
    tools: Tools,
    tier: Arc<Tier>,
    owner: String,
    at_work: Arc<Turns>,
    /// How its partitions stand.
    pub standing: DashMap<PartitionId, (Named, Standing)>,
}

impl Duty {
    /// Duties of the gateway `owner`.
    pub fn new(tools: Tools, tier: Arc<Tier>, owner: &str) -> Self {
        let at_work = Turns::new(AT_WORK);
        Self { tools, tier, owner: owner.to_owned(), at_work, standing: DashMap::new() }
    }

    /// Whether this gateway offloads the partition at present.
    pub fn has(&self, p: PartitionId) -> bool {
        self.standing.contains_key(&p)
    }

    /// Runs what `assigned` says, until one of the `ends`.
    pub async fn run(
        self: Arc<Self>,
        mut assigned: watch::Receiver<Arc<Vec<Assignment>>>,
        tasks: TaskTracker,
        Ends { leave, stop }: Ends,
    ) {
        let mut running = HashMap::<PartitionId, (Assignment, CancellationToken)>::new();
        loop {
            let wanted = assigned.borrow_and_update().clone();
            running.retain(|id, (assignment, stop)| {
                let stays = wanted.iter().any(|a| a.name.id == *id && a == assignment);
                if !stays {
                    stop.cancel();
                    self.standing.remove(id);
                }
                stays
            });
            for assignment in
                wanted.iter().filter(|a| !running.contains_key(&a.name.id)).cloned().collect::<Vec<_>>()
            {
                let stop = stop.child_token();
                running.insert(assignment.name.id, (assignment.clone(), stop.clone()));
                self.standing.insert(assignment.name.id, (assignment.name.clone(), Standing::default()));
                let (duty, leave) = (self.clone(), leave.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => {}
                        () = duty.offload(&assignment, &leave) => {}
                    }
                });
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = leave.cancelled() => return,
                changed = assigned.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Offloads one partition, until told to `leave`.
    async fn offload(&self, assignment: &Assignment, leave: &CancellationToken) {
        let (mut pause, mut kept) = (PAUSE.0, Kept { waiting: None, cleaned: Instant::now() });
        while !leave.is_cancelled() {
            let trouble = match self.own(assignment, leave, &mut pause, &mut kept).await {
                // In its last step it may meet whoever took over meanwhile.
                Err(_) if leave.is_cancelled() => return,
                Ok(()) => return,
                Err(e) => e,
            };
            let (topic, partition) = (&assignment.name.topic, assignment.name.id.partition);
            if matches!(trouble, OffloadError::Fenced) {
                // Everyday where gateways come and go; whose it is now all will soon agree on.
                tracing::info!(%topic, %partition, "tiering: another gateway has taken the partition over");
            } else {
                tracing::warn!(%topic, %partition, error = %trouble, "tiering: trouble with this partition; it is tried again");
                self.note(assignment, |s| s.trouble = Some(trouble.to_string()));
            }
            sleep_unless(leave, pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Owns the partition until something goes wrong, or it is told to `leave` between two steps.
    async fn own(
        &self,
        assignment: &Assignment,
        leave: &CancellationToken,
        pause: &mut Duration,
        kept: &mut Kept,
    ) -> Result<(), OffloadError> {
        let taken =
            Offloader::take_over(self.tools.clone(), assignment.name.clone(), assignment.rules, &self.owner);
        let mut offloader = taken.await?;
        offloader.waiting = kept.waiting;
        self.publish(&offloader);
        let mut retained = None::<Instant>;
        while !leave.is_cancelled() {
            if kept.cleaned.elapsed() >= CLEAN_EVERY {
                kept.cleaned = Instant::now();
                let Tools { store, layout, .. } = &self.tools;
                clean::partition(store, layout, assignment.name.id, GRACE, false).await?;
            }
            let step = {
                // A turn is one segment long: a long backfill gives way to what retention threatens, and comes again.
                let _turn = self.at_work.turn(headroom(offloader.lag, assignment.retention)).await;
                // It may have come after the order to leave.
                if leave.is_cancelled() {
                    break;
                }
                let seen = offloader.look().await?;
                kept.waiting = offloader.waiting;
                // Before anything is uploaded: that may take long, or fail, and the alarm must not stand still with the store.
                self.note_lag(assignment, &offloader);
                offloader.act(seen).await?
            };
            *pause = PAUSE.0;
            if step != Step::Idle {
                self.publish(&offloader);
            }
            self.note_step(assignment, step, &offloader);
            if retained.is_none_or(|at| at.elapsed() >= RETAIN_EVERY) {
                retained = Some(Instant::now());
                if let Some(start) = offloader.retain(assignment.retain).await? {
                    tracing::info!(topic = %assignment.name.topic, partition = %assignment.name.id.partition, start = start.0, "tiering: retention moved the log's start");
                    self.publish(&offloader);
                }
            }
            if step == Step::Idle {
                sleep_unless(leave, LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    fn publish(&self, offloader: &Offloader) {
        self.tier.publish(offloader.seq(), Arc::new(offloader.manifest().clone()));
    }

    fn note(&self, assignment: &Assignment, f: impl FnOnce(&mut Standing)) {
        if let Some(mut standing) = self.standing.get_mut(&assignment.name.id) {
            f(&mut standing.1);
        }
    }

    fn note_lag(&self, assignment: &Assignment, offloader: &Offloader) {
        self.note(assignment, |s| {
            s.lag = offloader.looked.map(|at| (at, offloader.lag)).or(s.lag);
            s.retention = assignment.retention;
        });
    }

    fn note_step(&self, assignment: &Assignment, step: Step, offloader: &Offloader) {
        let (topic, partition) = (&assignment.name.topic, assignment.name.id.partition);
        match step {
            Step::Idle => {}
            Step::Uploaded { bytes } => {
                tracing::debug!(%topic, %partition, bytes, "tiering: a segment was uploaded")
            }
            Step::Trimmed(Offset(to)) => {
                tracing::info!(%topic, %partition, to, "tiering: brokers were told to drop what the tier holds")
            }
            Step::Gap { from, to } => {
                tracing::error!(%topic, %partition, from = from.0, to = to.0, "tiering: brokers dropped records before they were uploaded; raise the topic's retention")
            }
            Step::Diverged(Offset(end)) => {
                tracing::error!(%topic, %partition, end, "tiering: the leader's log took another turn (unclean election?); the tier follows")
            }
        }
        self.note(assignment, |s| {
            s.trouble = offloader.trouble.clone();
            s.gaps += u64::from(matches!(step, Step::Gap { .. }));
            s.divergences += u64::from(matches!(step, Step::Diverged(_)));
        });
    }
}

/// Sleeps, but not longer than until `leave`.
async fn sleep_unless(leave: &CancellationToken, time: Duration) {
    tokio::select! {
        biased;
        () = leave.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

#[cfg(test)]
mod leaving;
#[cfg(test)]
mod tests;
