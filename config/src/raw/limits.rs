//! `limits`, as typed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::ByteSize;
use crate::leaf::Leaf;

/// Bounds of this gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Client connections at once. Default: 50000.
    pub(crate) connections: Option<Leaf<u32>>,
    /// Client connections at once from one IP address, at most `connections`. Default: 2000, or `connections` if that is less.
    pub(crate) connections_per_ip: Option<Leaf<u32>>,
    /// Largest frame either way, 1KiB to 2GiB - 1. Default: 100MiB.
    pub(crate) frame: Option<Leaf<ByteSize>>,
    /// Bytes held for all connections together, at least `frame`. Default: 1GiB.
    pub(crate) in_flight_bytes: Option<Leaf<ByteSize>>,
    /// A connection on which no byte moves, and whose broker owes it no answer, is closed after this (up to a quarter later), 1s to
    /// 30d. So is one whose client takes nothing of its answer. Default: 10m.
    pub(crate) idle: Option<Leaf<Duration>>,
    /// Time for a PROXY protocol header, for the TLS handshake, and then for the first request's header, 100ms to 10m. Default: 10s.
    pub(crate) handshake: Option<Leaf<Duration>>,
    /// New connections a second; further ones wait to be accepted. Default: no bound.
    pub(crate) accept_rate: Option<Leaf<u32>>,
    /// Connections at once between being accepted and being connected to their broker; further ones wait to be
    /// accepted. Default: 5000, or `connections` if that is less.
    pub(crate) handshakes: Option<Leaf<u32>>,
}
