//! Reads and reports.

use std::error::Error;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use crate::context::Context;
use crate::life::Life;
use crate::options::Consume;
use crate::output::Output;

pub fn run(options: &Consume, output: &Output, life: &Life) -> Result<(), Box<dyn Error>> {
    // The library wants a group even where none is joined.
    let group = options.group.as_deref().unwrap_or("unused");
    let mut own = vec![("group.id", group), ("auto.offset.reset", options.from.as_str())];
    own.extend(options.isolation.as_deref().map(|isolation| ("isolation.level", isolation)));
    own.extend(options.group_protocol.as_deref().map(|protocol| ("group.protocol", protocol)));
    let consumer: BaseConsumer<Context> =
        options.common.config(&own)?.create_with_context(Context::new(output))?;
    output.event(json!({"event": "ready"}));
    place(&consumer, options, output)?;
    while life.goes_on() && (options.until_count == 0 || output.total() < options.until_count) {
        deliver(&consumer, output);
    }
    Ok(())
}

fn place(consumer: &BaseConsumer<Context>, options: &Consume, output: &Output) -> Result<(), KafkaError> {
    if options.group.is_some() {
        return consumer.subscribe(&[&options.common.topic]);
    }
    let start = if options.from == "earliest" { Offset::Beginning } else { Offset::End };
    let mut list = TopicPartitionList::new();
    for partition in options.partitions() {
        list.add_partition_offset(&options.common.topic, partition, start)?;
    }
    consumer.assign(&list)?;
    output.event(json!({"event": "assigned", "partitions": options.partitions()}));
    Ok(())
}

/// One poll gives one record: lines are written when nothing is waiting.
fn deliver(consumer: &BaseConsumer<Context>, output: &Output) {
    let mut wait = Duration::from_millis(100);
    while let Some(polled) = consumer.poll(wait) {
        match polled {
            Ok(m) => {
                let key = m.key().unwrap_or_default();
                output.record(m.partition(), m.offset(), key, key.len() + m.payload_len());
            }
            Err(error) => output.error(error),
        }
        wait = Duration::ZERO;
    }
    output.flush();
}
