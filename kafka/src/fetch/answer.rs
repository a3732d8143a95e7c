//! A Fetch answer held whole: read, taken apart, and put together again in any version from 4 to 18.
//!
//! Used where the gateway answers itself or on a broker's behalf. Record bytes are borrowed, never decoded.

use std::collections::HashMap;

use crate::fetch::request::{TopicRef, VERSION_FOLLOWERS, VERSION_TOPIC_IDS};
use crate::types::{BrokerId, Partition, TopicId};
use crate::wire::{Reader, Result, put_array_len, put_no_tags, put_string, put_uvarint};

/// "No preferred read replica", and "no broker" wherever ids stand.
pub const NO_BROKER: BrokerId = BrokerId(-1);

/// An aborted transaction: (producer id, first offset).
pub type Aborted = (i64, i64);

/// One partition of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionAnswer<'a> {
    /// Its topic.
    pub topic: TopicRef<'a>,
    /// Its index.
    pub partition: Partition,
    /// Error code, 0 for none.
    pub error: i16,
    /// High watermark; -1 unknown.
    pub high_watermark: i64,
    /// Last stable offset; -1 unknown.
    pub last_stable_offset: i64,
    /// Log start offset; -1 unknown.
    pub log_start_offset: i64,
    /// Aborted transactions in the range; `None` is null (read_uncommitted).
    pub aborted: Option<Vec<Aborted>>,
    /// Where the client shall read instead (KIP-392).
    pub preferred_read_replica: BrokerId,
    /// Record batches as they came, never null: librdkafka takes null for a protocol error.
    pub records: &'a [u8],
    /// The content of `diverging_epoch` (tag 0), if it was sent. Leader hints (tag 1) are left out on purpose: they
    /// are worth nothing without the endpoints, and a half-translated hint misleads clients.
    pub diverging_epoch: Option<&'a [u8]>,
}

impl<'a> PartitionAnswer<'a> {
    /// "No error, nothing there": what a client gets for a partition that is not served this time.
    pub fn empty(topic: TopicRef<'a>, partition: Partition) -> Self {
        Self {
            topic,
            partition,
            error: 0,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            preferred_read_replica: NO_BROKER,
            records: &[],
            diverging_epoch: None,
        }
    }

    /// The same without records, pointing the client to `replica`.
    pub fn hint(&self, replica: BrokerId) -> Self {
        Self {
            log_start_offset: -1,
            aborted: None,
            preferred_read_replica: replica,
            records: &[],
            ..self.clone()
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// How long the client shall wait, ms (KIP-124).
    pub throttle_ms: i32,
    /// Top-level error (v7+).
    pub error: i16,
    /// Session id (v7+); 0 is none.
    pub session_id: i32,
    /// The partitions in the order they came.
    pub partitions: Vec<PartitionAnswer<'a>>,
}

impl<'a> Answer<'a> {
    /// Reads the payload of an answer (from its correlation id on).
    pub fn parse(payload: &'a [u8], version: i16) -> Result<Self> {
        let mut r = Reader::new(payload);
        r.i32()?;
        r.skip_tags(version >= 12)?;
        Self::read(r, version)
    }

    /// Reads the body of an answer, as [`Connection::call`](crate::client::Connection::call) returns it.
    pub fn parse_body(body: &'a [u8], version: i16) -> Result<Self> {
        Self::read(Reader::new(body), version)
    }

    fn read(mut r: Reader<'a>, version: i16) -> Result<Self> {
        let flexible = version >= 12;
        let throttle_ms = r.i32()?;
        let (error, session_id) = if version >= 7 { (r.i16()?, r.i32()?) } else { (0, 0) };
        let mut partitions = Vec::new();
        for _ in 0..r.array_len(flexible, 3)?.unwrap_or(0) {
            let topic = match version >= VERSION_TOPIC_IDS {
                true => TopicRef::Id(TopicId(r.uuid()?)),
                false => TopicRef::Name(r.string(flexible)?),
            };
            for _ in 0..r.array_len(flexible, 24)?.unwrap_or(0) {
                partitions.push(read_partition(&mut r, version, topic)?);
            }
            r.skip_tags(flexible)?;
        }
        r.skip_tags(flexible)?;
        r.finish()?;
        Ok(Self { throttle_ms, error, session_id, partitions })
    }

    /// Where each partition stands in [`partitions`](Self::partitions).
    pub fn places(&self) -> HashMap<(TopicRef<'a>, Partition), usize> {
        self.partitions.iter().enumerate().map(|(place, p)| ((p.topic, p.partition), place)).collect()
    }

    /// Encodes the answer, frame prefix included.
    pub fn encode(&self, version: i16, correlation_id: i32) -> Vec<u8> {
        let flexible = version >= 12;
        let records: usize = self.partitions.iter().map(|p| p.records.len() + 64).sum();
        let mut out = Vec::with_capacity(records + 64);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&correlation_id.to_be_bytes());
        put_no_tags(&mut out, flexible);
        out.extend_from_slice(&self.throttle_ms.to_be_bytes());
        if version >= 7 {
            out.extend_from_slice(&self.error.to_be_bytes());
            out.extend_from_slice(&self.session_id.to_be_bytes());
        }
        let topics: Vec<_> = self.partitions.chunk_by(|a, b| a.topic == b.topic).collect();
        put_array_len(&mut out, topics.len(), flexible);
        for group in topics {
            put_topic(&mut out, version, group);
        }
        put_no_tags(&mut out, flexible);
        let len = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&len.to_be_bytes());
        out
    }
}

fn read_partition<'a>(r: &mut Reader<'a>, version: i16, topic: TopicRef<'a>) -> Result<PartitionAnswer<'a>> {
    let flexible = version >= 12;
    let mut p = PartitionAnswer::empty(topic, Partition(r.i32()?));
    p.error = r.i16()?;
    p.high_watermark = r.i64()?;
    p.last_stable_offset = r.i64()?;
    if version >= 5 {
        p.log_start_offset = r.i64()?;
    }
    if let Some(n) = r.array_len(flexible, 16)? {
        let mut aborted = Vec::with_capacity(n);
        for _ in 0..n {
            aborted.push((r.i64()?, r.i64()?));
            r.skip_tags(flexible)?;
        }
        p.aborted = Some(aborted);
    }
    if version >= VERSION_FOLLOWERS {
        p.preferred_read_replica = BrokerId(r.i32()?);
    }
    p.records = r.bytes(flexible)?.unwrap_or(&[]);
    if flexible {
        p.diverging_epoch = read_tags(r)?;
    }
    Ok(p)
}

fn read_tags<'a>(r: &mut Reader<'a>) -> Result<Option<&'a [u8]>> {
    let mut diverging = None;
    for _ in 0..r.uvarint()? {
        let (tag, size) = (r.uvarint()?, r.uvarint()? as usize);
        let body = r.take(size)?;
        if tag == 0 {
            diverging = Some(body);
        }
    }
    Ok(diverging)
}

fn put_topic(out: &mut Vec<u8>, version: i16, partitions: &[PartitionAnswer<'_>]) {
    let flexible = version >= 12;
    match partitions[0].topic {
        TopicRef::Name(name) => put_string(out, name, flexible),
        TopicRef::Id(id) => out.extend_from_slice(&id.0),
    }
    put_array_len(out, partitions.len(), flexible);
    for p in partitions {
        put_partition(out, version, p);
    }
    put_no_tags(out, flexible);
}

fn put_partition(out: &mut Vec<u8>, version: i16, p: &PartitionAnswer<'_>) {
    let flexible = version >= 12;
    out.extend_from_slice(&p.partition.0.to_be_bytes());
    out.extend_from_slice(&p.error.to_be_bytes());
    out.extend_from_slice(&p.high_watermark.to_be_bytes());
    out.extend_from_slice(&p.last_stable_offset.to_be_bytes());
    if version >= 5 {
        out.extend_from_slice(&p.log_start_offset.to_be_bytes());
    }
    put_aborted(out, p.aborted.as_deref(), flexible);
    if version >= VERSION_FOLLOWERS {
        out.extend_from_slice(&p.preferred_read_replica.0.to_be_bytes());
    }
    put_array_len(out, p.records.len(), flexible);
    out.extend_from_slice(p.records);
    match (flexible, p.diverging_epoch) {
        (false, _) => {}
        (true, None) => out.push(0),
        (true, Some(body)) => {
            out.extend_from_slice(&[1, 0]);
            put_uvarint(out, body.len() as u32);
            out.extend_from_slice(body);
        }
    }
}

fn put_aborted(out: &mut Vec<u8>, aborted: Option<&[Aborted]>, flexible: bool) {
    let Some(list) = aborted else {
        match flexible {
            true => out.push(0),
            false => out.extend_from_slice(&(-1i32).to_be_bytes()),
        }
        return;
    };
    put_array_len(out, list.len(), flexible);
    for (producer, first) in list {
        out.extend_from_slice(&producer.to_be_bytes());
        out.extend_from_slice(&first.to_be_bytes());
        put_no_tags(out, flexible);
    }
}

/// Where the answer's own tagged fields start in the payload: behind every topic, at the very end.
/// Only lengths are walked. Versions from 12 on; older answers have no tagged fields.
pub fn tags_at(payload: &[u8], version: i16) -> Result<usize> {
    let mut r = Reader::new(payload);
    r.skip(4)?;
    r.skip_tags(true)?;
    r.skip(10)?;
    for _ in 0..r.array_len(true, 3)?.unwrap_or(0) {
        match version >= VERSION_TOPIC_IDS {
            true => r.skip(16)?,
            false => r.string_bytes(true).map(|_| ())?,
        }
        for _ in 0..r.array_len(true, 24)?.unwrap_or(0) {
            r.skip(30)?;
            for _ in 0..r.array_len(true, 16)?.unwrap_or(0) {
                r.skip(16)?;
                r.skip_tags(true)?;
            }
            r.skip(4)?;
            r.bytes(true)?;
            r.skip_tags(true)?;
        }
        r.skip_tags(true)?;
    }
    Ok(r.position())
}
