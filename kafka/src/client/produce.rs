//! Writing batches again as they are: Produce and InitProducerId, and where a log really ends.
//!
//! Not for applications: one batch to one partition at a time, nothing is gathered, packed or retried. Layouts: `ProduceRequest.json`,
//! `InitProducerIdRequest.json`, `OffsetForLeaderEpochRequest.json` and their answers.

use std::ops::RangeInclusive;

use super::connection::Connection;
use super::log::{LogError, checked, enter, one_partition, version};
use crate::api::{INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH, PRODUCE};
use crate::types::{LeaderEpoch, Offset, Partition};
use crate::wire::{Reader, put_no_tags, put_nullable_string, put_uvarint};

/// From 7 on zstd may come; from 13 on topics go by id.
const PRODUCE_VERSIONS: RangeInclusive<i16> = 7..=11;
const INIT_VERSIONS: RangeInclusive<i16> = 0..=5;
const EPOCH_VERSIONS: RangeInclusive<i16> = 3..=4;
/// All replicas in sync have it before it is acknowledged.
const ALL: i16 = -1;

/// A producer that the cluster knows by this id: what it sends twice is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

/// Asks for an id of this cluster's own, for a producer without transactions.
///
/// # Errors
/// See [`LogError`].
pub async fn init_producer(c: &mut Connection) -> Result<Producer, LogError> {
    let version = version(c, INIT_PRODUCER_ID, INIT_VERSIONS)?;
    let flexible = version >= 2;
    let mut out = Vec::new();
    put_nullable_string(&mut out, None, flexible);
    out.extend_from_slice(&i32::MAX.to_be_bytes());
    if version >= 3 {
        out.extend_from_slice(&(-1i64).to_be_bytes());
        out.extend_from_slice(&(-1i16).to_be_bytes());
    }
    put_no_tags(&mut out, flexible);
    let body = c.call(INIT_PRODUCER_ID, version, &out).await?;
    let mut r = Reader::new(&body);
    r.i32()?;
    checked(INIT_PRODUCER_ID, r.i16()?)?;
    Ok(Producer { id: r.i64()?, epoch: r.i16()? })
}

/// Writes one batch, with the acknowledgement of all in-sync replicas. Returns the offset that its first record got; for a batch that the broker
/// had already from this producer, the one it had got then.
///
/// # Errors
/// See [`LogError`].
pub async fn produce(
    c: &mut Connection,
    topic: &str,
    partition: Partition,
    batch: &[u8],
    wait_ms: i32,
) -> Result<Offset, LogError> {
    let version = version(c, PRODUCE, PRODUCE_VERSIONS)?;
    let flexible = version >= 9;
    let mut out = Vec::with_capacity(batch.len() + 300);
    put_nullable_string(&mut out, None, flexible);
    out.extend_from_slice(&ALL.to_be_bytes());
    out.extend_from_slice(&wait_ms.to_be_bytes());
    one_partition(&mut out, topic, partition, flexible, |out| put_records(out, batch, flexible));
    put_no_tags(&mut out, flexible);
    let body = c.call(PRODUCE, version, &out).await?;
    let mut r = Reader::new(&body);
    enter(&mut r, flexible, partition)?;
    let code = r.i16()?;
    let base = Offset(r.i64()?);
    checked(PRODUCE, code)?;
    Ok(base)
}

fn put_records(out: &mut Vec<u8>, batch: &[u8], flexible: bool) {
    match flexible {
        true => put_uvarint(out, batch.len() as u32 + 1),
        false => out.extend_from_slice(&(batch.len() as u32).to_be_bytes()),
    }
    out.extend_from_slice(batch);
}

/// The end of the leader's log, whether followers have it or not. ListOffsets tells only of what all in-sync replicas have.
///
/// # Errors
/// See [`LogError`]; `epoch` is another than the leader's.
pub async fn log_end(
    c: &mut Connection,
    topic: &str,
    partition: Partition,
    epoch: LeaderEpoch,
) -> Result<Offset, LogError> {
    let version = version(c, OFFSET_FOR_LEADER_EPOCH, EPOCH_VERSIONS)?;
    let flexible = version >= 4;
    let mut out = (-1i32).to_be_bytes().to_vec();
    one_partition(&mut out, topic, partition, flexible, |out| {
        out.extend_from_slice(&epoch.0.to_be_bytes());
        out.extend_from_slice(&epoch.0.to_be_bytes());
    });
    put_no_tags(&mut out, flexible);
    let body = c.call(OFFSET_FOR_LEADER_EPOCH, version, &out).await?;
    let mut r = Reader::new(&body);
    r.i32()?;
    let missing = LogError::Missing("OffsetForLeaderEpoch");
    if r.array_len(flexible, 4)? != Some(1) {
        return Err(missing);
    }
    r.string(flexible)?;
    if r.array_len(flexible, 18)? != Some(1) {
        return Err(missing);
    }
    checked(OFFSET_FOR_LEADER_EPOCH, r.i16()?)?;
    r.i32()?;
    r.i32()?;
    Ok(Offset(r.i64()?))
}
