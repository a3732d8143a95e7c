//! What a broker says of one partition's log, and trimming it: Fetch, ListOffsets, DeleteRecords; and a topic's settings.
//!
//! For a partition's owner, not for a consumer: no sessions, no groups. Encoded by hand like [`metadata`](super::metadata), and for the same
//! reason. Layouts: `ListOffsetsRequest.json`, `DeleteRecordsRequest.json`, `DescribeConfigsRequest.json` and their answers.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::connection::{CallError, Connection};
use crate::api::{self, DELETE_RECORDS, DESCRIBE_CONFIGS, FETCH, LIST_OFFSETS};
use crate::code::Code;
use crate::fetch::answer::Answer;
use crate::fetch::request::{Ask, FetchPartition, TopicRef, encode_body};
use crate::types::{LeaderEpoch, Offset, Partition, TopicId};
use crate::wire::{self, Reader, WireError, put_array_len, put_no_tags, put_string};

/// By topic id, so that a topic made anew under the same name is another (KIP-516; Kafka 3.1).
const FETCH_VERSIONS: RangeInclusive<i16> = 13..=17;
const LIST_VERSIONS: RangeInclusive<i16> = 4..=9;
const DELETE_VERSIONS: RangeInclusive<i16> = 0..=2;
const CONFIG_VERSIONS: RangeInclusive<i16> = 1..=4;

/// Why there is no answer, or what the broker answered instead.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The broker refused.
    #[error("{api}: {code}")]
    Refused {
        /// The API's name.
        api: &'static str,
        /// The code.
        code: Code,
    },
    /// The broker refused, and says why in words.
    #[error("{api}: {code}: {why}")]
    Explained {
        /// The API's name.
        api: &'static str,
        /// The code.
        code: Code,
        /// The broker's words.
        why: String,
    },
    /// The answer does not follow its schema, or is not about what was asked.
    #[error("malformed answer: {0}")]
    Malformed(#[from] WireError),
    /// The answer names no such partition.
    #[error("{0}: the answer lacks the partition")]
    Missing(&'static str),
    /// The broker is too old.
    #[error("{api}: the broker offers {offered:?}, needed is one of {needed:?}")]
    Version {
        /// The API's name.
        api: &'static str,
        /// What it offers.
        offered: Option<RangeInclusive<i16>>,
        /// What is needed.
        needed: RangeInclusive<i16>,
    },
}

impl LogError {
    /// The broker's code, if it answered one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { code, .. }
            | Self::Explained { code, .. }
            | Self::Call(CallError::Refused { code, .. }) => Some(*code),
            _ => None,
        }
    }

    /// Whether the same may succeed later, or with another broker.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Call(CallError::Unsupported { .. }) => false,
            Self::Call(CallError::Refused { code, .. })
            | Self::Refused { code, .. }
            | Self::Explained { code, .. } => code.is_retriable(),
            Self::Call(_) => true,
            Self::Malformed(_) | Self::Missing(_) | Self::Version { .. } => false,
        }
    }
}

/// What to fetch.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: Partition,
    /// From where.
    pub offset: Offset,
    /// The epoch of the record before it, to learn of a divergence (KIP-595); -1: don't look.
    pub last_epoch: LeaderEpoch,
    /// At most so many bytes, but always a batch.
    pub max_bytes: i32,
    /// How long to wait for a byte, ms.
    pub max_wait_ms: i32,
}

/// What was fetched, read_committed: nothing beyond the last stable offset.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// High watermark.
    pub high_watermark: Offset,
    /// Last stable offset.
    pub last_stable: Offset,
    /// Log start offset.
    pub log_start: Offset,
    /// Aborted transactions in the range: producer, first offset.
    pub aborted: Vec<(i64, i64)>,
    /// Where the log took another turn after the epoch asked about: that epoch's largest predecessor in the log, and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// The batches; the last may be cut off.
    pub records: Bytes,
}

pub(super) fn version(c: &Connection, key: i16, needed: RangeInclusive<i16>) -> Result<i16, LogError> {
    let offered = c.versions().range(key);
    let version = c.versions().highest(key, needed.clone());
    version.ok_or(LogError::Version { api: api::name_of(key), offered, needed })
}

pub(super) fn checked(key: i16, code: i16) -> Result<(), LogError> {
    match Code(code) {
        Code::NONE => Ok(()),
        code => Err(LogError::Refused { api: api::name_of(key), code }),
    }
}

/// Fetches, read_committed.
///
/// # Errors
/// See [`LogError`]; what the broker says of the partition is [`LogError::Refused`].
pub async fn fetch(c: &mut Connection, want: Want) -> Result<Fetched, LogError> {
    let version = version(c, FETCH, FETCH_VERSIONS)?;
    let topic = TopicRef::Id(want.topic);
    let mut p = FetchPartition::new(topic, want.partition, want.offset, LeaderEpoch(-1), want.max_bytes);
    p.last_fetched_epoch = want.last_epoch;
    let ask = Ask {
        version,
        correlation_id: 0,
        max_wait_ms: want.max_wait_ms,
        min_bytes: 1,
        max_bytes: want.max_bytes,
        isolation_level: 1,
    };
    let body = c.call(FETCH, version, &encode_body(ask, &[&p])).await?;
    let answer = Answer::parse_body(&body, version)?;
    checked(FETCH, answer.error)?;
    let said = answer.partitions.iter().find(|a| (a.topic, a.partition) == (topic, want.partition));
    let said = said.ok_or(LogError::Missing("Fetch"))?;
    checked(FETCH, said.error)?;
    Ok(Fetched {
        high_watermark: Offset(said.high_watermark),
        last_stable: Offset(said.last_stable_offset),
        log_start: Offset(said.log_start_offset),
        aborted: said.aborted.clone().unwrap_or_default(),
        diverging: said.diverging_epoch.map(diverging).transpose()?,
        records: body.slice_ref(said.records),
    })
}

fn diverging(tag: &[u8]) -> wire::Result<(LeaderEpoch, Offset)> {
    let mut r = Reader::new(tag);
    Ok((LeaderEpoch(r.i32()?), Offset(r.i64()?)))
}

/// The leader's answer to ListOffsets for one partition: a sentinel or a timestamp in ms. -1: there is none.
///
/// # Errors
/// See [`LogError`].
pub async fn list_offset(
    c: &mut Connection,
    topic: &str,
    partition: Partition,
    timestamp: i64,
    committed: bool,
) -> Result<Offset, LogError> {
    let version = version(c, LIST_OFFSETS, LIST_VERSIONS)?;
    let flexible = version >= 6;
    let mut out = (-1i32).to_be_bytes().to_vec();
    out.push(u8::from(committed));
    one_partition(&mut out, topic, partition, flexible, |out| {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        out.extend_from_slice(&timestamp.to_be_bytes());
    });
    put_no_tags(&mut out, flexible);
    let body = c.call(LIST_OFFSETS, version, &out).await?;
    let mut r = Reader::new(&body);
    r.i32()?;
    enter(&mut r, flexible, partition)?;
    checked(LIST_OFFSETS, r.i16()?)?;
    r.i64()?;
    Ok(Offset(r.i64()?))
}

/// Tells the leader to drop what lies before `to` (KIP-107). Returns the partition's low watermark: the lowest log start of
/// its living replicas.
///
/// # Errors
/// See [`LogError`].
pub async fn delete_records(
    c: &mut Connection,
    topic: &str,
    partition: Partition,
    to: Offset,
    wait_ms: i32,
) -> Result<Offset, LogError> {
    let version = version(c, DELETE_RECORDS, DELETE_VERSIONS)?;
    let flexible = version >= 2;
    let mut out = Vec::new();
    one_partition(&mut out, topic, partition, flexible, |out| out.extend_from_slice(&to.0.to_be_bytes()));
    out.extend_from_slice(&wait_ms.to_be_bytes());
    put_no_tags(&mut out, flexible);
    let body = c.call(DELETE_RECORDS, version, &out).await?;
    let mut r = Reader::new(&body);
    r.i32()?;
    enter(&mut r, flexible, partition)?;
    let low = Offset(r.i64()?);
    checked(DELETE_RECORDS, r.i16()?)?;
    Ok(low)
}

/// A topic's settings by name, defaults included.
///
/// # Errors
/// See [`LogError`].
pub async fn topic_config(
    c: &mut Connection,
    topic: &str,
    names: &[&str],
) -> Result<Vec<(String, Option<String>)>, LogError> {
    const TOPIC: u8 = 2;
    let version = version(c, DESCRIBE_CONFIGS, CONFIG_VERSIONS)?;
    let flexible = version >= 4;
    let mut out = Vec::new();
    put_array_len(&mut out, 1, flexible);
    out.push(TOPIC);
    put_string(&mut out, topic, flexible);
    put_array_len(&mut out, names.len(), flexible);
    names.iter().for_each(|name| put_string(&mut out, name, flexible));
    put_no_tags(&mut out, flexible);
    // include_synonyms, include_documentation
    out.resize(out.len() + if version >= 3 { 2 } else { 1 }, 0);
    put_no_tags(&mut out, flexible);
    let body = c.call(DESCRIBE_CONFIGS, version, &out).await?;
    configs(&body, version)
}

fn configs(body: &[u8], version: i16) -> Result<Vec<(String, Option<String>)>, LogError> {
    let flexible = version >= 4;
    let mut r = Reader::new(body);
    r.i32()?;
    if r.array_len(flexible, 8)? != Some(1) {
        return Err(LogError::Missing("DescribeConfigs"));
    }
    let code = r.i16()?;
    r.nullable_string(flexible)?;
    checked(DESCRIBE_CONFIGS, code)?;
    r.i8()?;
    r.string(flexible)?;
    let mut out = Vec::new();
    for _ in 0..r.array_len(flexible, 6)?.unwrap_or(0) {
        let name = r.string(flexible)?.to_owned();
        out.push((name, r.nullable_string(flexible)?.map(str::to_owned)));
        // read_only, config_source, is_sensitive
        r.skip(3)?;
        for _ in 0..r.array_len(flexible, 3)?.unwrap_or(0) {
            r.string(flexible)?;
            r.nullable_string(flexible)?;
            r.i8()?;
            r.skip_tags(flexible)?;
        }
        if version >= 3 {
            r.i8()?;
            r.nullable_string(flexible)?;
        }
        r.skip_tags(flexible)?;
    }
    Ok(out)
}

/// One topic with one partition, whose fields after its index `put` writes.
pub(super) fn one_partition(
    out: &mut Vec<u8>,
    topic: &str,
    partition: Partition,
    flexible: bool,
    put: impl Fn(&mut Vec<u8>),
) {
    put_array_len(out, 1, flexible);
    put_string(out, topic, flexible);
    put_array_len(out, 1, flexible);
    out.extend_from_slice(&partition.0.to_be_bytes());
    put(out);
    put_no_tags(out, flexible);
    put_no_tags(out, flexible);
}

/// Reads up to the fields after the index of the only partition of the only topic.
pub(super) fn enter(r: &mut Reader<'_>, flexible: bool, partition: Partition) -> Result<(), LogError> {
    let one_topic = r.array_len(flexible, 4)? == Some(1);
    if one_topic {
        r.string(flexible)?;
        if r.array_len(flexible, 4)? == Some(1) && r.i32()? == partition.0 {
            return Ok(());
        }
    }
    Err(LogError::Missing("the answer"))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::DescribeConfigsResponse;
    use kafka_protocol::messages::describe_configs_response::{
        DescribeConfigsResourceResult, DescribeConfigsResult,
    };
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;

    #[test]
    fn settings_are_read_in_every_version_that_is_asked() {
        for version in CONFIG_VERSIONS {
            let config = DescribeConfigsResourceResult::default()
                .with_name(StrBytes::from_static_str("cleanup.policy"))
                .with_value(Some(StrBytes::from_static_str("compact")));
            let result = DescribeConfigsResult::default()
                .with_resource_name(StrBytes::from_static_str("t"))
                .with_configs(vec![config.clone(), config]);
            let mut out = BytesMut::new();
            DescribeConfigsResponse::default().with_results(vec![result]).encode(&mut out, version).unwrap();
            let read = configs(&out, version).unwrap();
            assert_eq!(read.len(), 2, "v{version}");
            assert_eq!(read[1], ("cleanup.policy".to_owned(), Some("compact".to_owned())));
            for cut in 0..out.len() {
                let _ = configs(&out[..cut], version);
            }
        }
    }
}
