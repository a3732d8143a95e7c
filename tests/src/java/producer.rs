//! Kafka's Java producer.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Java, JavaError, Pending};

/// What became of one record: its partition and offset, or the exception.
pub type Ack = std::result::Result<(i32, i64), JavaError>;

/// An open producer; closed when dropped.
#[derive(Debug)]
pub struct Producer {
    java: &'static Java,
    handle: u64,
}

impl Producer {
    pub(super) fn open(java: &'static Java, props: Value) -> Result<Self> {
        let handle = java.call("producer.open", json!({"props": props}))?.as_u64().unwrap_or(0);
        Ok(Self { java, handle })
    }

    fn call(&self, op: &str, mut args: Value) -> Result<Value> {
        args["handle"] = json!(self.handle);
        self.java.call(&format!("producer.{op}"), args)
    }

    /// Sends records from `{"topic", "first", "count", "size", "partition"}` (keys are `first..first+count`
    /// in decimal) and waits for every acknowledgement, in the order of sending.
    pub fn send(&self, args: Value) -> Result<Vec<Ack>> {
        acks(self.call("send", args)?)
    }

    /// Like [`Producer::send`], without waiting: [`acks`] reads the answer.
    pub fn begin_send(&self, mut args: Value) -> Result<Pending> {
        args["handle"] = json!(self.handle);
        self.java.begin("producer.send", args)
    }

    /// The longest that a record waited for its acknowledgement since this was asked last, the time in `send` included.
    pub fn longest_wait(&self) -> Result<Duration> {
        let ms = self.call("longest_wait_ms", json!({}))?;
        Ok(Duration::from_millis(ms.as_u64().context("no number")?))
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<()> {
        self.call("begin", json!({})).map(|_| ())
    }

    /// Adds a consumed offset to the transaction.
    pub fn send_offset(&self, group: &str, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let args = json!({"group": group, "topic": topic, "partition": partition, "offset": offset});
        self.call("send_offsets", args).map(|_| ())
    }

    /// Commits the transaction.
    pub fn commit(&self) -> Result<()> {
        self.call("commit", json!({})).map(|_| ())
    }

    /// Aborts the transaction.
    pub fn abort(&self) -> Result<()> {
        self.call("abort", json!({})).map(|_| ())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Waits: a client left open meets the next test's cluster on the same ports, and makes its topics there.
        let _ = self.call("close", json!({}));
    }
}

/// Reads what [`Producer::begin_send`] answers.
pub fn acks(answer: Value) -> Result<Vec<Ack>> {
    let one = |v: &Value| match v.is_array() {
        true => Ok(Ok(serde_json::from_value(v.clone())?)),
        false => Ok(Err(JavaError::from_json(v))),
    };
    answer.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(one).collect()
}
