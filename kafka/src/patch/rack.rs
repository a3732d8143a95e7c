//! The client's zone as its rack, in group requests that leave the rack out.
//!
//! With it, rack-aware assignors give members partitions that have a replica in their zone. A request we
//! cannot read passes as it is: the broker says what is wrong with it.

use super::splice::Splice;
use super::{skip_array, skip_request_header};
use crate::api;
use crate::wire::{Reader, Result, put_nullable_string, put_uvarint};
use std::ops::Range;

/// The newest JoinGroup request we can read.
const JOIN_GROUP_NEWEST: i16 = 9;
/// The newest ConsumerGroupHeartbeat request we can read.
const HEARTBEAT_NEWEST: i16 = 1;
/// The first version of `ConsumerProtocolSubscription` with a rack (KIP-881).
const SUBSCRIPTION_WITH_RACK: i16 = 3;
/// The longest zone that is written, in bytes.
const ZONE_MAX: usize = 255;

/// Sets the rack in the subscriptions of a JoinGroup request, v0-9, of protocol type "consumer" (KIP-881): in
/// those of version 3 and up that have none. `None` if nothing changes.
pub fn set_join_group_rack(payload: &[u8], version: i16, zone: &str) -> Option<Vec<u8>> {
    if version > JOIN_GROUP_NEWEST || !is_writable(zone) {
        return None;
    }
    let flexible = version >= 6;
    let subscriptions = subscriptions(payload, version).ok()?;
    let mut splice = Splice::new(payload, subscriptions.len() * (zone.len() + 4));
    let mut changed = false;
    for at in subscriptions {
        if let Some(bytes) = with_rack(&payload[at.value], zone) {
            splice.replace(at.whole, |out| put_bytes(out, &bytes, flexible));
            changed = true;
        }
    }
    changed.then(|| splice.finish())
}

/// Sets the rack in a ConsumerGroupHeartbeat request, v0-1, with which a member joins (epoch 0) and that has
/// none (KIP-848). `None` if nothing changes.
pub fn set_heartbeat_rack(payload: &[u8], version: i16, zone: &str) -> Option<Vec<u8>> {
    if version > HEARTBEAT_NEWEST || !is_writable(zone) {
        return None;
    }
    let rack = missing_heartbeat_rack(payload, version).ok()??;
    let mut splice = Splice::new(payload, zone.len() + 1);
    splice.replace(rack, |out| put_nullable_string(out, Some(zone), true));
    Some(splice.finish())
}

fn is_writable(zone: &str) -> bool {
    (1..=ZONE_MAX).contains(&zone.len())
}

/// Where the rack of a joining member stands, if it is missing.
fn missing_heartbeat_rack(payload: &[u8], version: i16) -> Result<Option<Range<usize>>> {
    let mut reader = Reader::new(payload);
    skip_request_header(&mut reader, api::CONSUMER_GROUP_HEARTBEAT, version)?;
    reader.string_bytes(true)?; // group id
    reader.string_bytes(true)?; // member id
    let epoch = reader.i32()?;
    reader.string_bytes(true)?; // instance id
    let rack = missing_rack(&mut reader, true)?;
    Ok(rack.filter(|_| epoch == 0))
}

/// Reads a rack, and says where it stands if it is null or empty: librdkafka sends the empty one.
fn missing_rack(reader: &mut Reader<'_>, flexible: bool) -> Result<Option<Range<usize>>> {
    let start = reader.position();
    let rack = reader.string_bytes(flexible)?.unwrap_or_default();
    Ok(rack.is_empty().then(|| start..reader.position()))
}

/// A BYTES field in a payload.
struct Field {
    /// The bytes alone.
    value: Range<usize>,
    /// The bytes with the length before them.
    whole: Range<usize>,
}

/// Where the protocols' metadata stand in a JoinGroup request; none if its type is not "consumer".
fn subscriptions(payload: &[u8], version: i16) -> Result<Vec<Field>> {
    let flexible = version >= 6;
    let mut reader = Reader::new(payload);
    skip_request_header(&mut reader, api::JOIN_GROUP, version)?;
    reader.string_bytes(flexible)?; // group id
    reader.skip(if version >= 1 { 8 } else { 4 })?; // session and rebalance timeout
    reader.string_bytes(flexible)?; // member id
    if version >= 5 {
        reader.string_bytes(flexible)?; // instance id
    }
    let is_consumer = reader.string_bytes(flexible)? == Some(b"consumer");
    let mut found = Vec::new();
    skip_array(&mut reader, flexible, 2, |protocol| {
        protocol.string_bytes(flexible)?; // name
        found.push(bytes_field(protocol, flexible)?);
        protocol.skip_tags(flexible)
    })?;
    Ok(if is_consumer { found } else { Vec::new() })
}

fn bytes_field(reader: &mut Reader<'_>, flexible: bool) -> Result<Field> {
    let start = reader.position();
    let size = reader.bytes(flexible)?.map_or(0, <[u8]>::len);
    let end = reader.position();
    Ok(Field { value: end - size..end, whole: start..end })
}

/// A `ConsumerProtocolSubscription` with its rack set; `None` if it has one, cannot have one, or is something
/// else that a client's own assignor wrote. Newer versions only append fields, so those are copied.
fn with_rack(subscription: &[u8], zone: &str) -> Option<Vec<u8>> {
    let rack = missing_subscription_rack(subscription).ok()??;
    let mut splice = Splice::new(subscription, zone.len());
    splice.replace(rack, |out| put_nullable_string(out, Some(zone), false));
    Some(splice.finish())
}

fn missing_subscription_rack(subscription: &[u8]) -> Result<Option<Range<usize>>> {
    let mut reader = Reader::new(subscription);
    if reader.i16()? < SUBSCRIPTION_WITH_RACK {
        return Ok(None);
    }
    skip_array(&mut reader, false, 2, |topic| topic.string_bytes(false).map(|_| ()))?;
    reader.bytes(false)?; // user data
    skip_array(&mut reader, false, 2 + 4, |owned| {
        owned.string_bytes(false)?;
        skip_array(owned, false, 4, |partition| partition.skip(4))
    })?;
    reader.skip(4)?; // generation
    missing_rack(&mut reader, false)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], flexible: bool) {
    if flexible {
        put_uvarint(out, bytes.len() as u32 + 1);
    } else {
        out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    }
    out.extend_from_slice(bytes);
}
