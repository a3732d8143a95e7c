//! A store whose every call is one step, a scheduler that takes these steps in every order, and faults at every place.
//!
//! The code under test is the real one. A run is a list of choices; the next run changes the last choice that has an
//! alternative left, until none has.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::register::{Seq, Version, record};
use crate::{Error, Key, Kind, Meta, Mode, Store, Upload};

/// An actor of a run.
pub(super) type Actor = Pin<Box<dyn Future<Output = ()>>>;

/// The path through the tree of choices.
#[derive(Default)]
pub(super) struct Choices {
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, of));
        }
        let (chosen, had) = self.path[self.at];
        assert_eq!(had, of, "a run is not the same twice");
        self.at += 1;
        chosen
    }

    /// Goes on to the next path; false if there is none.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, of)) = self.path.pop() {
            if chosen + 1 < of {
                self.path.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// What one run has come to.
#[derive(Default)]
pub(super) struct World {
    objects: BTreeMap<Key, Bytes>,
    /// Writes whose answers were lost and that the store has yet to do.
    late: Vec<(Key, Bytes)>,
    choices: Choices,
    faults_left: usize,
    switches_left: usize,
    reads_fail: bool,
    /// What writers believe to have committed.
    beliefs: Vec<Version>,
    violation: Option<String>,
    counts: Counts,
}

/// What has been seen over all runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) runs: usize,
    pub(super) lost_undone: usize,
    pub(super) lost_done: usize,
    pub(super) lost_late: usize,
    pub(super) late_done: usize,
    pub(super) reads_failed: usize,
    /// Versions created below the boundary.
    pub(super) ghosts: usize,
    pub(super) fenced: usize,
    pub(super) behind: usize,
}

impl World {
    fn boundary(&self) -> u64 {
        let of = |key: &Key| key.as_str().strip_prefix("r/gc/").and_then(Seq::parse);
        self.objects.keys().filter_map(of).map(Seq::get).max().unwrap_or(0)
    }

    fn create(&mut self, key: &Key, body: &Bytes) -> Result<(), Error> {
        if self.objects.contains_key(key) {
            return Err(Error::new(Kind::Exists, format!("put {key}"), "taken"));
        }
        if let Some(seq) = key.as_str().strip_prefix("r/").and_then(Seq::parse) {
            self.created(seq, body);
        }
        self.objects.insert(key.clone(), body.clone());
        Ok(())
    }

    /// A read that may fail.
    fn may_fail(&mut self) -> Result<(), Error> {
        if !self.reads_fail || self.faults_left == 0 || self.choices.choose(2) == 0 {
            return Ok(());
        }
        self.faults_left -= 1;
        self.counts.reads_failed += 1;
        Err(Error::new(Kind::Transient, "read", "failed"))
    }

    fn created(&mut self, seq: Seq, body: &Bytes) {
        if seq.get() < self.boundary() {
            self.counts.ghosts += 1;
            return;
        }
        let put_id = record::decode(seq, body).unwrap().put_id;
        if self.beliefs.iter().any(|v| v.seq == seq && v.put_id != put_id) {
            self.violation = Some(format!("committed version {seq} was replaced"));
        }
    }
}

/// The store.
#[derive(Clone)]
pub(super) struct Sim(Arc<Mutex<World>>);

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn believe(&self, version: &Version) {
        let mut world = self.world();
        if world.beliefs.iter().any(|v| v.seq == version.seq) {
            world.violation = Some(format!("two believe that version {} is theirs", version.seq));
        }
        world.beliefs.push(version.clone());
    }

    pub(super) fn beliefs(&self) -> Vec<Version> {
        self.world().beliefs.clone()
    }

    pub(super) fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.world().counts);
    }
}

/// One step: the first poll stops, the second goes on.
struct Step(bool);

impl Future for Step {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[async_trait]
impl Store for Sim {
    async fn put(&self, key: &Key, body: Bytes, mode: Mode) -> Result<(), Error> {
        assert_eq!(mode, Mode::Create, "the register asks for nothing stronger");
        Step(false).await;
        let mut world = self.world();
        if world.faults_left == 0 {
            return world.create(key, &body);
        }
        let fault = world.choices.choose(4);
        if fault == 0 {
            return world.create(key, &body);
        }
        world.faults_left -= 1;
        match fault {
            1 => world.counts.lost_undone += 1,
            2 => {
                world.counts.lost_done += 1;
                let _lost = world.create(key, &body);
            }
            _ => {
                world.counts.lost_late += 1;
                world.late.push((key.clone(), body));
            }
        }
        Err(Error::new(Kind::Uncertain, format!("put {key}"), "no answer"))
    }

    async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        Step(false).await;
        self.world().may_fail()?;
        let found = self.world().objects.get(key).cloned();
        found.ok_or_else(|| Error::new(Kind::NotFound, format!("get {key}"), "none"))
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, Error> {
        Step(false).await;
        self.world().may_fail()?;
        let wanted = |key: &&Key| key.as_str().starts_with(prefix) && after.is_none_or(|a| *key > a);
        let meta = |key: &Key| Meta { key: key.clone(), size: 0, written: SystemTime::UNIX_EPOCH };
        Ok(self.world().objects.keys().filter(wanted).take(limit).map(meta).collect())
    }

    /// One step a key: a store deletes a batch in no order that can be relied on.
    async fn delete(&self, keys: &[Key]) -> Result<(), Error> {
        for key in keys.iter().rev() {
            Step(false).await;
            self.world().objects.remove(key);
        }
        Ok(())
    }

    async fn upload(&self, _: &Key) -> Result<Box<dyn Upload>, Error> {
        Err(not_for_registers())
    }

    async fn get_range(&self, _: &Key, _: Range<u64>) -> Result<Bytes, Error> {
        Err(not_for_registers())
    }

    async fn head(&self, _: &Key) -> Result<Meta, Error> {
        Err(not_for_registers())
    }

    async fn abort_uploads(&self, _: &str, _: Duration) -> Result<usize, Error> {
        Err(not_for_registers())
    }
}

fn not_for_registers() -> Error {
    Error::new(Kind::Unusable, "sim", "a register needs no such call")
}

/// How far the tree of choices reaches.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// How often an actor is interrupted although it could go on.
    pub(super) switches: usize,
    /// How many writes lose their answers.
    pub(super) faults: usize,
    /// Whether reads and listings may fail as well; each counts as a fault.
    pub(super) reads_fail: bool,
}

/// Runs what `set_up` makes in every order, and `at_the_end` after each. The first violation, or what was seen.
pub(super) fn explore(
    bounds: Bounds,
    set_up: impl Fn(&Sim) -> Vec<Actor>,
    at_the_end: impl Fn(&Sim) -> Result<(), String>,
) -> Result<Counts, String> {
    let (mut choices, mut counts) = (Choices::default(), Counts::default());
    loop {
        let sim = Sim(Arc::default());
        let actors = set_up(&sim);
        {
            let mut world = sim.world();
            world.choices = choices;
            world.counts = counts;
            (world.faults_left, world.switches_left) = (bounds.faults, bounds.switches);
            world.reads_fail = bounds.reads_fail;
        }
        run(&sim, actors);
        sim.world().faults_left = 0;
        let violation = sim.world().violation.take();
        let outcome = violation.map_or_else(|| at_the_end(&sim), Err);
        let mut world = sim.world();
        (choices, counts) = (std::mem::take(&mut world.choices), world.counts);
        counts.runs += 1;
        outcome.map_err(|e| format!("run {}: {e}; choices {:?}", counts.runs, choices.path))?;
        if !choices.advance() {
            return Ok(counts);
        }
    }
}

fn run(sim: &Sim, actors: Vec<Actor>) {
    let mut live: Vec<(usize, Actor)> = actors.into_iter().enumerate().collect();
    // Up to the first call, which nobody can see.
    live.retain_mut(|(_, actor)| poll(actor).is_pending());
    let mut current = None;
    while !live.is_empty() && sim.world().violation.is_none() {
        let Some(next) = schedule(sim, &live, current) else { continue };
        current = Some(live[next].0);
        if poll(&mut live[next].1).is_ready() {
            drop(live.remove(next));
        }
    }
}

/// Who takes the next step; `None` if the store did a late write instead.
fn schedule(sim: &Sim, live: &[(usize, Actor)], current: Option<usize>) -> Option<usize> {
    let mut world = sim.world();
    let world = &mut *world;
    let going_on = live.iter().position(|(id, _)| Some(*id) == current);
    let late = world.late.len();
    let options = if going_on.is_some() && world.switches_left == 0 { 1 } else { live.len() + late };
    let chosen = if options == 1 { 0 } else { world.choices.choose(options) };
    if chosen >= live.len() {
        world.switches_left = world.switches_left.saturating_sub(1);
        let (key, body) = world.late.remove(chosen - live.len());
        world.counts.late_done += 1;
        let _nobody_hears = world.create(&key, &body);
        return None;
    }
    let Some(going_on) = going_on else { return Some(chosen) };
    if chosen == 0 {
        return Some(going_on);
    }
    world.switches_left -= 1;
    Some(if chosen <= going_on { chosen - 1 } else { chosen })
}

fn poll(actor: &mut Actor) -> Poll<()> {
    actor.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs to the end with nobody else about.
pub(super) fn alone<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    for _ in 0..10_000 {
        if let Poll::Ready(out) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return out;
        }
    }
    panic!("makes no progress");
}
