//! `limits`: the bounds that keep a gateway alive under load and abuse.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::check::Check;
use crate::raw::limits as raw;
use crate::tree::join;
use crate::{ByteSize, defaults, format_duration};

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
    /// A connection without traffic and without an answer due is closed after this (up to a quarter later); 1 s to 30 d.
    pub idle: Duration,
    /// Time for the TLS handshake, and then for the first request's header; 100 ms to 10 min.
    pub handshake: Duration,
    /// New connections a second, at least 1. `None`: no bound.
    pub accept_rate: Option<NonZeroU32>,
    /// Connections at once between being accepted and being connected to their broker; 1 to `connections`.
    pub handshakes: u32,
}

/// A frame's length is an int32 on the wire.
const FRAME_MAX: ByteSize = ByteSize(i32::MAX as u64);
const FRAME_MIN: ByteSize = ByteSize(1024);
const IDLE_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30 * 86_400));
const HANDSHAKE_BOUNDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(600));

impl Limits {
    pub(crate) fn check(raw: &raw::Limits, check: &mut Check<'_>) -> Self {
        let at = "limits";
        let many = (1, u32::MAX);
        let connections =
            check.bounded((at, "connections"), &raw.connections, defaults::CONNECTIONS, many, u32::to_string);
        let per_ip = defaults::CONNECTIONS_PER_IP.min(connections);
        let connections_per_ip =
            check.bounded((at, "connections_per_ip"), &raw.connections_per_ip, per_ip, many, u32::to_string);
        let sizes = (FRAME_MIN, FRAME_MAX);
        let frame = check.bounded((at, "frame"), &raw.frame, defaults::FRAME, sizes, ByteSize::to_string);
        let held = check.read(at, "in_flight_bytes", &raw.in_flight_bytes);
        let idle = check.bounded((at, "idle"), &raw.idle, defaults::IDLE, IDLE_BOUNDS, show);
        let handshake =
            check.bounded((at, "handshake"), &raw.handshake, defaults::HANDSHAKE, HANDSHAKE_BOUNDS, show);
        let accept_rate = raw
            .accept_rate
            .is_some()
            .then(|| check.bounded((at, "accept_rate"), &raw.accept_rate, 1, many, u32::to_string));
        let handshakes = check.bounded(
            (at, "handshakes"),
            &raw.handshakes,
            defaults::HANDSHAKES.min(connections),
            many,
            u32::to_string,
        );
        let in_flight_bytes = held.unwrap_or(defaults::IN_FLIGHT_BYTES);
        let limits = Self {
            connections,
            connections_per_ip,
            frame,
            in_flight_bytes,
            idle,
            handshake,
            accept_rate: accept_rate.and_then(NonZeroU32::new),
            handshakes,
        };
        limits.check_together(check);
        limits
    }

    fn check_together(&self, check: &mut Check<'_>) {
        let wrong = |key: &str, check: &Check<'_>| check.is_wrong(&join("limits", key));
        let (many, frame) = (wrong("connections", check), wrong("frame", check));
        if self.connections_per_ip > self.connections && !many {
            let reason = format!("{} is more than limits.connections", self.connections_per_ip);
            check.wrong("limits.connections_per_ip", reason, format!("write {} at most", self.connections));
        }
        if self.handshakes > self.connections && !many {
            let reason = format!("{} is more than limits.connections", self.handshakes);
            check.wrong("limits.handshakes", reason, format!("write {} at most", self.connections));
        }
        if self.in_flight_bytes < self.frame && !frame {
            let reason = format!("{} is less than one frame of limits.frame", self.in_flight_bytes);
            check.wrong("limits.in_flight_bytes", reason, format!("write {} at least", self.frame));
        }
    }
}

fn show(duration: &Duration) -> String {
    format_duration(*duration)
}
