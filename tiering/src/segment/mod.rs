//! A closed range of a partition: its records as Kafka stores them, and beside them what is needed to find and check them.

pub mod aborts;
pub mod aux;
pub mod cut;
pub mod records;

/// A segment is read in blocks of this size, aligned; each has a CRC of its own. Bytes.
pub const BLOCK: u32 = 4 << 20;
