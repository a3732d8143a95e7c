//! ListOffsets (2) and OffsetForLeaderEpoch (23): which partitions a request asks about, and how a request is split
//! by leader and the answers joined again.
//!
//! Both have one shape: a head, topics by name with partitions of a fixed size, a tail. Bytes of heads, tails and
//! partitions are copied as they are. Layouts: `ListOffsetsRequest.json`, `OffsetForLeaderEpochRequest.json` and
//! their responses.

use crate::api::{LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH};
use crate::types::{LeaderEpoch, Offset, Partition};
use crate::wire::{Reader, Result, put_array_len, put_string};

/// Sizes of the fixed parts of one API version, in bytes.
#[derive(Clone, Copy, Debug)]
struct Shape {
    flexible: bool,
    request_head: usize,
    request_partition: usize,
    request_tail: usize,
    answer_head: usize,
    answer_partition: usize,
    /// Where the partition's index stands within its answer.
    answer_index_at: usize,
}

/// The shape of an API version, `None` for those that are passed on unread (older, newer, or another API).
fn shape(key: i16, version: i16) -> Option<Shape> {
    match key {
        LIST_OFFSETS if (1..=11).contains(&version) => Some(Shape {
            flexible: version >= 6,
            request_head: if version >= 2 { 5 } else { 4 },
            request_partition: if version >= 4 { 16 } else { 12 },
            request_tail: if version >= 10 { 4 } else { 0 },
            answer_head: if version >= 2 { 4 } else { 0 },
            answer_partition: if version >= 4 { 26 } else { 22 },
            answer_index_at: 0,
        }),
        OFFSET_FOR_LEADER_EPOCH if (2..=4).contains(&version) => Some(Shape {
            flexible: version >= 4,
            request_head: if version >= 3 { 4 } else { 0 },
            request_partition: 12,
            request_tail: 0,
            answer_head: 4,
            answer_partition: 18,
            answer_index_at: 2,
        }),
        _ => None,
    }
}

/// Whether this module reads requests of this API version.
pub fn reads(key: i16, version: i16) -> bool {
    shape(key, version).is_some()
}

/// One partition's bytes, in a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its index.
    pub partition: Partition,
    bytes: &'a [u8],
    at: usize,
}

impl Item<'_> {
    /// Where its bytes stand in the payload.
    pub fn at(&self) -> usize {
        self.at
    }
}

/// ListOffsets: the end of what a reader of the isolation level may see.
pub const LATEST: i64 = -1;
/// The first offset.
pub const EARLIEST: i64 = -2;
/// The record with the newest timestamp (KIP-734; v7).
pub const MAX_TIMESTAMP: i64 = -3;
/// The first offset on the broker's own disk (KIP-405; v8).
pub const EARLIEST_LOCAL: i64 = -4;
/// The last offset in tiered storage (KIP-1005; v9).
pub const LATEST_TIERED: i64 = -5;
/// The first offset that waits to be uploaded (KIP-1023; v11).
pub const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// What is asked of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// ListOffsets: a timestamp, ms, or a sentinel below zero.
    Time(i64),
    /// OffsetForLeaderEpoch: an epoch.
    Epoch(LeaderEpoch),
}

/// A partition's answer to ListOffsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListAnswer {
    /// Error code, 0 for none.
    pub error: i16,
    /// The record's timestamp, ms; -1 for none.
    pub timestamp: i64,
    /// Its offset; -1 for none.
    pub offset: Offset,
    /// Its leader epoch; -1 for none, and before v4.
    pub epoch: LeaderEpoch,
}

/// A partition's answer to OffsetForLeaderEpoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochAnswer {
    /// Error code, 0 for none.
    pub error: i16,
    /// The largest epoch not above the one asked about.
    pub epoch: LeaderEpoch,
    /// Where it ends.
    pub end: Offset,
}

/// A request taken apart.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    key: i16,
    version: i16,
    shape: Shape,
    header: &'a [u8],
    head: &'a [u8],
    tail: &'a [u8],
    /// The partitions, in the order asked.
    pub items: Vec<Item<'a>>,
}

impl<'a> Request<'a> {
    /// Reads a request's payload (from its API key on). `None` if this version isn't read here.
    ///
    /// # Errors
    /// Anything that contradicts the schema.
    pub fn parse(payload: &'a [u8], key: i16, version: i16) -> Result<Option<Self>> {
        let Some(shape) = shape(key, version) else { return Ok(None) };
        let mut r = Reader::new(payload);
        r.skip(8)?;
        r.string_bytes(false)?;
        r.skip_tags(shape.flexible)?;
        let header = &payload[..r.position()];
        let head = r.take(shape.request_head)?;
        let items = items(&mut r, shape.flexible, shape.request_partition, 0)?;
        let tail = &payload[r.position()..];
        r.skip(shape.request_tail)?;
        r.skip_tags(shape.flexible)?;
        r.finish()?;
        Ok(Some(Self { key, version, shape, header, head, tail, items }))
    }

    /// The payload of a request for some of the partitions (their places in [`items`](Self::items)).
    pub fn part(&self, places: &[usize]) -> Vec<u8> {
        let picked: Vec<_> = places.iter().map(|i| self.items[*i]).collect();
        let mut out = [self.header, self.head].concat();
        put_items(&mut out, self.shape.flexible, &picked);
        out.extend_from_slice(self.tail);
        out
    }

    /// Reads an answer's payload (from its correlation id on): the throttle time's bytes and the partitions.
    ///
    /// # Errors
    /// Anything that contradicts the schema.
    pub fn answer<'b>(&self, payload: &'b [u8]) -> Result<Vec<Item<'b>>> {
        let mut r = Reader::new(payload);
        r.skip(4)?;
        r.skip_tags(self.shape.flexible)?;
        r.skip(self.shape.answer_head)?;
        items(&mut r, self.shape.flexible, self.shape.answer_partition, self.shape.answer_index_at)
    }

    /// One answer from the partitions of several, frame prefix included.
    pub fn join(&self, items: &[Item<'_>]) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend_from_slice(&self.header[4..8]);
        if self.shape.flexible {
            out.push(0);
        }
        out.extend(std::iter::repeat_n(0, self.shape.answer_head));
        put_items(&mut out, self.shape.flexible, items);
        if self.shape.flexible {
            out.push(0);
        }
        let len = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&len.to_be_bytes());
        out
    }

    /// What is asked of one of its partitions.
    pub fn question(&self, item: &Item<'_>) -> Question {
        match self.key {
            LIST_OFFSETS => Question::Time(i64::from_be_bytes(last(item.bytes))),
            _ => Question::Epoch(LeaderEpoch(i32::from_be_bytes(last(item.bytes)))),
        }
    }

    /// The partition's answer that stands at `at` (see [`Item::at`]) in an answer's payload to ListOffsets.
    pub fn list_answer(&self, payload: &[u8], at: usize) -> ListAnswer {
        let b = &payload[at..at + self.shape.answer_partition];
        ListAnswer {
            error: i16::from_be_bytes(field(b, 4)),
            timestamp: i64::from_be_bytes(field(b, 6)),
            offset: Offset(i64::from_be_bytes(field(b, 14))),
            epoch: LeaderEpoch(if b.len() >= 26 { i32::from_be_bytes(field(b, 22)) } else { -1 }),
        }
    }

    /// Puts another in its place.
    pub fn put_list_answer(&self, payload: &mut [u8], at: usize, answer: ListAnswer) {
        let b = &mut payload[at..at + self.shape.answer_partition];
        b[4..6].copy_from_slice(&answer.error.to_be_bytes());
        b[6..14].copy_from_slice(&answer.timestamp.to_be_bytes());
        b[14..22].copy_from_slice(&answer.offset.0.to_be_bytes());
        if b.len() >= 26 {
            b[22..26].copy_from_slice(&answer.epoch.0.to_be_bytes());
        }
    }

    /// The partition's answer that stands at `at` (see [`Item::at`]) in an answer's payload to OffsetForLeaderEpoch.
    pub fn epoch_answer(&self, payload: &[u8], at: usize) -> EpochAnswer {
        let b = &payload[at..at + self.shape.answer_partition];
        EpochAnswer {
            error: i16::from_be_bytes(field(b, 0)),
            epoch: LeaderEpoch(i32::from_be_bytes(field(b, 6))),
            end: Offset(i64::from_be_bytes(field(b, 10))),
        }
    }

    /// Puts another in its place.
    pub fn put_epoch_answer(&self, payload: &mut [u8], at: usize, answer: EpochAnswer) {
        let b = &mut payload[at..at + self.shape.answer_partition];
        b[0..2].copy_from_slice(&answer.error.to_be_bytes());
        b[6..10].copy_from_slice(&answer.epoch.0.to_be_bytes());
        b[10..18].copy_from_slice(&answer.end.0.to_be_bytes());
    }

    /// The API key.
    pub fn key(&self) -> i16 {
        self.key
    }

    /// The version.
    pub fn version(&self) -> i16 {
        self.version
    }
}

/// `bytes` is at least as long as its shape says.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The last field.
fn last<const N: usize>(bytes: &[u8]) -> [u8; N] {
    field(bytes, bytes.len() - N)
}

fn items<'a>(r: &mut Reader<'a>, flexible: bool, size: usize, index_at: usize) -> Result<Vec<Item<'a>>> {
    let mut out = Vec::new();
    for _ in 0..r.array_len(flexible, 2)?.unwrap_or(0) {
        let topic = r.string(flexible)?;
        for _ in 0..r.array_len(flexible, size)?.unwrap_or(0) {
            let at = r.position();
            let bytes = r.take(size)?;
            let partition = Partition(Reader::new(&bytes[index_at..]).i32()?);
            r.skip_tags(flexible)?;
            out.push(Item { topic, partition, bytes, at });
        }
        r.skip_tags(flexible)?;
    }
    Ok(out)
}

fn put_items(out: &mut Vec<u8>, flexible: bool, items: &[Item<'_>]) {
    let topics: Vec<_> = items.chunk_by(|a, b| a.topic == b.topic).collect();
    put_array_len(out, topics.len(), flexible);
    for group in topics {
        put_string(out, group[0].topic, flexible);
        put_array_len(out, group.len(), flexible);
        for item in group {
            out.extend_from_slice(item.bytes);
            if flexible {
                out.push(0);
            }
        }
        if flexible {
            out.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use kafka_protocol::messages::list_offsets_response::{
        ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
    };
    use kafka_protocol::messages::{
        ListOffsetsRequest, ListOffsetsResponse, RequestHeader, ResponseHeader, TopicName,
    };
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;

    fn name(text: &'static str) -> TopicName {
        TopicName(StrBytes::from_static_str(text))
    }

    fn request(version: i16) -> Vec<u8> {
        let topic = |t, ps: &[i32]| {
            let ps = ps
                .iter()
                .map(|p| ListOffsetsPartition::default().with_partition_index(*p).with_timestamp(-1));
            ListOffsetsTopic::default().with_name(name(t)).with_partitions(ps.collect())
        };
        let body = ListOffsetsRequest::default().with_topics(vec![topic("a", &[0, 1, 2]), topic("b", &[7])]);
        let mut out = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(LIST_OFFSETS)
            .with_request_api_version(version)
            .with_correlation_id(9);
        header.encode(&mut out, if version >= 6 { 2 } else { 1 }).unwrap();
        body.encode(&mut out, version).unwrap();
        out.to_vec()
    }

    fn answer(version: i16, t: &'static str, p: i32, offset: i64) -> Vec<u8> {
        let partition = ListOffsetsPartitionResponse::default().with_partition_index(p).with_offset(offset);
        let topic = ListOffsetsTopicResponse::default().with_name(name(t)).with_partitions(vec![partition]);
        let mut out = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(9);
        header.encode(&mut out, if version >= 6 { 1 } else { 0 }).unwrap();
        ListOffsetsResponse::default().with_topics(vec![topic]).encode(&mut out, version).unwrap();
        out.to_vec()
    }

    #[test]
    fn a_request_split_whole_is_the_same_and_joined_answers_are_what_one_broker_would_have_said() {
        for version in 1..=10 {
            let payload = request(version);
            let parsed = Request::parse(&payload, LIST_OFFSETS, version).unwrap().unwrap();
            assert_eq!(parsed.items.len(), 4);
            assert_eq!(parsed.part(&[0, 1, 2, 3]), payload, "v{version}");
            let (a, b) = (answer(version, "a", 1, 11), answer(version, "b", 7, 77));
            let one = parsed.join(&parsed.answer(&a).unwrap());
            assert_eq!(one[4..], a, "v{version}");
            let both = [parsed.answer(&a).unwrap(), parsed.answer(&b).unwrap()].concat();
            let joined = parsed.join(&both);
            let all = |items: &[Item<'_>]| items.iter().map(|i| i.bytes.to_vec()).collect::<Vec<_>>();
            assert_eq!(all(&parsed.answer(&joined[4..]).unwrap()), all(&both), "v{version}");
        }
    }

    #[test]
    fn an_answer_is_read_and_replaced_in_place_and_nothing_else_moves() {
        for version in 1..=10 {
            let payload = request(version);
            let parsed = Request::parse(&payload, LIST_OFFSETS, version).unwrap().unwrap();
            assert_eq!(parsed.question(&parsed.items[0]), Question::Time(-1));
            let mut a = answer(version, "a", 1, 11);
            let at = parsed.answer(&a).unwrap()[0].at();
            let said = parsed.list_answer(&a, at);
            assert_eq!((said.error, said.offset), (0, Offset(11)));
            parsed.put_list_answer(&mut a, at, ListAnswer { offset: Offset(99), ..said });
            assert_eq!(a, answer(version, "a", 1, 99), "v{version}");
        }
    }

    #[test]
    fn a_request_cut_anywhere_is_an_error_and_no_panic() {
        for version in 1..=10 {
            let payload = request(version);
            for cut in 0..payload.len() {
                assert!(Request::parse(&payload[..cut], LIST_OFFSETS, version).is_err(), "v{version} {cut}");
            }
        }
    }
}
