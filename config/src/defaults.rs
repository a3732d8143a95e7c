//! Every default in one place. `gateway.id` is the only other one: the host name.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use crate::{ByteSize, Checksums, ClientRule, Prices, Reads, Segment, Traces, WhenNoGateway};

const MIB: u64 = 1024 * 1024;

/// Loopback: where it needs no token.
pub(crate) const ADMIN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9644));

/// With what follows it, less than the 30 s after which Kubernetes kills.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);

pub(crate) const CONNECTIONS: u32 = 50_000;
pub(crate) const CONNECTIONS_PER_IP: u32 = 2_000;
/// Kafka's own `socket.request.max.bytes`.
pub(crate) const FRAME: ByteSize = ByteSize(100 * MIB);
pub(crate) const IN_FLIGHT_BYTES: ByteSize = ByteSize(1024 * MIB);
/// Kafka's own `connections.max.idle.ms`.
pub(crate) const IDLE: Duration = Duration::from_secs(600);
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// More than one address may open (`CONNECTIONS_PER_IP`), so that one cannot keep all others waiting.
pub(crate) const HANDSHAKES: u32 = 5_000;

pub(crate) const READS: Reads = Reads::InZone;
pub(crate) const WHEN_ZONE_HAS_NO_GATEWAY: WhenNoGateway = WhenNoGateway::Any;
/// AWS between zones: 0.01 out and 0.01 in.
pub(crate) const PRICES: Prices = Prices { cross_zone: 0.02 };

/// Everything that needs no data.
pub(crate) fn client_rules() -> Vec<ClientRule> {
    vec![ClientRule::Listener, ClientRule::ClientIdTag, ClientRule::Rack, ClientRule::Gateway]
}

pub(crate) const SEGMENT: Segment = Segment { bytes: ByteSize(256 * MIB), age: Duration::from_secs(600) };
pub(crate) const CACHE_MEMORY: ByteSize = ByteSize(512 * MIB);
/// Copy only: nothing is deleted from a broker unless the file says so.
pub(crate) const TRIM: bool = false;
pub(crate) const PATH_STYLE: bool = false;
/// A store exists that publishes a body cut short as a whole object if nothing contradicts it.
pub(crate) const CHECKSUMS: Checksums = Checksums::Always;

pub(crate) const OTLP_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const OTLP_METRICS: bool = true;
/// What nobody asked for costs nothing, and names nobody.
pub(crate) const TRACES: Traces = Traces { ratio: 0.0, client_ids: false };
