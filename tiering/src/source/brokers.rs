//! The real source: a cluster's brokers, under the gateway's own identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use kafka::client::log::{self, Fetched, LogError, Want};
use kafka::client::metadata::{Cluster, PartitionInfo};
use kafka::client::{Connection, Dialer};
use kafka::code::Code;
use kafka::offsets;
use kafka::types::{BrokerId, LeaderEpoch, Offset};

use crate::PartitionId;
use crate::source::{Named, Source, SourceError};

/// Idle connections kept per broker.
const IDLE_MAX: usize = 4;
/// How long a leader may wait for followers when it is told to trim, ms.
const TRIM_WAIT_MS: i32 = 10_000;

/// The brokers.
#[derive(Debug)]
pub struct Brokers {
    dialer: Dialer,
    near: Near,
    cluster: RwLock<Arc<Known>>,
    idle: Mutex<HashMap<BrokerId, Vec<Connection>>>,
}

/// The cluster, with its partitions by id.
#[derive(Debug, Default)]
struct Known {
    cluster: Arc<Cluster>,
    places: HashMap<PartitionId, PartitionInfo>,
}

/// Says whether a broker is in this gateway's zone.
type Near = Box<dyn NearBy>;

/// Which brokers are near.
pub trait NearBy: std::fmt::Debug + Send + Sync {
    /// Whether reading from this broker crosses no zone.
    fn is_near(&self, broker: BrokerId) -> bool;
}

impl Brokers {
    /// Brokers that are dialled like this; `near` says which of them to prefer for reading.
    pub fn new(dialer: Dialer, near: Near) -> Self {
        Self { dialer, near, cluster: RwLock::default(), idle: Mutex::default() }
    }

    /// What the cluster looks like now.
    pub fn update(&self, cluster: Arc<Cluster>) {
        let mut places = HashMap::new();
        for topic in &cluster.topics {
            let id = |p: &PartitionInfo| PartitionId { topic: topic.id, partition: p.index };
            places.extend(topic.partitions.iter().map(|p| (id(p), p.clone())));
        }
        *self.cluster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Known { cluster, places });
    }

    fn known(&self) -> Arc<Known> {
        self.cluster.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self, p: &Named) -> Result<PartitionInfo, SourceError> {
        self.known()
            .places
            .get(&p.id)
            .cloned()
            .ok_or_else(|| SourceError::Away(format!("{}: not in the cluster's metadata", p.topic)))
    }

    fn leader(&self, p: &Named) -> Result<BrokerId, SourceError> {
        let leader = self.place(p)?.leader;
        if leader.0 < 0 { Err(SourceError::Away(format!("{}: no leader", p.topic))) } else { Ok(leader) }
    }

    async fn connect(&self, broker: BrokerId) -> Result<Connection, SourceError> {
        let idle =
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&broker).and_then(Vec::pop);
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let known = self.known();
        let known = known.cluster.brokers.iter().find(|b| b.id == broker);
        let known =
            known.ok_or_else(|| SourceError::Away(format!("broker {broker} is not in the cluster")))?;
        let connected = Connection::connect(&self.dialer, &known.host, known.port).await;
        connected.map_err(|e| SourceError::Away(e.to_string()))
    }

    fn keep(&self, broker: BrokerId, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.entry(broker).or_default();
        if !connection.is_poisoned() && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// Asks a broker; once more over a new connection where a kept one turns out to have been ended meanwhile.
    async fn ask(&self, broker: BrokerId, question: Question<'_>) -> Result<Reply, SourceError> {
        for last in [false, true] {
            let mut connection = self.connect(broker).await?;
            let reply = question.put(&mut connection).await;
            let poisoned = connection.is_poisoned();
            self.keep(broker, connection);
            match reply {
                Ok(reply) => return Ok(reply),
                Err(_) if poisoned && !last => {
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(&broker);
                }
                Err(e) => return Err(e.code().map_or_else(|| SourceError::Away(e.to_string()), said)),
            }
        }
        Err(SourceError::Away(format!("broker {broker} ends every connection")))
    }

    async fn fetch_from(&self, broker: BrokerId, want: Want) -> Result<Fetched, SourceError> {
        match self.ask(broker, Question::Fetch(want)).await? {
            Reply::Fetched(fetched) => Ok(fetched),
            Reply::Offset(_) => Err(SourceError::Away("another answer than asked for".to_owned())),
        }
    }

    async fn offset_of(&self, p: &Named, question: Question<'_>) -> Result<Offset, SourceError> {
        match self.ask(self.leader(p)?, question).await? {
            Reply::Offset(offset) => Ok(offset),
            Reply::Fetched(_) => Err(SourceError::Away("another answer than asked for".to_owned())),
        }
    }
}

/// What a broker is asked.
#[derive(Clone, Copy)]
enum Question<'a> {
    Fetch(Want),
    /// A sentinel of ListOffsets, and whether for read_committed.
    Offset(&'a Named, i64, bool),
    Trim(&'a Named, Offset),
}

enum Reply {
    Fetched(Fetched),
    Offset(Offset),
}

impl Question<'_> {
    async fn put(self, c: &mut Connection) -> Result<Reply, LogError> {
        match self {
            Self::Fetch(want) => log::fetch(c, want).await.map(Reply::Fetched),
            Self::Offset(p, at, committed) => {
                log::list_offset(c, &p.topic, p.id.partition, at, committed).await.map(Reply::Offset)
            }
            Self::Trim(p, to) => {
                log::delete_records(c, &p.topic, p.id.partition, to, TRIM_WAIT_MS).await.map(Reply::Offset)
            }
        }
    }
}

/// What says nothing about the log itself is "later perhaps".
fn said(code: Code) -> SourceError {
    if code.is_retriable() && code != Code::UNKNOWN_TOPIC_ID && code != Code::INCONSISTENT_TOPIC_ID {
        return SourceError::Away(code.to_string());
    }
    SourceError::Refused(code)
}

#[async_trait]
impl Source for Brokers {
    async fn fetch(
        &self,
        p: &Named,
        from: Offset,
        last_epoch: LeaderEpoch,
        max_bytes: u32,
    ) -> Result<Fetched, SourceError> {
        let place = self.place(p)?;
        let want = Want {
            topic: p.id.topic,
            partition: p.id.partition,
            offset: from,
            last_epoch,
            max_bytes: i32::try_from(max_bytes).unwrap_or(i32::MAX),
            max_wait_ms: 0,
        };
        let near = place.isr.iter().copied().find(|b| *b != place.leader && self.near.is_near(*b));
        if let Some(near) = near.filter(|_| !self.near.is_near(place.leader)) {
            // A follower is believed only where it has something to give: whatever else it says, the leader is asked.
            match self.fetch_from(near, want).await {
                Ok(fetched) if !fetched.records.is_empty() && fetched.diverging.is_none() => {
                    return Ok(fetched);
                }
                _ => {}
            }
        }
        self.fetch_from(self.leader(p)?, want).await
    }

    async fn log_start(&self, p: &Named) -> Result<Offset, SourceError> {
        self.offset_of(p, Question::Offset(p, offsets::EARLIEST, false)).await
    }

    async fn ends(&self, p: &Named) -> Result<(Offset, Offset), SourceError> {
        let high_watermark = self.offset_of(p, Question::Offset(p, offsets::LATEST, false)).await?;
        Ok((high_watermark, self.offset_of(p, Question::Offset(p, offsets::LATEST, true)).await?))
    }

    async fn trim(&self, p: &Named, to: Offset) -> Result<(), SourceError> {
        self.offset_of(p, Question::Trim(p, to)).await.map(|_| ())
    }
}
