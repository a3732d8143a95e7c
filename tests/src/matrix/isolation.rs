//! Readers of committed records.

use anyhow::{Result, ensure};
use serde_json::json;

use super::client::{Client, wait_records};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::truth::Keys;
use super::verdict::Verdict;
use crate::Java;
use crate::clients::{Isolation, Reader};
use crate::java::Producer;

/// Transactions that end before anybody reads, every third of them aborted; and records of each in each partition.
const TRANSACTIONS: i64 = 12;
const EACH: i64 = 10;
/// The partition that a transaction left open holds up.
const HELD_UP: i32 = 0;
/// Longer than any check: brokers abort what is open for longer.
const OPEN_MAX_MS: u32 = 900_000;

/// A topic with committed and aborted transactions, and one that is open.
struct Scene {
    topic: String,
    open: Producer,
    /// What was committed, or will be when the open one is.
    committed: Keys,
}

/// Readers see what was committed and nothing of what was aborted, and nothing behind a transaction that is open, until it isn't any more.
pub(super) fn read_committed(stage: &Stage, clients: &[Client]) -> Vec<Verdict> {
    let outcome = Scene::set(stage).and_then(|scene| {
        let readers: Vec<_> = clients.iter().map(|client| scene.reader(stage, *client)).collect();
        let readers: Vec<_> =
            readers.into_iter().map(|reader| scene.sees_what_is_not_held_up(reader?)).collect();
        scene.open.commit()?;
        Ok(readers.into_iter().map(|reader| Verdict::from(scene.sees_all(reader))).collect())
    });
    Verdict::for_all(clients, outcome)
}

impl Scene {
    fn set(stage: &Stage) -> Result<Self> {
        let topic = stage.topic("committed")?;
        let open = producer(stage, &format!("{topic}-open"))?;
        open.begin()?;
        let mut committed = send(&open, &topic, HELD_UP, -EACH)?;
        let ended = producer(stage, &topic)?;
        for n in 0..TRANSACTIONS {
            ended.begin()?;
            let sent: Result<Vec<_>> =
                stage.partitions().iter().map(|p| send(&ended, &topic, *p, n * EACH)).collect();
            let sent = sent?;
            if n % 3 == 1 {
                ended.abort()?;
            } else {
                ended.commit()?;
                committed.extend(sent.into_iter().flatten());
            }
        }
        Ok(Self { topic, open, committed })
    }

    fn reader(&self, stage: &Stage, client: Client) -> Result<Reader> {
        let group = format!("{}-{}", self.topic, client.driver);
        let reading = client.reading(stage, Door::Scram, &self.topic, &group).isolation(Isolation::Committed);
        client.driver.spawn_consumer(&reading)
    }

    fn sees_what_is_not_held_up(&self, reader: Reader) -> Result<Reader> {
        let mut visible = self.committed.clone();
        visible.retain(|(partition, _), _| *partition != HELD_UP);
        sees(&reader, &visible)?;
        Ok(reader)
    }

    fn sees_all(&self, reader: Result<Reader>) -> Result<String> {
        let reader = reader?;
        sees(&reader, &self.committed)?;
        let read = reader.finish(LIMIT)?;
        ensure!(read.keys() == &self.committed, "at its end it had seen more: {read}");
        Ok(String::new())
    }
}

fn sees(reader: &Reader, visible: &Keys) -> Result<()> {
    wait_records(reader, visible.len() as u64, LIMIT)?;
    let history = reader.history();
    let differs = history.keys().iter().zip(visible).find(|(seen, there)| seen != there);
    ensure!(history.keys() == visible, "{history}; of {} the first other record: {differs:?}", visible.len());
    Ok(())
}

fn producer(stage: &Stage, id: &str) -> Result<Producer> {
    Java::resident()?.producer(json!({
        "bootstrap.servers": stage.direct_bootstrap(), "transactional.id": id, "transaction.timeout.ms": OPEN_MAX_MS,
    }))
}

/// Writes numbered records to a partition; where they stand.
fn send(producer: &Producer, topic: &str, partition: i32, first: i64) -> Result<Keys> {
    let batch = json!({"topic": topic, "partition": partition, "first": first, "count": EACH});
    let acks = producer.send(batch)?.into_iter().zip(first..);
    acks.map(|(ack, key)| Ok((ack?, key.to_string()))).collect()
}
