//! Each way of coming in.

use anyhow::ensure;

use super::client::{Client, each, wait_records};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::truth::Truth;
use super::verdict::Verdict;
use crate::clients::Isolation;

const RECORDS: u64 = 150;

/// Writes and reads as whom the door makes it, and the record is there as the brokers see it.
pub(super) fn through(stage: &Stage, clients: &[Client], door: Door) -> Vec<Verdict> {
    each(clients, |client| {
        let topic = stage.topic(format!("{}-{}", door.name(), client.driver))?;
        let wrote = client.write(&client.writing(stage, door, &topic, RECORDS))?;
        ensure!(wrote.records() == RECORDS, "{} of {RECORDS} acknowledged: {wrote}", wrote.records());
        let truth = Truth::read(stage, &topic, Isolation::Uncommitted)?;
        truth.holds(&wrote)?;
        let reader = client.driver.spawn_consumer(&client.reading(stage, door, &topic, &topic))?;
        wait_records(&reader, RECORDS, LIMIT)?;
        let read = reader.finish(LIMIT)?;
        read.check()?;
        truth.was_read(read.keys())?;
        Ok(String::new())
    })
}
