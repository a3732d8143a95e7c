//! The real target: a partition's leader, wherever it is at the moment.

use std::time::Duration;

use async_trait::async_trait;
use kafka::client::log::{self, LogError};
use kafka::client::metadata::{self, Topics};
use kafka::client::produce::{self, Producer};
use kafka::client::{Bootstrap, Connection, markers};
use kafka::offsets::{EARLIEST, LATEST};
use kafka::types::{LeaderEpoch, Offset, Partition};
use tokio::time::Instant;

use super::target::{Target, TargetError};

/// How long brokers may wait for their followers, ms; shorter than a call may take.
const WAIT_MS: i32 = 8_000;
/// Pause before trying again, doubled up to the longest. Even the shortest leaves a broker time for what was still on its way to it.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// How long a partition may have no leader that takes anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Markers in one request.
const MARKERS_MAX: i64 = 500;

/// A partition's leader.
#[derive(Debug)]
pub struct Leader<'a> {
    bootstrap: &'a Bootstrap,
    topic: &'a [String; 1],
    partition: Partition,
    /// Whose markers fill holes: another than the one whose data is written.
    markers: Producer,
    now: Option<(Connection, LeaderEpoch)>,
}

impl<'a> Leader<'a> {
    /// Of a topic's partition, not dialled yet.
    pub fn new(
        bootstrap: &'a Bootstrap,
        topic: &'a [String; 1],
        partition: Partition,
        markers: Producer,
    ) -> Self {
        Self { bootstrap, topic, partition, markers, now: None }
    }

    /// Finds the leader, if none is known.
    async fn find(&mut self) -> Result<(&mut Connection, LeaderEpoch), Failed> {
        let (connection, epoch) = match self.now.take().filter(|(c, _)| !c.is_poisoned()) {
            Some(known) => known,
            None => self.dial().await?,
        };
        let (connection, epoch) = self.now.insert((connection, epoch));
        Ok((connection, *epoch))
    }

    async fn dial(&self) -> Result<(Connection, LeaderEpoch), Failed> {
        let away = |why: String| Failed::Passing(why);
        let mut any = self.bootstrap.any(&[]).await.map_err(|e| away(e.to_string()))?;
        let cluster = metadata::fetch(&mut any, Topics::Names(self.topic)).await;
        let cluster = cluster.map_err(|e| away(e.to_string()))?;
        let mut partitions = cluster.topics.iter().flat_map(|t| &t.partitions);
        let place = partitions.find(|p| p.index == self.partition && p.leader.0 >= 0);
        let place = place.ok_or_else(|| away("the partition has no leader".to_owned()))?;
        let broker = cluster.brokers.iter().find(|b| b.id == place.leader);
        let broker = broker.ok_or_else(|| away(format!("broker {} is not there", place.leader)))?;
        let dialled = Connection::connect(&self.bootstrap.dialer, &broker.host, broker.port).await;
        Ok((dialled.map_err(|e| away(e.to_string()))?, place.epoch))
    }

    /// Does one thing once.
    async fn once(&mut self, deed: Deed<'_>) -> Result<Offset, Failed> {
        let (topic, partition, markers) = (&self.topic[0], self.partition, self.markers);
        let (c, epoch) = self.find().await?;
        let done = match deed {
            Deed::Append(batch) => produce::produce(c, topic, partition, batch, WAIT_MS).await,
            Deed::Mark(count) => {
                markers::write(c, topic, partition, markers, count).await.map(|()| Offset(0))
            }
            Deed::WrittenEnd => produce::log_end(c, topic, partition, epoch).await,
            Deed::End => log::list_offset(c, topic, partition, LATEST, false).await,
            Deed::Start => log::list_offset(c, topic, partition, EARLIEST, false).await,
            Deed::BeginAt(to) => log::delete_records(c, topic, partition, to, WAIT_MS).await,
        };
        done.map_err(|e| {
            self.now = None;
            Failed::from(e)
        })
    }

    /// Does what may be done twice, until it succeeds.
    async fn again(&mut self, deed: Deed<'_>) -> Result<Offset, TargetError> {
        let mut patience = Patience::new();
        loop {
            match self.once(deed).await {
                Ok(offset) => return Ok(offset),
                Err(failed) => patience.after(failed).await?,
            }
        }
    }
}

/// Asks the cluster for a producer's id, until it gives one: a broker that was asked for the first time has to fetch some itself, and says "later".
///
/// # Errors
/// It refuses, or nobody gives one.
pub async fn new_producer(bootstrap: &Bootstrap) -> Result<Producer, TargetError> {
    let mut patience = Patience::new();
    loop {
        let failed = match bootstrap.any(&[]).await {
            Ok(mut connection) => match produce::init_producer(&mut connection).await {
                Ok(producer) => return Ok(producer),
                Err(e) => Failed::from(e),
            },
            Err(e) => Failed::Passing(e.to_string()),
        };
        patience.after(failed).await?;
    }
}

/// What is asked of a leader.
#[derive(Clone, Copy, Debug)]
enum Deed<'a> {
    Append(&'a [u8]),
    Mark(usize),
    /// The end of what it wrote, whether its followers have it or not.
    WrittenEnd,
    /// The end of what all have.
    End,
    Start,
    BeginAt(Offset),
}

/// Why a deed failed.
enum Failed {
    /// It may succeed later.
    Passing(String),
    Refused(LogError),
}

impl From<LogError> for Failed {
    fn from(e: LogError) -> Self {
        // What a broker found damaged was damaged on its way: it was checked before.
        if e.is_passing() { Self::Passing(e.to_string()) } else { Self::Refused(e) }
    }
}

/// Bounds how long something is tried in vain.
struct Patience {
    since: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { since: Instant::now(), pause: PAUSE.0 }
    }

    /// Waits before the next try, if there is to be one.
    async fn after(&mut self, failed: Failed) -> Result<(), TargetError> {
        let last = match failed {
            Failed::Refused(e) => return Err(TargetError::Refused(e)),
            Failed::Passing(last) => last,
        };
        if self.since.elapsed() >= PATIENCE {
            return Err(TargetError::GaveUp { seconds: PATIENCE.as_secs(), last });
        }
        tracing::debug!("restore: trying again in {:?}: {last}", self.pause);
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
        Ok(())
    }
}

#[async_trait]
impl Target for Leader<'_> {
    async fn append(&mut self, batch: &[u8]) -> Result<Offset, TargetError> {
        // A broker that has it already answers as it did then: it knows producer and sequence.
        self.again(Deed::Append(batch)).await
    }

    /// Markers have no sequence by which a broker could tell the second from the first. So after any doubt the leader is asked how many it has.
    async fn skip(&mut self, from: Offset, count: i64) -> Result<(), TargetError> {
        let wanted = Offset(from.0 + count);
        let (mut at, mut patience) = (from, Patience::new());
        while at < wanted {
            let some = (wanted.0 - at.0).min(MARKERS_MAX);
            let marked = self.once(Deed::Mark(some as usize)).await;
            // The answer to a single marker says all; of several, one stands for all of a producer.
            if marked.is_ok() && some == 1 {
                at.0 += 1;
                continue;
            }
            if let Err(failed) = marked {
                patience.after(failed).await?;
            }
            let found = self.again(Deed::WrittenEnd).await?;
            if found < at || found > wanted {
                return Err(TargetError::End { wanted: wanted.0, found: found.0 });
            }
            if found > at {
                patience = Patience::new();
            }
            at = found;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<Offset, TargetError> {
        self.again(Deed::End).await
    }

    async fn start(&mut self) -> Result<Offset, TargetError> {
        self.again(Deed::Start).await
    }

    async fn begin_at(&mut self, to: Offset) -> Result<(), TargetError> {
        self.again(Deed::BeginAt(to)).await.map(|_| ())
    }
}
