//! A client of the matrix, and how it is started.

use std::any::Any;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::doors::Door;
use super::stage::{LIMIT, Stage, ZONES};
use super::verdict::{Lacking, Verdict};
use crate::clients::{Driver, History, Reader, Reading, Writer, Writing};

/// A client, and the zone that it says it is in.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Which.
    pub driver: Driver,
    /// The index of its zone in [`ZONES`].
    pub zone: usize,
}

impl Client {
    /// As many clients as there are zones, each in one of its own: what a gateway counts is then one client's.
    pub fn party(drivers: &[Driver]) -> Vec<Self> {
        assert!(drivers.len() <= ZONES.len(), "{} clients in {} zones", drivers.len(), ZONES.len());
        drivers.iter().enumerate().map(|(zone, driver)| Self { driver: *driver, zone }).collect()
    }

    fn id(self) -> String {
        format!("matrix,zone={}", ZONES[self.zone])
    }

    /// Numbered records for every partition of `topic`, with keys, through this door.
    pub(super) fn writing(self, stage: &Stage, door: Door, topic: &str, count: u64) -> Writing {
        Writing::new(&stage.bootstrap(self.zone, door), topic, &stage.partitions(), count)
            .security(&stage.security(door))
            .client_id(&self.id())
            .with_keys()
    }

    /// The topic from its beginning, with keys, in a group, through this door.
    pub(super) fn reading(self, stage: &Stage, door: Door, topic: &str, group: &str) -> Reading {
        Reading::group(&stage.bootstrap(self.zone, door), topic, group)
            .security(&stage.security(door))
            .client_id(&self.id())
            .with_keys()
    }

    /// Writes it all and gives what was acknowledged.
    pub(super) fn write(self, writing: &Writing) -> Result<History> {
        let wrote = self.driver.spawn_producer(writing)?.complete(LIMIT)?;
        Lacking::of(&wrote)?;
        Ok(wrote)
    }
}

/// The check for every client, all at the same time.
pub(super) fn each(clients: &[Client], check: impl Fn(Client) -> Result<String> + Sync) -> Vec<Verdict> {
    side_by_side(clients.to_vec(), check).into_iter().map(Verdict::from).collect()
}

/// The same to all of them at the same time; outcomes in their order.
pub(super) fn side_by_side<T: Send, U: Send>(
    all: Vec<T>,
    work: impl Fn(T) -> Result<U> + Sync,
) -> Vec<Result<U>> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = all.into_iter().map(|one| scope.spawn(move || work(one))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(said(panic.as_ref()))))
            .collect()
    })
}

fn said(panic: &(dyn Any + Send)) -> anyhow::Error {
    anyhow!("panicked: {}", panic.downcast_ref::<String>().map_or("no text", String::as_str))
}

/// Waits until the reader has as many records; what it can't do at all is said as that.
pub(super) fn wait_records(reader: &Reader, count: u64, limit: Duration) -> Result<()> {
    let waited = reader.wait_records(count, limit);
    Lacking::of(&reader.history())?;
    waited
}

/// The same for a writer and its acknowledgements.
pub(super) fn wait_acks(writer: &Writer, count: u64, limit: Duration) -> Result<()> {
    let waited = writer.wait_acks(count, limit);
    Lacking::of(&writer.history())?;
    waited
}
