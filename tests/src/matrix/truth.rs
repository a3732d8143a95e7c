//! A topic as the brokers themselves have it, read by Java.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::json;

use super::stage::{LIMIT, Stage};
use crate::clients::{History, Isolation};
use crate::java::{Consumer, Record, Taken};
use crate::truth::{Asker, Log};
use crate::{Java, wait};

/// Keys by partition and offset.
pub(super) type Keys = BTreeMap<(i32, i64), String>;

/// Every record of a topic.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) keys: Keys,
}

impl Truth {
    /// What stands in the topic up to its end as it is now.
    pub(super) fn read(stage: &Stage, topic: &str, isolation: Isolation) -> Result<Self> {
        let props = json!({
            "bootstrap.servers": stage.direct_bootstrap(), "isolation.level": isolation.name(), "fetch.max.wait.ms": 100,
        });
        let partitions: Vec<_> = stage.partitions().iter().map(|p| (topic, *p)).collect();
        let consumer = Java::resident()?.assign(props, &partitions)?;
        for (topic, partition) in partitions {
            let end = stage.admin.offsets(topic, partition)?.1;
            wait::until_true(&format!("{topic}-{partition} to be read up to {end}"), LIMIT, || {
                let position = consumer.call("position", json!({"topic": topic, "partition": partition}))?;
                Ok(position.as_i64() >= Some(end))
            })?;
        }
        Ok(Self { keys: all_of(&consumer)? })
    }

    /// The same once everything acknowledged can be read: a leader alone acknowledges what followers don't have yet
    /// (`acks=1`), and nobody is shown that.
    pub(super) fn read_after(stage: &Stage, topic: &str, acknowledged: &History) -> Result<Self> {
        for (partition, range) in
            stage.partitions().into_iter().filter_map(|p| Some((p, acknowledged.range(p)?)))
        {
            wait::until_true(
                &format!("readers of {topic}-{partition} to be shown {range:?}"),
                LIMIT,
                || Ok(stage.admin.offsets(topic, partition)?.1 >= range.end),
            )?;
        }
        Self::read(stage, topic, Isolation::Uncommitted)
    }

    /// Every record that was acknowledged stands where it was said to stand.
    pub(super) fn holds(&self, acknowledged: &History) -> Result<()> {
        ensure!(
            !acknowledged.keys().is_empty(),
            "nothing was acknowledged; errors: {:?}",
            acknowledged.errors()
        );
        for (place, key) in acknowledged.keys() {
            let stands = self.keys.get(place);
            ensure!(stands == Some(key), "{key:?} was acknowledged at {place:?}, where {stands:?} stands");
        }
        Ok(())
    }

    /// No key stands twice.
    pub(super) fn once(&self) -> Result<()> {
        let mut seen = HashMap::new();
        for (place, key) in &self.keys {
            if let Some(other) = seen.insert(key, place) {
                bail!("{key:?} stands at {other:?} and again at {place:?}");
            }
        }
        Ok(())
    }

    /// A reader saw every record, as it is, and none that isn't here.
    pub(super) fn was_read(&self, read: &Keys) -> Result<()> {
        let missing = self.keys.iter().find(|(place, key)| read.get(place) != Some(key));
        let excess = read.iter().find(|(place, key)| self.keys.get(place) != Some(key));
        ensure!(
            missing.is_none() && excess.is_none(),
            "not read: {missing:?}; read, and not there: {excess:?}"
        );
        Ok(())
    }
}

/// Where the consumer stands it has queued all that lies before.
fn all_of(consumer: &Consumer) -> Result<Keys> {
    let mut keys = Keys::new();
    loop {
        let taken = consumer.take(10_000, Duration::ZERO)?;
        if taken.is_empty() {
            return Ok(keys);
        }
        for one in taken {
            match one {
                Taken::Record(Record(partition, offset, key, _)) => {
                    keys.insert((partition, offset), key);
                }
                Taken::Error(error) => bail!("{error}"),
                Taken::Assigned(_) | Taken::Revoked(_) => {}
            }
        }
    }
}

/// The producer ids that stand on the batches of a topic; -1 where there is none.
pub(super) fn producers(stage: &Stage, topic: &str) -> Result<Vec<i64>> {
    let id = stage.admin.topic_id(topic)?;
    let mut all = Vec::new();
    for state in stage.admin.describe_topic(topic)? {
        let mut leader = Asker::connect(&stage.broker_address(state.leader)?)?;
        let log = Log::read(&mut leader, kafka::types::TopicId(id), state.partition, -1)?;
        all.extend(log.batches.iter().filter(|batch| !batch.control).map(|batch| batch.producer));
    }
    all.sort_unstable();
    all.dedup();
    ensure!(!all.is_empty(), "{topic} is empty");
    Ok(all)
}
