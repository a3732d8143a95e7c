//! What the library tells us of its own accord: its log, errors, assignments, acknowledgements.

use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use rdkafka::{ClientContext, TopicPartitionList};
use serde_json::json;

use crate::output::Output;

/// An acknowledged record: partition, offset, key, bytes.
pub type Ack = (i32, i64, Vec<u8>, usize);

/// Listens.
pub struct Context {
    pub output: Output,
    /// Where a transaction's acknowledgements wait for its commit; none: they are told at once.
    pub held: Option<Mutex<Held>>,
}

#[derive(Default)]
pub struct Held {
    pub acks: Vec<Ack>,
    pub error: Option<KafkaError>,
}

impl Context {
    pub fn new(output: &Output) -> Self {
        Self { output: output.clone(), held: None }
    }

    pub fn holding(output: &Output) -> Self {
        Self { output: output.clone(), held: Some(Mutex::default()) }
    }

    /// What is held, which then holds nothing.
    pub fn take(&self) -> Held {
        let Some(held) = &self.held else { return Held::default() };
        std::mem::take(&mut held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn assigned(&self, event: &str, partitions: &TopicPartitionList) {
        let partitions: Vec<_> = partitions.elements().iter().map(|p| p.partition()).collect();
        self.output.event(json!({"event": event, "partitions": partitions}));
    }
}

impl ClientContext for Context {
    /// The log is where a consumer says that its position was out of range, and nowhere else.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        eprintln!("{facility}: {message}");
        let text = message.to_lowercase();
        if text.contains("offset reset") || text.contains("out of range") {
            self.output.event(json!({"event": "reset", "message": message}));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.output.error(format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.assigned("revoked", partitions);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => self.assigned("assigned", partitions),
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => self.output.error(error),
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, (): ()) {
        match (delivery, &self.held) {
            (Ok(message), None) => {
                let (partition, offset, key, bytes) = ack(message);
                self.output.record(partition, offset, &key, bytes);
            }
            (Err((error, message)), None) => {
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                self.output.error(format!("key {key}: {error}"));
            }
            (result, Some(held)) => {
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(message) => held.acks.push(ack(message)),
                    Err((error, _)) => held.error = Some(error.clone()),
                }
            }
        }
    }
}

fn ack(message: &impl Message) -> Ack {
    let key = message.key().unwrap_or_default().to_vec();
    let bytes = key.len() + message.payload().unwrap_or_default().len();
    (message.partition(), message.offset(), key, bytes)
}
