//! Reads of what brokers no longer have: a topic whose beginning lies in the store alone.

use anyhow::{Result, ensure};
use serde_json::json;

use super::client::{Client, each, wait_records};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::truth::Keys;
use super::verdict::Verdict;
use crate::clients::Fault;
use crate::java::Admin;
use crate::{Java, wait};

const TOPIC: &str = "cold";
const PARTITIONS: [i32; 2] = [0, 1];
/// Of a partition, and bytes of each.
const RECORDS: i64 = 3_000;
const SIZE: i64 = 1_000;
/// The tier alone has at least so many of each partition.
const COLD: i64 = 1_500;
/// Keys of partition n begin with n times this.
const KEYS_APART: i64 = 100_000;

/// The section of the gateways' files.
pub(super) const TIERING: &str = "tiering:\n  topics:\n    - {match: cold, hot: {bytes: 512KiB}, trim: true}\n  \
                                  segment: {bytes: 1MiB, age: 1s}\n";

/// Writes the topic, on the brokers themselves.
pub(super) fn write(admin: &Admin, bootstrap: &str) -> Result<()> {
    admin.create_topic_with(json!({"topic": TOPIC, "assignment": [[2, 3, 1], [3, 1, 2]]}))?;
    let producer = Java::resident()?.producer(json!({"bootstrap.servers": bootstrap}))?;
    for (partition, chunk) in (0..RECORDS).step_by(100).flat_map(|at| PARTITIONS.map(|p| (p, at))) {
        let first = i64::from(partition) * KEYS_APART + chunk;
        let batch =
            json!({"topic": TOPIC, "partition": partition, "first": first, "count": 100, "size": SIZE});
        ensure!(producer.send(batch)?.iter().all(std::result::Result::is_ok), "a record was not written");
    }
    Ok(())
}

/// Waits until brokers have dropped what the tier holds.
pub(super) fn wait_trimmed(admin: &Admin) -> Result<()> {
    wait::until_true("brokers to drop what the tier holds", LIMIT, || {
        let starts: Vec<i64> =
            PARTITIONS.iter().map(|p| Ok(admin.offsets(TOPIC, *p)?.0)).collect::<Result<_>>()?;
        ensure!(starts.iter().all(|start| *start > COLD), "brokers' logs start at {starts:?}");
        Ok(true)
    })
}

fn expected() -> Keys {
    let all = PARTITIONS.into_iter().flat_map(|p| (0..RECORDS).map(move |o| (p, o)));
    all.map(|(p, o)| ((p, o), (i64::from(p) * KEYS_APART + o).to_string())).collect()
}

/// Everything is read, in order and as it was written, and the gateway of the client's zone took it from the store.
pub(super) fn reads(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    let expected = expected();
    each(clients, |client| {
        let from_tier =
            || Ok::<_, anyhow::Error>(stage.served(client.zone)?.get("tier").copied().unwrap_or(0.0));
        let before = from_tier()?;
        let group = format!("cold-{}", client.driver);
        let reader = client.driver.spawn_consumer(&client.reading(stage, Door::Scram, TOPIC, &group))?;
        wait_records(&reader, expected.len() as u64, LIMIT)?;
        let read = reader.finish(LIMIT)?;
        read.check()?;
        let differs = read.keys().iter().zip(&expected).find(|(seen, written)| seen != written);
        ensure!(read.keys() == &expected, "{read}; the first other record: {differs:?}");
        ensure!(from_tier()? > before, "nothing came from the store");
        ensure!(!read.faults().iter().any(|fault| matches!(fault, Fault::Reset(_))), "{read}");
        Ok(String::new())
    })
}
