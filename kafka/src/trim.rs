//! DeleteRecords (21): which partitions a request trims, and the low watermarks in its answer (KIP-107).
//!
//! Layouts: `DeleteRecordsRequest.json` and its response.

use crate::types::{Offset, Partition};
use crate::wire::{Reader, Result};

/// The newest version this view reads.
pub const VERSION_MAX: i16 = 2;

/// One partition of a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its index.
    pub partition: Partition,
    /// The offset before which records go (-1: all), or the low watermark.
    pub offset: Offset,
    /// Error code of an answer, 0 for none.
    pub error: i16,
    /// Where the offset stands in the payload; an answer's error follows it.
    at: usize,
}

/// Reads a request's payload (from its API key on).
///
/// # Errors
/// Anything that contradicts the schema.
pub fn request(payload: &[u8], version: i16) -> Result<Vec<Trim<'_>>> {
    let flexible = version >= 2;
    let mut r = Reader::new(payload);
    r.skip(8)?;
    r.string_bytes(false)?;
    r.skip_tags(flexible)?;
    let trims = items(&mut r, flexible, false)?;
    r.i32()?;
    r.skip_tags(flexible)?;
    r.finish()?;
    Ok(trims)
}

/// Reads an answer's payload (from its correlation id on).
///
/// # Errors
/// Anything that contradicts the schema.
pub fn answer(payload: &[u8], version: i16) -> Result<Vec<Trim<'_>>> {
    let flexible = version >= 2;
    let mut r = Reader::new(payload);
    r.i32()?;
    r.skip_tags(flexible)?;
    r.i32()?;
    items(&mut r, flexible, true)
}

impl Trim<'_> {
    /// Where it stands in its payload, for [`put`].
    pub fn at(&self) -> usize {
        self.at
    }
}

/// Puts another low watermark and error into an answer, at a place that [`answer`] gave.
pub fn put(payload: &mut [u8], at: usize, low_watermark: Offset, error: i16) {
    payload[at..at + 8].copy_from_slice(&low_watermark.0.to_be_bytes());
    payload[at + 8..at + 10].copy_from_slice(&error.to_be_bytes());
}

fn items<'a>(r: &mut Reader<'a>, flexible: bool, answer: bool) -> Result<Vec<Trim<'a>>> {
    let mut out = Vec::new();
    for _ in 0..r.array_len(flexible, 2)?.unwrap_or(0) {
        let topic = r.string(flexible)?;
        for _ in 0..r.array_len(flexible, 12)?.unwrap_or(0) {
            let partition = Partition(r.i32()?);
            let at = r.position();
            let offset = Offset(r.i64()?);
            let error = if answer { r.i16()? } else { 0 };
            r.skip_tags(flexible)?;
            out.push(Trim { topic, partition, offset, error, at });
        }
        r.skip_tags(flexible)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use kafka_protocol::messages::delete_records_response::{
        DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
    };
    use kafka_protocol::messages::{
        DeleteRecordsRequest, DeleteRecordsResponse, RequestHeader, ResponseHeader, TopicName,
    };
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;

    #[test]
    fn a_request_and_an_answer_are_read_in_every_version_and_a_cut_one_is_an_error() {
        for version in 0..=VERSION_MAX {
            let name = TopicName(StrBytes::from_static_str("t"));
            let part = DeleteRecordsPartition::default().with_partition_index(4).with_offset(77);
            let topic = DeleteRecordsTopic::default().with_name(name).with_partitions(vec![part]);
            let mut out = BytesMut::new();
            let header = RequestHeader::default().with_request_api_key(21).with_request_api_version(version);
            header.encode(&mut out, if version >= 2 { 2 } else { 1 }).unwrap();
            DeleteRecordsRequest::default().with_topics(vec![topic]).encode(&mut out, version).unwrap();
            let read = request(&out, version).unwrap();
            assert_eq!((read[0].topic, read[0].partition, read[0].offset), ("t", Partition(4), Offset(77)));
            assert!((0..out.len()).all(|cut| request(&out[..cut], version).is_err()));
        }
    }

    #[test]
    fn a_low_watermark_is_replaced_in_place() {
        for version in 0..=VERSION_MAX {
            let encode = |low, error| {
                let part = DeleteRecordsPartitionResult::default()
                    .with_partition_index(4)
                    .with_low_watermark(low)
                    .with_error_code(error);
                let name = TopicName(StrBytes::from_static_str("t"));
                let topic = DeleteRecordsTopicResult::default().with_name(name).with_partitions(vec![part]);
                let mut out = BytesMut::new();
                ResponseHeader::default().encode(&mut out, if version >= 2 { 1 } else { 0 }).unwrap();
                DeleteRecordsResponse::default().with_topics(vec![topic]).encode(&mut out, version).unwrap();
                out.to_vec()
            };
            let mut payload = encode(10, 0);
            let at = answer(&payload, version).unwrap()[0].at();
            put(&mut payload, at, Offset(33), 7);
            assert_eq!(payload, encode(33, 7), "v{version}");
        }
    }
}
