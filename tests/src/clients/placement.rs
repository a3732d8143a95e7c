//! Who leads and who is in sync, by a bare Metadata request to one broker: an admin client may ask a stopped one,
//! and then waits for a minute.

use anyhow::{Context, Result};
use kafka::wire::{Reader, put_string};

use crate::Raw;
use crate::java::PartitionState;

const METADATA: i16 = 3;
/// Spoken from Kafka 0.10 to 4.x; says leaders, replicas and ISR.
const VERSION: i16 = 1;

/// The partitions of `topic`, as the broker at `address` sees them now.
pub(crate) fn ask(address: &str, topic: &str) -> Result<Vec<PartitionState>> {
    let mut body = 1i32.to_be_bytes().to_vec();
    put_string(&mut body, topic, false);
    let answer = Raw::connect(address)?.call(1, METADATA, VERSION, &body)?;
    let mut reader = Reader::new(&answer);
    reader.i32()?;
    for _ in 0..count(&mut reader)? {
        reader.i32()?;
        reader.string(false)?;
        reader.i32()?;
        reader.nullable_string(false)?;
    }
    reader.i32()?;
    count(&mut reader)?;
    reader.i16()?;
    reader.string(false)?;
    reader.i8()?;
    (0..count(&mut reader)?).map(|_| partition(&mut reader)).collect()
}

fn partition(reader: &mut Reader<'_>) -> Result<PartitionState> {
    reader.i16()?;
    let (partition, leader) = (reader.i32()?, reader.i32()?);
    Ok(PartitionState { partition, leader, replicas: ids(reader)?, isr: ids(reader)? })
}

fn ids(reader: &mut Reader<'_>) -> Result<Vec<i32>> {
    (0..count(reader)?).map(|_| Ok(reader.i32()?)).collect()
}

fn count(reader: &mut Reader<'_>) -> Result<usize> {
    reader.array_len(false, 4)?.context("a null array")
}
