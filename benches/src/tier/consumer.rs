//! A consumer that does nothing but fetch: one partition, one connection, one request at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kafka::batch::Batches;
use kafka::fetch::answer::Answer;
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, encode};
use kafka::types::{LeaderEpoch, Offset, Partition};

/// The newest version that names topics.
const VERSION: i16 = 12;
/// Java's defaults: `fetch.max.bytes`, `max.partition.fetch.bytes`, `fetch.max.wait.ms`.
const FETCH_MAX: i32 = 50 << 20;
const PARTITION_MAX: i32 = 1 << 20;
const WAIT_MS: i32 = 500;
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Answers without records that a reader takes in a row.
const EMPTY_MAX: usize = 100;

/// One connection.
pub(super) struct Consumer {
    stream: TcpStream,
    topic: &'static str,
    answer: Vec<u8>,
    correlation: i32,
}

impl Consumer {
    /// Connects to the broker that leads the partition, or to what stands for it.
    pub(super) fn connect(addr: SocketAddr, topic: &'static str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, ANSWER_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { stream, topic, answer: Vec::new(), correlation: 0 })
    }

    /// Reads the offsets from `from` up to `to`; bytes of batches.
    pub(super) fn read(&mut self, from: i64, to: i64) -> anyhow::Result<u64> {
        let (mut next, mut sum, mut empty) = (from, 0, 0);
        while next < to {
            let (bytes, end) = self.fetch(next)?;
            empty = if bytes == 0 { empty + 1 } else { 0 };
            ensure!(empty < EMPTY_MAX, "nothing comes at {next}");
            (next, sum) = (end.max(next), sum + bytes as u64);
        }
        Ok(sum)
    }

    /// One request at `offset`: bytes of batches, and where they end.
    pub(super) fn fetch(&mut self, offset: i64) -> anyhow::Result<(usize, i64)> {
        self.correlation += 1;
        let ask = Ask {
            version: VERSION,
            correlation_id: self.correlation,
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_MAX,
            isolation_level: 0,
        };
        let (topic, unknown) = (TopicRef::Name(self.topic), LeaderEpoch(-1));
        let wanted = FetchPartition::new(topic, Partition(0), Offset(offset), unknown, PARTITION_MAX);
        self.stream.write_all(&encode(ask, "bench", &[&wanted]))?;
        self.receive()?;
        let answer = Answer::parse(&self.answer, VERSION)?;
        let p = answer.partitions.first().context("an answer without the partition")?;
        ensure!(answer.error == 0 && p.error == 0, "errors {} and {} at {offset}", answer.error, p.error);
        let last = Batches::new(p.records).map_while(Result::ok).last();
        Ok((p.records.len(), last.map_or(offset, |batch| batch.end_offset().0)))
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("no answer")?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!((4..=64 << 20).contains(&length), "an answer of {length} bytes");
        self.answer.resize(length, 0);
        Ok(self.stream.read_exact(&mut self.answer)?)
    }
}
