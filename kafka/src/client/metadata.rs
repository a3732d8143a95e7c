//! A cluster as its brokers describe it: the answer to Metadata, decoded by hand.
//!
//! By hand because the generated decoder allocates by declared counts; here memory grows with the bytes that
//! are really there. Versions 4 to 13 (Kafka 0.11 to 4.4): below 4 the request cannot say that the topics asked
//! for must not be created.

use std::ops::RangeInclusive;

use super::connection::{CallError, Connection};
use super::rights::Operations;
use crate::api::METADATA;
use crate::code::Code;
use crate::types::{BrokerId, LeaderEpoch, Partition, TopicId};
use crate::wire::{self, Reader, WireError, put_no_tags};

/// The versions that are asked for and understood.
const VERSIONS: RangeInclusive<i16> = 4..=13;

/// The first version that can ask by topic id (KIP-516).
const BY_ID: i16 = 12;

/// The whole cluster at one moment, as one broker sees it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cluster {
    /// The cluster's id.
    pub id: Option<String>,
    /// The controller; under KRaft any broker that forwards to it.
    pub controller: Option<BrokerId>,
    /// The living brokers.
    pub brokers: Vec<Broker>,
    /// The topics that were asked for.
    pub topics: Vec<Topic>,
}

/// A living broker, at the address of the listener that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: BrokerId,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `broker.rack`: the zone, if the cluster has zones.
    pub rack: Option<String>,
}

/// A topic, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name; empty if it was asked for by an id that nobody has.
    pub name: String,
    /// Its id; zero below version 10, and if it was asked for by a name that nobody has.
    pub id: TopicId,
    /// What is wrong with it.
    pub error: Code,
    /// What we may do with it; `None` unless it was asked for ([`super::rights::topics`]).
    pub rights: Option<Operations>,
    /// Its partitions, in the broker's order.
    pub partitions: Vec<PartitionInfo>,
}

/// Where a partition lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its index.
    pub index: Partition,
    /// What is wrong with it.
    pub error: Code,
    /// Its leader; -1 if it has none.
    pub leader: BrokerId,
    /// The leader's epoch; -1 below version 7.
    pub epoch: LeaderEpoch,
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The replicas that are in sync.
    pub isr: Vec<BrokerId>,
    /// The replicas that are not available.
    pub offline: Vec<BrokerId>,
}

/// Which topics to ask for. None of them creates a topic.
///
/// By name or by id, not both: Kafka ignores the names in a request that holds an id (seen with 4.3.1).
#[derive(Clone, Copy, Debug)]
pub enum Topics<'a> {
    /// No topic: brokers only.
    None,
    /// Every topic that we may see.
    All,
    /// These.
    Names(&'a [String]),
    /// These; needs version 12 (Kafka 3.1).
    Ids(&'a [TopicId]),
}

/// Why there is no description of the cluster.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The broker and we share no version that can say what is asked.
    #[error("the broker offers Metadata versions {offered:?}, needed is one of {needed:?}")]
    Version {
        /// What the broker offers.
        offered: Option<RangeInclusive<i16>>,
        /// What is needed.
        needed: RangeInclusive<i16>,
    },
    /// The broker refused the whole request (version 13).
    #[error("metadata refused: {0}")]
    Refused(Code),
    /// The answer does not follow its schema.
    #[error("malformed metadata: {0}")]
    Malformed(#[from] WireError),
    /// A broker with a port that no host has.
    #[error("broker {broker} has the impossible port {port}")]
    Port {
        /// The broker.
        broker: BrokerId,
        /// Its port as sent.
        port: i32,
    },
}

/// Asks one broker about the cluster, in the highest version that both sides know.
///
/// # Errors
/// See [`MetadataError`]. Errors of single topics and partitions are in the result.
pub async fn fetch(connection: &mut Connection, topics: Topics<'_>) -> Result<Cluster, MetadataError> {
    let needed = if topics.by_id() { BY_ID..=*VERSIONS.end() } else { VERSIONS };
    fetch_asking(connection, topics, needed, false).await
}

/// The same in one of the `needed` versions, with what we may do with each topic if `rights` are asked for (from
/// version 8 on).
pub(super) async fn fetch_asking(
    connection: &mut Connection,
    topics: Topics<'_>,
    needed: RangeInclusive<i16>,
    rights: bool,
) -> Result<Cluster, MetadataError> {
    let offered = connection.versions().range(METADATA);
    let version = connection.versions().highest(METADATA, needed.clone());
    let version = version.ok_or(MetadataError::Version { offered, needed })?;
    let answer = connection.call(METADATA, version, &request(topics, version, rights)).await?;
    decode(&answer, version)
}

impl Topics<'_> {
    fn by_id(self) -> bool {
        matches!(self, Self::Ids(_))
    }
}

pub(super) fn request(topics: Topics<'_>, version: i16, rights: bool) -> Vec<u8> {
    let flexible = version >= 9;
    let mut out = Vec::new();
    match topics {
        Topics::None => wire::put_array_len(&mut out, 0, flexible),
        Topics::All if flexible => out.push(0),
        Topics::All => out.extend_from_slice(&(-1i32).to_be_bytes()),
        Topics::Names(names) => {
            let unnumbered = names.iter().map(|name| (TopicId::default(), Some(name.as_str())));
            put_topics(&mut out, unnumbered, version);
        }
        Topics::Ids(ids) => put_topics(&mut out, ids.iter().map(|id| (*id, None)), version),
    }
    out.push(0); // allow_auto_topic_creation
    match version {
        ..8 => {}
        8..=10 => out.extend([0, u8::from(rights)]), // authorized operations of the cluster, of topics
        _ => out.push(u8::from(rights)),
    }
    put_no_tags(&mut out, flexible);
    out
}

fn put_topics<'a>(
    out: &mut Vec<u8>,
    topics: impl ExactSizeIterator<Item = (TopicId, Option<&'a str>)>,
    version: i16,
) {
    let flexible = version >= 9;
    wire::put_array_len(out, topics.len(), flexible);
    for (id, name) in topics {
        if version >= 10 {
            out.extend_from_slice(&id.0);
        }
        wire::put_nullable_string(out, name, flexible);
        put_no_tags(out, flexible);
    }
}

pub(super) fn decode(body: &[u8], version: i16) -> Result<Cluster, MetadataError> {
    let flexible = version >= 9;
    let mut r = Reader::new(body);
    r.i32()?; // throttle_time_ms: what is asked here is small and rare.
    let brokers = brokers(&mut r, flexible)?;
    let id = r.nullable_string(flexible)?.map(str::to_owned);
    let controller = Some(BrokerId(r.i32()?)).filter(|id| id.0 >= 0);
    let topics = array(&mut r, flexible, 8, |r| topic(r, version))?;
    if (8..=10).contains(&version) {
        r.i32()?; // cluster_authorized_operations
    }
    let error = if version >= 13 { Code(r.i16()?) } else { Code::NONE };
    r.skip_tags(flexible)?;
    r.finish()?;
    if !error.is_ok() {
        return Err(MetadataError::Refused(error));
    }
    Ok(Cluster { id, controller, brokers, topics })
}

fn brokers(r: &mut Reader<'_>, flexible: bool) -> Result<Vec<Broker>, MetadataError> {
    let count = r.array_len(flexible, 10)?.unwrap_or(0);
    (0..count).map(|_| broker(r, flexible)).collect()
}

fn broker(r: &mut Reader<'_>, flexible: bool) -> Result<Broker, MetadataError> {
    let id = BrokerId(r.i32()?);
    let host = r.string(flexible)?.to_owned();
    let port = r.i32()?;
    let rack = r.nullable_string(flexible)?.map(str::to_owned);
    r.skip_tags(flexible)?;
    let port = u16::try_from(port).map_err(|_| MetadataError::Port { broker: id, port })?;
    Ok(Broker { id, host, port, rack })
}

fn topic(r: &mut Reader<'_>, version: i16) -> wire::Result<Topic> {
    let flexible = version >= 9;
    let error = Code(r.i16()?);
    let name = match version {
        12.. => r.nullable_string(flexible)?.unwrap_or_default(),
        _ => r.string(flexible)?,
    };
    let id = if version >= 10 { TopicId(r.uuid()?) } else { TopicId::default() };
    r.i8()?; // is_internal
    let partitions = array(r, flexible, 16, |r| partition(r, version))?;
    let rights = if version >= 8 { Operations::told(r.i32()?) } else { None };
    r.skip_tags(flexible)?;
    Ok(Topic { name: name.to_owned(), id, error, rights, partitions })
}

fn partition(r: &mut Reader<'_>, version: i16) -> wire::Result<PartitionInfo> {
    let flexible = version >= 9;
    let error = Code(r.i16()?);
    let index = Partition(r.i32()?);
    let leader = BrokerId(r.i32()?);
    let epoch = LeaderEpoch(if version >= 7 { r.i32()? } else { -1 });
    let replicas = broker_ids(r, flexible)?;
    let isr = broker_ids(r, flexible)?;
    let offline = if version >= 5 { broker_ids(r, flexible)? } else { Vec::new() };
    r.skip_tags(flexible)?;
    Ok(PartitionInfo { index, error, leader, epoch, replicas, isr, offline })
}

fn broker_ids(r: &mut Reader<'_>, flexible: bool) -> wire::Result<Vec<BrokerId>> {
    array(r, flexible, 4, |r| r.i32().map(BrokerId))
}

/// Reads an array whose elements take at least `element_min` bytes; the vector grows with what is really there.
fn array<T>(
    r: &mut Reader<'_>,
    flexible: bool,
    element_min: usize,
    mut element: impl FnMut(&mut Reader<'_>) -> wire::Result<T>,
) -> wire::Result<Vec<T>> {
    let count = r.array_len(flexible, element_min)?.unwrap_or(0);
    (0..count).map(|_| element(r)).collect()
}
