//! Writes numbered records in transactions.

use std::error::Error;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::producer::{Producer, ThreadedProducer};
use serde_json::json;

use crate::context::{Ack, Context};
use crate::life::Life;
use crate::options::Produce;
use crate::output::Output;
use crate::produce::{FLUSH_LIMIT, open, send};

const CALL_LIMIT: Duration = Duration::from_secs(60);
const RECOVER_PAUSE: Duration = Duration::from_millis(500);

pub fn run(options: &Produce, output: &Output, life: &Life) -> Result<(), Box<dyn Error>> {
    let producer = begin_anew(options, output)?;
    output.event(json!({"event": "ready"}));
    let mut writer = Writer { options, output, life, producer, started: Instant::now() };
    let (mut first, mut nth) = (0, 1);
    while life.goes_on() && (options.count == 0 || first < options.count) {
        let left = if options.count == 0 { u64::MAX } else { options.count - first };
        let abort = options.abort_every > 0 && nth % options.abort_every == 0;
        match writer.tried(first, options.commit_every.min(left), abort) {
            Some(sent) => first += sent,
            None => break,
        }
        nth += 1;
    }
    Ok(())
}

/// A producer whose predecessor is fenced and has nothing left open.
fn begin_anew(options: &Produce, output: &Output) -> Result<ThreadedProducer<Context>, Box<dyn Error>> {
    let producer = open(options, Context::holding(output))?;
    patiently(|| producer.init_transactions(CALL_LIMIT))?;
    Ok(producer)
}

/// What the library calls retriable is still under way, and may only be asked for again.
fn patiently(call: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    loop {
        match call() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
            result => return result,
        }
    }
}

struct Writer<'a> {
    options: &'a Produce,
    output: &'a Output,
    life: &'a Life,
    producer: ThreadedProducer<Context>,
    started: Instant,
}

impl Writer<'_> {
    /// Tries until it is done: how many records this transaction had, fewer where standard input closes.
    fn tried(&mut self, first: u64, most: u64, abort: bool) -> Option<u64> {
        loop {
            let mut sent = 0;
            match self.once(first, most, abort, &mut sent) {
                Ok(_) if abort => self.output.event(json!({"event": "aborted", "n": sent})),
                Ok(acks) => {
                    for (partition, offset, key, bytes) in acks {
                        self.output.record(partition, offset, &key, bytes);
                    }
                    self.output.flush();
                }
                Err(error) => {
                    self.output.event(json!({"event": "retried", "n": sent, "message": error.to_string()}));
                    self.recovered()?;
                    continue;
                }
            }
            return Some(sent);
        }
    }

    fn once(&self, first: u64, most: u64, abort: bool, sent: &mut u64) -> Result<Vec<Ack>, KafkaError> {
        self.producer.begin_transaction()?;
        self.producer.context().take();
        while *sent < most && self.life.pace(self.started, first + *sent, self.options.rate) {
            send(&self.producer, self.options, first + *sent)?;
            *sent += 1;
        }
        self.producer.flush(FLUSH_LIMIT)?;
        let held = self.producer.context().take();
        if let Some(error) = held.error {
            return Err(error);
        }
        match abort {
            true => patiently(|| self.producer.abort_transaction(CALL_LIMIT))?,
            false => patiently(|| self.producer.commit_transaction(CALL_LIMIT))?,
        }
        Ok(held.acks)
    }

    /// Aborts; a producer that can't even do that is replaced. None when standard input closed first.
    fn recovered(&mut self) -> Option<()> {
        if patiently(|| self.producer.abort_transaction(CALL_LIMIT)).is_ok() {
            return Some(());
        }
        while self.life.goes_on() {
            match begin_anew(self.options, self.output) {
                Ok(producer) => {
                    self.producer = producer;
                    return Some(());
                }
                Err(error) => self.output.error(format!("recover: {error}")),
            }
            self.life.sleep(RECOVER_PAUSE);
        }
        None
    }
}
