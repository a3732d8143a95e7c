//! Where the others reach this gateway's gossip.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use config::HostPort;
use tokio::net::{UdpSocket, lookup_host};
use tracing::warn;

/// Before a name is looked up again that leads nowhere yet.
const LOOK_UP_EVERY: Duration = Duration::from_secs(2);
/// How long one look-up may take.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

/// What the file says, or how this machine would reach its first seed.
pub(super) async fn of(settings: &config::Gossip, socket: &UdpSocket) -> SocketAddr {
    match settings.advertise {
        Some(at) => at,
        None => {
            let port = socket.local_addr().map_or(settings.bind.port(), |bound| bound.port());
            SocketAddr::new(own_address(&settings.seeds).await, port)
        }
    }
}

/// The address from which this machine reaches its first seed that can be looked up. Asks again until there is one.
async fn own_address(seeds: &[HostPort]) -> IpAddr {
    loop {
        for seed in seeds {
            let found = tokio::time::timeout(LOOK_UP_MAX, lookup_host((seed.host.as_str(), seed.port))).await;
            let Ok(Ok(addresses)) = found else { continue };
            for address in addresses {
                if let Ok(own) = own_address_towards(address).await {
                    return own;
                }
            }
        }
        warn!("fleet.gossip: no seed can be looked up or reached yet, so it isn't known what to advertise");
        tokio::time::sleep(LOOK_UP_EVERY).await;
    }
}

/// Connecting a UDP socket sends nothing: the kernel only chooses a route.
async fn own_address_towards(seed: SocketAddr) -> std::io::Result<IpAddr> {
    let any =
        if seed.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(seed).await?;
    Ok(socket.local_addr()?.ip())
}
