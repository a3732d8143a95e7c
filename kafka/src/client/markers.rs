//! Writing transaction markers: WriteTxnMarkers, which takes the right to alter the cluster.
//!
//! A marker of a producer that has no transaction open ends nothing (`ProducerAppendInfo.appendEndTxnMarker`: "a transaction marker without
//! any associated data will not have any impact"). It takes one offset, and no consumer is ever shown it. Layout: `WriteTxnMarkersRequest.json`.

use std::ops::RangeInclusive;

use super::connection::Connection;
use super::log::{LogError, checked, version};
use super::produce::Producer;
use crate::api::WRITE_TXN_MARKERS;
use crate::code::Code;
use crate::types::Partition;
use crate::wire::{Reader, put_array_len, put_no_tags, put_string};

/// Version 2 says of which kind the transaction was; there was none.
const VERSIONS: RangeInclusive<i16> = 1..=1;
const COMMIT: u8 = 1;

/// Whether we may: asks for one in a topic that does not exist.
///
/// # Errors
/// See [`LogError`]; without the right, the code is CLUSTER_AUTHORIZATION_FAILED.
pub async fn may_write(c: &mut Connection, missing: &str) -> Result<(), LogError> {
    match write(c, missing, Partition(0), Producer { id: 0, epoch: 0 }, 1).await {
        Err(e) if e.code() == Some(Code::UNKNOWN_TOPIC_OR_PARTITION) => Ok(()),
        other => other,
    }
}

/// Writes `count` markers, one after the other. If it fails, some of them may have been written.
///
/// # Errors
/// See [`LogError`].
pub async fn write(
    c: &mut Connection,
    topic: &str,
    partition: Partition,
    producer: Producer,
    count: usize,
) -> Result<(), LogError> {
    let version = version(c, WRITE_TXN_MARKERS, VERSIONS)?;
    let body = c.call(WRITE_TXN_MARKERS, version, &request(topic, partition, producer, count)).await?;
    codes(&body)?.into_iter().try_for_each(|code| checked(WRITE_TXN_MARKERS, code))
}

fn request(topic: &str, partition: Partition, producer: Producer, count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_array_len(&mut out, count, true);
    for _ in 0..count {
        out.extend_from_slice(&producer.id.to_be_bytes());
        out.extend_from_slice(&producer.epoch.to_be_bytes());
        out.push(COMMIT);
        put_array_len(&mut out, 1, true);
        put_string(&mut out, topic, true);
        put_array_len(&mut out, 1, true);
        out.extend_from_slice(&partition.0.to_be_bytes());
        put_no_tags(&mut out, true);
        out.extend_from_slice(&0i32.to_be_bytes()); // the coordinator's epoch
        put_no_tags(&mut out, true);
    }
    put_no_tags(&mut out, true);
    out
}

/// What is said of each partition of each producer; several markers of one producer may be answered as one.
fn codes(body: &[u8]) -> Result<Vec<i16>, LogError> {
    let mut r = Reader::new(body);
    let mut codes = Vec::new();
    for _ in 0..r.array_len(true, 10)?.unwrap_or(0) {
        r.i64()?;
        for _ in 0..r.array_len(true, 3)?.unwrap_or(0) {
            r.string(true)?;
            for _ in 0..r.array_len(true, 7)?.unwrap_or(0) {
                r.i32()?;
                codes.push(r.i16()?);
                r.skip_tags(true)?;
            }
            r.skip_tags(true)?;
        }
        r.skip_tags(true)?;
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };
    use kafka_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
    use kafka_protocol::protocol::{Decodable, Encodable};

    use super::*;

    #[test]
    fn a_request_holds_as_many_markers_as_were_asked_for() {
        let out = request("t", Partition(3), Producer { id: 7, epoch: 1 }, 2);
        let read = WriteTxnMarkersRequest::decode(&mut Bytes::from(out), 1).unwrap();
        assert_eq!(read.markers.len(), 2);
        let marker = &read.markers[1];
        assert_eq!((marker.producer_id.0, marker.producer_epoch, marker.transaction_result), (7, 1, true));
        assert_eq!(marker.topics[0].partition_indexes, vec![3]);
    }

    #[test]
    fn an_error_of_any_marker_is_found_and_a_cut_answer_is_one() {
        let partition = |code| WritableTxnMarkerPartitionResult::default().with_error_code(code);
        let topic = WritableTxnMarkerTopicResult::default().with_partitions(vec![partition(0), partition(6)]);
        let marker = WritableTxnMarkerResult::default().with_topics(vec![topic]);
        let mut out = BytesMut::new();
        WriteTxnMarkersResponse::default()
            .with_markers(vec![marker.clone(), marker])
            .encode(&mut out, 1)
            .unwrap();
        assert_eq!(codes(&out).unwrap(), vec![0, 6, 0, 6]);
        for cut in 0..out.len() {
            let _ = codes(&out[..cut]);
        }
    }
}
