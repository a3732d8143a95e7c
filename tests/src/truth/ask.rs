//! Questions over a raw socket.

use anyhow::{Context, Result, ensure};
use kafka::api;
use kafka::fetch::answer::Answer;
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, VERSION_TOPIC_IDS, encode};
use kafka::offsets::{EpochAnswer, ListAnswer, Request};
use kafka::types::{LeaderEpoch, Offset, Partition, TopicId};
use kafka::wire::{put_array_len, put_string};

use crate::raw::{Raw, request};

/// How long a server may look for what is asked, ms. It never has to wait for more: at least 0 bytes are asked for.
const WAIT_MS: i32 = 3_000;

/// One partition of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub partition: i32,
    /// From where.
    pub offset: i64,
    /// The leader's epoch as the client believes; -1: none. Not sent below v9.
    pub epoch: i32,
    /// At most so many bytes.
    pub max_bytes: i32,
}

/// A Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// 4 to 18.
    pub version: i16,
    /// 1: committed records only.
    pub isolation: i8,
    /// At most so many bytes in all.
    pub max_bytes: i32,
    /// The partitions.
    pub parts: Vec<Part>,
    /// Their topic, up to v12.
    pub topic: String,
    /// Its id, from v13.
    pub id: TopicId,
}

/// A partition's answer to a Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Error code.
    pub error: i16,
    /// High watermark.
    pub high_watermark: i64,
    /// Last stable offset.
    pub last_stable: i64,
    /// Log start; -1 below v5.
    pub log_start: i64,
    /// The abort list.
    pub aborted: Option<Vec<(i64, i64)>>,
    /// Where the client is to read instead; -1: nowhere else.
    pub elsewhere: i32,
    /// The records.
    pub records: Vec<u8>,
}

/// What ListOffsets said: error, timestamp, offset, epoch.
pub type Listed = (i16, i64, i64, i32);

/// A connection that asks one thing after the other.
#[derive(Debug)]
pub struct Asker {
    raw: Raw,
    next: i32,
}

impl Asker {
    /// Connects to a broker, or to its endpoint at a gateway.
    pub fn connect(address: &str) -> Result<Self> {
        Ok(Self { raw: Raw::connect(address)?, next: 0 })
    }

    /// The same as a user of SASL PLAIN (SaslHandshake v1, SaslAuthenticate v0).
    pub fn connect_as(address: &str, user: &str, password: &str) -> Result<Self> {
        let mut raw = Raw::connect(address)?;
        let mut mechanism = Vec::new();
        put_string(&mut mechanism, "PLAIN", false);
        let said = raw.call(1, api::SASL_HANDSHAKE, 1, &mechanism)?;
        ensure!(said.get(4..6) == Some(&[0, 0]), "the handshake is refused");
        let token = format!("\0{user}\0{password}").into_bytes();
        let body = [&(token.len() as i32).to_be_bytes(), token.as_slice()].concat();
        let said = raw.call(1, api::SASL_AUTHENTICATE, 0, &body)?;
        ensure!(said.get(4..6) == Some(&[0, 0]), "{user} is refused");
        Ok(Self { raw, next: 100 })
    }

    /// Asks for records. The answer has exactly the partitions asked for, in the order of the question.
    pub fn fetch(&mut self, q: &Question) -> Result<Vec<Fetched>> {
        self.next += 1;
        self.raw.write(&frame(q, self.next))?;
        let payload = self.raw.recv()?;
        ensure!(payload.starts_with(&self.next.to_be_bytes()), "an answer to another request");
        let answer = Answer::parse(&payload, q.version)?;
        ensure!(answer.error == 0, "the whole answer is error {}", answer.error);
        let mut out = Vec::new();
        for part in &q.parts {
            let same = |p: &&_| is_of(q, part, p);
            let p = answer.partitions.iter().find(same).context("a partition is missing")?;
            out.push(Fetched {
                error: p.error,
                high_watermark: p.high_watermark,
                last_stable: p.last_stable_offset,
                log_start: p.log_start_offset,
                aborted: p.aborted.clone(),
                elsewhere: p.preferred_read_replica.0,
                records: p.records.to_vec(),
            });
        }
        ensure!(answer.partitions.len() == q.parts.len(), "partitions that nobody asked for");
        Ok(out)
    }

    /// Asks ListOffsets; `epoch` is sent from v4 on, `isolation` from v2 on.
    pub fn list(
        &mut self,
        version: i16,
        topic: &str,
        partition: i32,
        time: i64,
        isolation: i8,
    ) -> Result<Listed> {
        let payload = self.call(
            &list_question(version, topic, partition, time, isolation),
            api::LIST_OFFSETS,
            version,
        )?;
        let (asked, payload) = payload;
        let asked =
            Request::parse(&asked, api::LIST_OFFSETS, version)?.context("a version that is not read")?;
        let at = asked.answer(&payload)?.first().context("no partition")?.at();
        let ListAnswer { error, timestamp, offset, epoch } = asked.list_answer(&payload, at);
        Ok((error, timestamp, offset.0, epoch.0))
    }

    /// Asks OffsetForLeaderEpoch: error, epoch, end.
    pub fn epoch_end(
        &mut self,
        version: i16,
        topic: &str,
        part: (i32, i32),
        epoch: i32,
    ) -> Result<(i16, i32, i64)> {
        let body = epoch_question(version, topic, part, epoch);
        let (asked, payload) = self.call(&body, api::OFFSET_FOR_LEADER_EPOCH, version)?;
        let asked = Request::parse(&asked, api::OFFSET_FOR_LEADER_EPOCH, version)?
            .context("a version that is not read")?;
        let at = asked.answer(&payload)?.first().context("no partition")?.at();
        let EpochAnswer { error, epoch, end } = asked.epoch_answer(&payload, at);
        Ok((error, epoch.0, end.0))
    }

    /// The request as sent and the answer's payload.
    fn call(&mut self, body: &[u8], key: i16, version: i16) -> Result<(Vec<u8>, Vec<u8>)> {
        self.next += 1;
        let asked = request(if flexible(key, version) { 2 } else { 1 }, key, version, self.next, "raw", body);
        self.raw.send(&asked)?;
        let payload = self.raw.recv()?;
        ensure!(payload.starts_with(&self.next.to_be_bytes()), "an answer to another request");
        Ok((asked, payload))
    }
}

fn flexible(key: i16, version: i16) -> bool {
    version >= if key == api::LIST_OFFSETS { 6 } else { 4 }
}

fn is_of(q: &Question, part: &Part, p: &kafka::fetch::answer::PartitionAnswer<'_>) -> bool {
    let topic = match p.topic {
        TopicRef::Name(name) => name == q.topic,
        TopicRef::Id(id) => id == q.id,
    };
    topic && p.partition.0 == part.partition
}

fn frame(q: &Question, correlation_id: i32) -> Vec<u8> {
    let topic = if q.version >= VERSION_TOPIC_IDS { TopicRef::Id(q.id) } else { TopicRef::Name(&q.topic) };
    let ask = Ask {
        version: q.version,
        correlation_id,
        max_wait_ms: WAIT_MS,
        min_bytes: 0,
        max_bytes: q.max_bytes,
        isolation_level: q.isolation,
    };
    let part = |p: &Part| {
        FetchPartition::new(
            topic,
            Partition(p.partition),
            Offset(p.offset),
            LeaderEpoch(p.epoch),
            p.max_bytes,
        )
    };
    let parts: Vec<_> = q.parts.iter().map(part).collect();
    encode(ask, "oracle", &parts.iter().collect::<Vec<_>>())
}

/// The body of a ListOffsets request. Layout: `ListOffsetsRequest.json`, v1 to v11.
pub fn list_question(version: i16, topic: &str, partition: i32, time: i64, isolation: i8) -> Vec<u8> {
    let flexible = version >= 6;
    let mut out = (-1i32).to_be_bytes().to_vec();
    if version >= 2 {
        out.push(isolation as u8);
    }
    put_topic(&mut out, topic, partition, flexible);
    if version >= 4 {
        out.extend_from_slice(&(-1i32).to_be_bytes());
    }
    out.extend_from_slice(&time.to_be_bytes());
    let tail = if version >= 10 { 30_000i32.to_be_bytes().to_vec() } else { Vec::new() };
    // The tags of the partition and of the topic, then the tail, then the tags of the request.
    if flexible {
        out.extend_from_slice(&[0, 0]);
    }
    out.extend_from_slice(&tail);
    if flexible {
        out.push(0);
    }
    out
}

/// The body of an OffsetForLeaderEpoch request about (partition, the leader's epoch as believed). v2 to v4.
pub fn epoch_question(version: i16, topic: &str, (partition, current): (i32, i32), epoch: i32) -> Vec<u8> {
    let flexible = version >= 4;
    let mut out = if version >= 3 { (-1i32).to_be_bytes().to_vec() } else { Vec::new() };
    put_topic(&mut out, topic, partition, flexible);
    out.extend_from_slice(&current.to_be_bytes());
    out.extend_from_slice(&epoch.to_be_bytes());
    if flexible {
        out.extend_from_slice(&[0, 0, 0]);
    }
    out
}

fn put_topic(out: &mut Vec<u8>, topic: &str, partition: i32, flexible: bool) {
    put_array_len(out, 1, flexible);
    put_string(out, topic, flexible);
    put_array_len(out, 1, flexible);
    out.extend_from_slice(&partition.to_be_bytes());
}
