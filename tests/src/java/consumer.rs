//! Kafka's Java consumer.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Java, JavaError};

/// A consumed record, by (partition, offset, key, size of the value).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record(
    /// The partition.
    pub i32,
    /// The offset.
    pub i64,
    /// The key as text.
    pub String,
    /// The value's size in bytes, -1 for null.
    pub i64,
);

/// One thing that happened to a consumer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A record.
    Record(Record),
    /// Partitions came, as `topic-partition`.
    Assigned(Vec<String>),
    /// Partitions went.
    Revoked(Vec<String>),
    /// `poll` threw.
    Error(JavaError),
}

/// A consumer that polls all the time; closed when dropped.
#[derive(Debug)]
pub struct Consumer {
    java: &'static Java,
    handle: u64,
}

impl Consumer {
    pub(super) fn open(java: &'static Java, args: Value) -> Result<Self> {
        let handle = java.call("consumer.open", args)?.as_u64().unwrap_or(0);
        Ok(Self { java, handle })
    }

    /// Any operation of `tests/java/tidegate/Consumers.java` by name.
    pub fn call(&self, op: &str, mut args: Value) -> Result<Value> {
        args["handle"] = json!(self.handle);
        self.java.call(&format!("consumer.{op}"), args)
    }

    /// At most `max` of what happened since the last call; waits at most `wait` for the first.
    pub fn take(&self, max: usize, wait: Duration) -> Result<Vec<Taken>> {
        let args = json!({"max": max, "wait_ms": wait.as_millis() as u64});
        let answer = self.call("take", args)?;
        answer.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(taken).collect()
    }

    /// The next `count` records, or an error after `limit` that says how many there were and what else
    /// happened; an exception of `poll` is that error at once.
    pub fn records(&self, count: usize, limit: Duration) -> Result<Vec<Record>> {
        let deadline = Instant::now() + limit;
        let (mut records, mut others) = (Vec::new(), Vec::new());
        while records.len() < count {
            if Instant::now() > deadline {
                bail!("{} of {count} records in {limit:?}; beside them {others:?}", records.len());
            }
            for one in self.take(count - records.len(), Duration::from_millis(500))? {
                match one {
                    Taken::Record(record) => records.push(record),
                    Taken::Error(error) => return Err(error.into()),
                    other => others.push(other),
                }
            }
        }
        Ok(records)
    }

    /// Commits what was polled.
    pub fn commit(&self) -> Result<()> {
        self.call("commit", json!({})).map(|_| ())
    }

    /// A metric summed over its tags, e.g. `bytes-consumed-total`.
    pub fn metric(&self, name: &str) -> Result<f64> {
        Ok(self.call("metric", json!({"name": name}))?.as_f64().unwrap_or(f64::NAN))
    }

    /// Leaves the group and waits until it has.
    pub fn close(self) -> Result<()> {
        self.call("close", json!({})).map(|_| ())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // Waits: a client left open meets the next test's cluster on the same ports, and makes its topics there.
        let _ = self.call("close", json!({}));
    }
}

fn taken(value: &Value) -> Result<Taken> {
    let partitions = || -> Result<Vec<String>> { Ok(serde_json::from_value(value["partitions"].clone())?) };
    Ok(match value["event"].as_str() {
        None => Taken::Record(serde_json::from_value(value.clone())?),
        Some("assigned") => Taken::Assigned(partitions()?),
        Some("revoked") => Taken::Revoked(partitions()?),
        Some(_) => Taken::Error(JavaError::from_json(value)),
    })
}
