//! Writes numbered records, each for itself.

use std::error::Error;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use serde_json::json;

use crate::context::Context;
use crate::life::Life;
use crate::options::Produce;
use crate::output::Output;

/// Longer than the library tries itself (`delivery.timeout.ms`).
pub const FLUSH_LIMIT: Duration = Duration::from_secs(330);

pub fn run(options: &Produce, output: &Output, life: &Life) -> Result<(), Box<dyn Error>> {
    let producer = open(options, Context::new(output))?;
    output.event(json!({"event": "ready"}));
    output.flush_often();
    let started = Instant::now();
    let mut number = 0;
    while (options.count == 0 || number < options.count) && life.pace(started, number, options.rate) {
        send(&producer, options, number)?;
        number += 1;
    }
    Ok(producer.flush(FLUSH_LIMIT)?)
}

pub fn open(options: &Produce, context: Context) -> Result<ThreadedProducer<Context>, Box<dyn Error>> {
    let mut own = vec![("acks", options.acks.as_str())];
    own.extend(options.idempotent.then_some(("enable.idempotence", "true")));
    own.extend(options.transactional_id.as_deref().map(|id| ("transactional.id", id)));
    Ok(options.common.config(&own)?.create_with_context(context)?)
}

/// Waits while the library's queue is full.
pub fn send(producer: &ThreadedProducer<Context>, options: &Produce, number: u64) -> Result<(), KafkaError> {
    let (partition, key) = options.record(number);
    let value = vec![0; options.size];
    let mut record = BaseRecord::to(&options.common.topic).partition(partition).key(&key).payload(&value);
    loop {
        match producer.send(record) {
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
            result => return result.map_err(|(error, _)| error),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
