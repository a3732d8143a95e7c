//! A view of a Fetch request, v4 to v18: what steering must know, and the places that can be changed in place.
//!
//! Layout: `FetchRequest.json`. Nothing is copied but the list of partitions.

use crate::api;
use crate::types::{LeaderEpoch, Offset, Partition, TopicId};
use crate::wire::{Reader, Result, put_array_len, put_no_tags, put_string};

/// The oldest version this view reads; older ones left Kafka with 4.0 (KIP-896) and are passed on unread.
pub const VERSION_MIN: i16 = 4;
/// The newest version this view reads.
pub const VERSION_MAX: i16 = 18;
/// From here on topics are named by id (KIP-516).
pub const VERSION_TOPIC_IDS: i16 = 13;
/// From here on followers answer consumers and answers carry `preferred_read_replica` (KIP-392).
pub const VERSION_FOLLOWERS: i16 = 11;

/// How a request names a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicRef<'a> {
    /// By name, up to v12.
    Name(&'a str),
    /// By id, from v13.
    Id(TopicId),
}

/// One partition asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition<'a> {
    /// Its topic.
    pub topic: TopicRef<'a>,
    /// Its index.
    pub partition: Partition,
    /// The leader epoch the client believes in; -1 before v9 or when it doesn't know.
    pub current_leader_epoch: LeaderEpoch,
    /// Where to read from.
    pub offset: Offset,
    /// The epoch of the last record fetched (v12+), -1 for consumers.
    pub last_fetched_epoch: LeaderEpoch,
    /// At most this many bytes, but always one batch.
    pub max_bytes: i32,
    /// Where `current_leader_epoch` (v9+) or else the offset stands in the payload.
    epoch_at: usize,
    offset_at: usize,
}

impl<'a> FetchPartition<'a> {
    /// A partition to ask for in a request that is [encoded](encode) here.
    pub fn new(
        topic: TopicRef<'a>,
        partition: Partition,
        offset: Offset,
        current_leader_epoch: LeaderEpoch,
        max_bytes: i32,
    ) -> Self {
        let last_fetched_epoch = LeaderEpoch(-1);
        Self {
            topic,
            partition,
            current_leader_epoch,
            offset,
            last_fetched_epoch,
            max_bytes,
            epoch_at: 0,
            offset_at: 0,
        }
    }
}

/// Whether a Fetch opens, continues or does without a fetch session (KIP-227). The epoch alone says it:
/// franz-go resets a session with its old id and epoch 0 (measured).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Epoch -1: every partition is listed and no session is wanted.
    None,
    /// Epoch 0: every partition is listed and a session is wanted.
    Open,
    /// Epoch > 0: only what changed is listed.
    Continue,
}

/// A Fetch request as steering sees it. Positions count from the start of the payload (the API key).
#[derive(Clone, Debug)]
pub struct FetchRequest<'a> {
    /// The request's version.
    pub version: i16,
    /// `client.id`, by which brokers hold quotas; empty if there is none or it isn't UTF-8.
    pub client_id: &'a str,
    /// Who asks: -1 for consumers.
    pub replica_id: i32,
    /// How long the broker may wait for `min_bytes`, ms.
    pub max_wait_ms: i32,
    /// How many bytes the client waits for.
    pub min_bytes: i32,
    /// At most this many bytes in all, but always one batch.
    pub max_bytes: i32,
    /// 0 read_uncommitted, 1 read_committed.
    pub isolation_level: i8,
    /// The session's state.
    pub session: Session,
    /// The partitions, in the order asked.
    pub partitions: Vec<FetchPartition<'a>>,
    /// `client.rack` (v11+), often empty.
    pub rack: &'a str,
    /// Where `max_wait_ms` stands; `min_bytes` and `max_bytes` follow it.
    waits_at: usize,
    /// Where `session_id` stands (v7+); the epoch follows it.
    session_at: usize,
    rack_at: usize,
    rack_end: usize,
}

impl<'a> FetchRequest<'a> {
    /// Reads the payload of a Fetch request (from its API key on).
    ///
    /// # Errors
    /// Anything that contradicts the schema, including bytes left over.
    pub fn parse(payload: &'a [u8], version: i16) -> Result<Self> {
        let flexible = version >= 12;
        let mut r = Reader::new(payload);
        r.skip(8)?;
        let client_id = r.string_bytes(false)?.and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("");
        r.skip_tags(flexible)?;
        let mut replica_id = if version < 15 { r.i32()? } else { -1 };
        let waits_at = r.position();
        let (max_wait_ms, min_bytes, max_bytes) = (r.i32()?, r.i32()?, r.i32()?);
        let isolation_level = r.i8()?;
        let session_at = r.position();
        let session = read_session(&mut r, version)?;
        let partitions = read_topics(&mut r, version)?;
        if version >= 7 {
            skip_forgotten(&mut r, version)?;
        }
        let rack_at = r.position();
        let rack = if version >= VERSION_FOLLOWERS { r.string(flexible)? } else { "" };
        let rack_end = r.position();
        if flexible && version >= 15 {
            replica_id = read_replica_state(&mut r)?;
        } else {
            r.skip_tags(flexible)?;
        }
        r.finish()?;
        Ok(Self {
            version,
            client_id,
            replica_id,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session,
            partitions,
            rack,
            waits_at,
            session_at,
            rack_at,
            rack_end,
        })
    }

    /// Whether a consumer asks; brokers' own replica fetches are never steered.
    pub fn is_consumer(&self) -> bool {
        self.replica_id == -1
    }

    /// Where the session's id and epoch stand in the payload, in versions that have them: for [`clear_session`].
    pub fn session_at(&self) -> Option<usize> {
        (self.version >= 7).then_some(self.session_at)
    }

    /// A copy that asks the same broker whether it would answer, and for as little as it can send: no wait, one
    /// byte at most (so one batch at most), no session. `rack`, if given, stands in for an empty rack.
    pub fn peek(&self, payload: &[u8], rack: Option<&str>) -> Vec<u8> {
        let mut out = payload.to_vec();
        if let Some(at) = self.session_at() {
            clear_session(&mut out, at);
        }
        let waits = [0i32, 0, 1].map(i32::to_be_bytes).concat();
        out[self.waits_at..self.waits_at + 12].copy_from_slice(&waits);
        match rack {
            Some(zone) if self.version >= VERSION_FOLLOWERS && self.rack.is_empty() => {
                let mut field = Vec::with_capacity(zone.len() + 2);
                put_string(&mut field, zone, self.version >= 12);
                out.splice(self.rack_at..self.rack_end, field);
                out
            }
            _ => out,
        }
    }

    /// A copy that asks only for rights: every partition at offset 2^62 and no epoch. Kafka answers 1
    /// (OFFSET_OUT_OF_RANGE) where the principal may read and 29 where it may not, and reads nothing
    /// (measured on 4.3.1).
    pub fn rights_probe(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = self.peek(payload, None);
        for p in &self.partitions {
            out[p.offset_at..p.offset_at + 8].copy_from_slice(&(1i64 << 62).to_be_bytes());
            if self.version >= 9 {
                out[p.epoch_at..p.epoch_at + 4].copy_from_slice(&(-1i32).to_be_bytes());
            }
            // With an epoch the broker looks for a divergence (KIP-595) and answers no error.
            if self.version >= 12 {
                let at = p.offset_at + 8;
                out[at..at + 4].copy_from_slice(&(-1i32).to_be_bytes());
            }
        }
        out
    }
}

/// Changes a payload in place so that it asks for no session: id 0, epoch -1. `at` is the request's
/// [`session_at`](FetchRequest::session_at).
pub fn clear_session(payload: &mut [u8], at: usize) {
    payload[at..at + 4].copy_from_slice(&0i32.to_be_bytes());
    payload[at + 4..at + 8].copy_from_slice(&(-1i32).to_be_bytes());
}

fn read_session(r: &mut Reader<'_>, version: i16) -> Result<Session> {
    if version < 7 {
        return Ok(Session::None);
    }
    r.i32()?;
    Ok(match r.i32()? {
        i32::MIN..=-1 => Session::None,
        0 => Session::Open,
        _ => Session::Continue,
    })
}

fn read_topic<'a>(r: &mut Reader<'a>, version: i16) -> Result<TopicRef<'a>> {
    if version >= VERSION_TOPIC_IDS {
        return Ok(TopicRef::Id(TopicId(r.uuid()?)));
    }
    r.string(version >= 12).map(TopicRef::Name)
}

fn read_topics<'a>(r: &mut Reader<'a>, version: i16) -> Result<Vec<FetchPartition<'a>>> {
    let flexible = version >= 12;
    let mut out = Vec::new();
    for _ in 0..r.array_len(flexible, 4)?.unwrap_or(0) {
        let topic = read_topic(r, version)?;
        for _ in 0..r.array_len(flexible, 16)?.unwrap_or(0) {
            out.push(read_partition(r, version, topic)?);
        }
        r.skip_tags(flexible)?;
    }
    Ok(out)
}

fn read_partition<'a>(r: &mut Reader<'a>, version: i16, topic: TopicRef<'a>) -> Result<FetchPartition<'a>> {
    let partition = Partition(r.i32()?);
    let epoch_at = r.position();
    let current_leader_epoch = LeaderEpoch(if version >= 9 { r.i32()? } else { -1 });
    let offset_at = r.position();
    let offset = Offset(r.i64()?);
    let last_fetched_epoch = LeaderEpoch(if version >= 12 { r.i32()? } else { -1 });
    if version >= 5 {
        r.i64()?;
    }
    let max_bytes = r.i32()?;
    r.skip_tags(version >= 12)?;
    Ok(FetchPartition {
        topic,
        partition,
        current_leader_epoch,
        offset,
        last_fetched_epoch,
        max_bytes,
        epoch_at,
        offset_at,
    })
}

fn skip_forgotten(r: &mut Reader<'_>, version: i16) -> Result<()> {
    let flexible = version >= 12;
    for _ in 0..r.array_len(flexible, 3)?.unwrap_or(0) {
        read_topic(r, version)?;
        let n = r.array_len(flexible, 4)?.unwrap_or(0);
        r.skip(n * 4)?;
        r.skip_tags(flexible)?;
    }
    Ok(())
}

/// v15+ (KIP-903): a follower names itself in tag 1, a consumer leaves it out.
fn read_replica_state(r: &mut Reader<'_>) -> Result<i32> {
    let mut replica_id = -1;
    for _ in 0..r.uvarint()? {
        let (tag, size) = (r.uvarint()?, r.uvarint()? as usize);
        let body = r.take(size)?;
        if tag == 1 {
            replica_id = Reader::new(body).i32()?;
        }
    }
    Ok(replica_id)
}

/// What a Fetch that the gateway sends of its own accord asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Version to send, 4 to 18.
    pub version: i16,
    /// Correlation id to send.
    pub correlation_id: i32,
    /// As in the request this is sent for.
    pub max_wait_ms: i32,
    /// As in the request this is sent for.
    pub min_bytes: i32,
    /// As in the request this is sent for, or less.
    pub max_bytes: i32,
    /// As in the request this is sent for.
    pub isolation_level: i8,
}

/// Encodes a sessionless consumer Fetch of `partitions` (grouped by topic as they come), frame prefix included.
pub fn encode(ask: Ask, client_id: &str, partitions: &[&FetchPartition<'_>]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&api::FETCH.to_be_bytes());
    out.extend_from_slice(&ask.version.to_be_bytes());
    out.extend_from_slice(&ask.correlation_id.to_be_bytes());
    put_string(&mut out, client_id, false);
    put_no_tags(&mut out, ask.version >= 12);
    put_body(&mut out, ask, partitions);
    let len = (out.len() - 4) as i32;
    out[..4].copy_from_slice(&len.to_be_bytes());
    out
}

/// The same without frame prefix and header, for [`Connection::call`](crate::client::Connection::call).
pub fn encode_body(ask: Ask, partitions: &[&FetchPartition<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    put_body(&mut out, ask, partitions);
    out
}

fn put_body(out: &mut Vec<u8>, ask: Ask, partitions: &[&FetchPartition<'_>]) {
    let flexible = ask.version >= 12;
    if ask.version < 15 {
        out.extend_from_slice(&(-1i32).to_be_bytes());
    }
    for field in [ask.max_wait_ms, ask.min_bytes, ask.max_bytes] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.push(ask.isolation_level as u8);
    if ask.version >= 7 {
        out.extend_from_slice(&0i32.to_be_bytes());
        out.extend_from_slice(&(-1i32).to_be_bytes());
    }
    encode_topics(out, ask.version, partitions);
    if ask.version >= 7 {
        put_array_len(out, 0, flexible);
    }
    if ask.version >= VERSION_FOLLOWERS {
        put_string(out, "", flexible);
    }
    put_no_tags(out, flexible);
}

fn encode_topics(out: &mut Vec<u8>, version: i16, partitions: &[&FetchPartition<'_>]) {
    let flexible = version >= 12;
    let topics: Vec<_> = partitions.chunk_by(|a, b| a.topic == b.topic).collect();
    put_array_len(out, topics.len(), flexible);
    for group in topics {
        match group[0].topic {
            TopicRef::Name(name) => put_string(out, name, flexible),
            TopicRef::Id(id) => out.extend_from_slice(&id.0),
        }
        put_array_len(out, group.len(), flexible);
        for p in group {
            encode_partition(out, version, p);
        }
        put_no_tags(out, flexible);
    }
}

fn encode_partition(out: &mut Vec<u8>, version: i16, p: &FetchPartition<'_>) {
    out.extend_from_slice(&p.partition.0.to_be_bytes());
    if version >= 9 {
        out.extend_from_slice(&p.current_leader_epoch.0.to_be_bytes());
    }
    out.extend_from_slice(&p.offset.0.to_be_bytes());
    if version >= 12 {
        out.extend_from_slice(&p.last_fetched_epoch.0.to_be_bytes());
    }
    if version >= 5 {
        out.extend_from_slice(&(-1i64).to_be_bytes());
    }
    out.extend_from_slice(&p.max_bytes.to_be_bytes());
    put_no_tags(out, version >= 12);
}
