//! A client at work: it writes, idempotently and in transactions, and reads what it wrote in a group, until it is told to stop.

use anyhow::{Context, Result, ensure};

use super::client::{Client, wait_acks, wait_records};
use super::doors::Door;
use super::stage::{LIMIT, Stage};
use super::truth::Truth;
use super::verdict::Lacking;
use crate::clients::{Fault, History, Isolation, Reader, Writer};

/// Records a second of each writer.
const RATE: u32 = 50;
/// Records of a transaction; every how many-th is aborted.
const EVERY: u64 = 15;
const ABORTED: u64 = 5;
/// Records that prove that somebody is at work.
const SOME: u64 = 60;
/// Errors with which a driver says that a record was given up begin so.
const GIVEN_UP: &str = "key ";

/// Two writers and a reader.
#[derive(Debug)]
pub(super) struct Pair {
    topic: String,
    idempotent: Writer,
    /// None where the client has no transactions.
    transactional: Option<Writer>,
    reader: Reader,
}

impl Pair {
    /// Starts all of them and waits until they are at work.
    pub(super) fn start(stage: &Stage, client: Client, what: &str) -> Result<Self> {
        let topic = stage.topic(format!("{what}-{}", client.driver))?;
        let mut writing = client.writing(stage, Door::Scram, &topic, 0).rate(RATE);
        writing.key_prefix = "i".to_owned();
        let idempotent = client.driver.spawn_producer(&writing.clone().idempotent())?;
        writing.key_prefix = "t".to_owned();
        let transactional = client.driver.spawn_producer(&writing.transactions(&topic, EVERY, ABORTED))?;
        let reading = client.reading(stage, Door::Scram, &topic, &topic).isolation(Isolation::Committed);
        let reader = client.driver.spawn_consumer(&reading)?;
        wait_acks(&idempotent, SOME, LIMIT)?;
        let transactional = match wait_acks(&transactional, SOME, LIMIT) {
            Err(error) if error.is::<Lacking>() => None,
            outcome => outcome.map(|()| Some(transactional))?,
        };
        wait_records(&reader, SOME, LIMIT)?;
        Ok(Self { topic, idempotent, transactional, reader })
    }

    /// Waits until all of them have gone on.
    pub(super) fn goes_on(&self) -> Result<()> {
        for writer in self.writers() {
            wait_acks(writer, writer.history().records() + SOME, LIMIT).context("after the trouble")?;
        }
        let seen = self.reader.history().records();
        wait_records(&self.reader, seen + SOME, LIMIT).context("after the trouble")
    }

    /// What they write and read.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    fn writers(&self) -> impl Iterator<Item = &Writer> {
        [&self.idempotent].into_iter().chain(&self.transactional)
    }

    /// Stops the writers and holds everything against the log: what was acknowledged stands there, once, and was read;
    /// and so was nothing that was aborted.
    pub(super) fn judge(self, stage: &Stage) -> Result<Judged> {
        let Self { topic, idempotent, transactional, reader } = self;
        let writers = [Some(idempotent), transactional].into_iter().flatten();
        let wrote: Vec<History> = writers.map(|writer| writer.finish(LIMIT)).collect::<Result<_>>()?;
        let truth = Truth::read(stage, &topic, Isolation::Committed)?;
        for history in &wrote {
            truth.holds(history)?;
        }
        truth.once()?;
        let all_read =
            |read: &History| truth.keys.iter().all(|(place, key)| read.keys().get(place) == Some(key));
        reader.wait("everything that stands in the log", LIMIT, all_read)?;
        let read = reader.finish(LIMIT)?;
        truth.was_read(read.keys())?;
        let reset = read.faults().iter().find(|fault| matches!(fault, Fault::Reset(_)));
        ensure!(reset.is_none(), "{reset:?}");
        Ok(Judged::of(&wrote, &read))
    }
}

/// What a client showed beside its records.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Records that it gave up, each said to the application.
    pub(super) given_up: Vec<String>,
    /// Transactions that it aborted and wrote again.
    pub(super) retried: Vec<String>,
    /// Records read more than once.
    pub(super) again: u64,
}

impl Judged {
    fn of(wrote: &[History], read: &History) -> Self {
        let errors = wrote.iter().flat_map(History::errors);
        Self {
            given_up: errors.filter(|error| error.starts_with(GIVEN_UP)).cloned().collect(),
            retried: wrote.iter().flat_map(History::retried).cloned().collect(),
            again: read.records() - read.keys().len() as u64,
        }
    }

    /// Whether the application was told nothing.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.given_up.is_empty() && self.retried.is_empty()
    }

    /// In words, where there is something to say.
    pub(super) fn note(&self) -> String {
        let counts = [
            (self.given_up.len() as u64, "records given up"),
            (self.retried.len() as u64, "transactions written again"),
            (self.again, "records read twice"),
        ];
        let said =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        said.collect::<Vec<_>>().join(", ")
    }
}
