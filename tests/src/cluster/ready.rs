//! Is a broker up, and does it see the others? Asked with a bare Metadata request, so that no JVM and no
//! code under test has to work for the answer.

use anyhow::Result;
use kafka::wire::Reader;

use crate::raw::Raw;

const METADATA: i16 = 3;

/// Whether the broker at `address` lists exactly these brokers and knows a controller.
pub(super) fn sees(address: &str, ids: &[i32]) -> Result<bool> {
    // Metadata v1 with an empty array of topics: brokers only. v1 is spoken from Kafka 0.10 to 4.x.
    let answer = Raw::connect(address)?.call(1, METADATA, 1, &0i32.to_be_bytes())?;
    let mut reader = Reader::new(&answer);
    reader.i32()?;
    let mut seen = Vec::new();
    for _ in 0..reader.array_len(false, 12)?.unwrap_or(0) {
        seen.push(reader.i32()?);
        reader.string(false)?;
        reader.i32()?;
        reader.nullable_string(false)?;
    }
    let controller = reader.i32()?;
    seen.sort_unstable();
    let mut wanted = ids.to_vec();
    wanted.sort_unstable();
    Ok(seen == wanted && controller >= 0)
}
