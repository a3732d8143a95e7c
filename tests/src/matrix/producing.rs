//! Writing: with every `acks`, idempotent, in transactions.

use anyhow::{Result, ensure};

use super::client::{Client, each};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::truth::{Truth, producers};
use super::verdict::Verdict;
use crate::clients::{Acks, Isolation};
use crate::wait;

/// Records of each check.
const RECORDS: u64 = 300;
/// Records of a transaction, over all partitions.
const EVERY: u64 = 30;
/// Every how many-th transaction is aborted.
const ABORTED: u64 = 3;

/// Nobody acknowledges: while nothing breaks, everything sent arrives all the same.
pub(super) fn acks_none(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    each(clients, |client| {
        let topic = stage.topic(format!("acks-0-{}", client.driver))?;
        client.write(&client.writing(stage, Door::Scram, &topic, RECORDS).acks(Acks::None))?;
        wait::until_true("everything sent to arrive", LIMIT, || {
            let truth = Truth::read(stage, &topic, Isolation::Uncommitted)?;
            ensure!(truth.keys.len() as u64 >= RECORDS, "{} of {RECORDS} records", truth.keys.len());
            truth.once()?;
            Ok(true)
        })?;
        ensure!(producers(stage, &topic)? == [-1], "it wrote with a producer id");
        Ok(String::new())
    })
}

/// What is acknowledged stands in the log, once.
pub(super) fn acks(stage: &Stage, clients: &[Client], acks: Acks) -> Vec<Verdict> {
    each(clients, |client| {
        let topic = stage.topic(format!("acks-{}-{}", acks.name(), client.driver))?;
        written(stage, client, &topic, |writing| writing.acks(acks))
    })
}

/// The same, and the broker has seen a producer id on every batch.
pub(super) fn idempotent(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    each(clients, |client| {
        let topic = stage.topic(format!("idempotent-{}", client.driver))?;
        let note = written(stage, client, &topic, crate::clients::Writing::idempotent)?;
        let producers = producers(stage, &topic)?;
        ensure!(producers.iter().all(|id| *id >= 0), "batches by the producers {producers:?}");
        Ok(note)
    })
}

/// Writes all records by the client's default but for what `shape` says.
fn written(
    stage: &Stage,
    client: Client,
    topic: &str,
    shape: impl Fn(crate::clients::Writing) -> crate::clients::Writing,
) -> Result<String> {
    let wrote = client.write(&shape(client.writing(stage, Door::Scram, topic, RECORDS)))?;
    ensure!(wrote.records() == RECORDS, "{} of {RECORDS} acknowledged: {wrote}", wrote.records());
    let truth = Truth::read_after(stage, topic, &wrote)?;
    truth.holds(&wrote)?;
    truth.once()?;
    ensure!(truth.keys.len() as u64 == RECORDS, "{} records in the log", truth.keys.len());
    Ok(String::new())
}

/// What was committed is there for readers of committed records, once; what was aborted stood in the log, and they don't see it.
pub(super) fn transactions(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    each(clients, |client| {
        let topic = stage.topic(format!("transactions-{}", client.driver))?;
        let writing =
            client.writing(stage, Door::Scram, &topic, RECORDS).transactions(&topic, EVERY, ABORTED);
        let wrote = client.write(&writing)?;
        let (all, committed) = (
            Truth::read(stage, &topic, Isolation::Uncommitted)?,
            Truth::read(stage, &topic, Isolation::Committed)?,
        );
        committed.was_read(wrote.keys())?;
        committed.once()?;
        let aborted = RECORDS / EVERY / ABORTED * EVERY;
        ensure!(
            wrote.aborted() == aborted,
            "it says that it aborted {} records, not {aborted}",
            wrote.aborted()
        );
        ensure!(committed.keys.len() as u64 + aborted == RECORDS, "{} committed", committed.keys.len());
        ensure!(all.keys.len() > committed.keys.len(), "no aborted record ever stood in the log");
        Ok(String::new())
    })
}
