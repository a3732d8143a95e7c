//! `limits`: the bounds that keep a gateway alive under load and abuse.

use std::time::Duration;

use crate::ByteSize;

/// Bounds of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at once, all listeners together; at least 1.
    pub connections: u32,
    /// Client connections at once from one IP address; 1 to `connections`.
    pub connections_per_ip: u32,
    /// Largest frame either way, without its 4-byte length; 1 KiB to 2 GiB - 1 (the length is an int32).
    pub frame: ByteSize,
    /// Bytes held for all connections together; at least `frame`.
    pub in_flight_bytes: ByteSize,
    /// A connection without traffic is closed after this; 1 s to 30 d.
    pub idle: Duration,
    /// Time for the TLS handshake and the first whole request; 100 ms to 10 min.
    pub handshake: Duration,
}
