//! The listening sockets: one to bootstrap from, and one per broker where ports tell brokers apart.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use config::Listener;
use kafka::types::BrokerId;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{Door, Gateway};
use crate::facade::proxy_header::{self, HeaderError, Origin};
use crate::session::fault::Fault;
use crate::session::open::serve;

/// Connections that may wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;
/// Pause after a failed accept (descriptors exhausted): the socket stays ready, so without one this would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many endpoints are bound, of how many.
#[derive(Debug, Default)]
pub struct Listening {
    open: AtomicUsize,
    all: AtomicUsize,
}

impl Listening {
    /// Bound endpoints, and all there should be.
    pub fn counts(&self) -> (usize, usize) {
        (self.open.load(Relaxed), self.all.load(Relaxed))
    }

    fn opened(&self, n: usize) {
        self.all.fetch_add(n, Relaxed);
        self.open.fetch_add(n, Relaxed);
    }
}

/// Bound sockets and the broker each stands for.
#[derive(Debug)]
pub struct Bound(Vec<(TcpListener, Option<BrokerId>)>);

impl Bound {
    /// Binds the listener's ports.
    ///
    /// # Errors
    /// A port that can't be bound.
    pub async fn bind(listener: &Listener, listening: &Listening) -> anyhow::Result<Self> {
        let mut sockets = vec![(open(listener.bind, &listener.name)?, None)];
        if let Some((first, last)) = listener.brokers.port_range() {
            for port in first..=last {
                let Some(id) = listener.brokers.broker_of(port) else { continue };
                let address = SocketAddr::new(listener.bind.ip(), port);
                sockets.push((open(address, &listener.name)?, Some(BrokerId(id))));
            }
        }
        listening.opened(sockets.len());
        Ok(Self(sockets))
    }

    /// Accepts on every socket until `closing`; serves what came until `stop`.
    pub fn run(
        self,
        gateway: &Arc<Gateway>,
        door: &Arc<Door>,
        tasks: &TaskTracker,
        (closing, stop): (&CancellationToken, &CancellationToken),
    ) {
        for (socket, broker) in self.0 {
            let entrance = Entrance {
                gateway: gateway.clone(),
                door: door.clone(),
                broker,
                tasks: tasks.clone(),
                stop: stop.clone(),
            };
            let (closing, stop, gateway) = (closing.clone(), stop.clone(), gateway.clone());
            tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = closing.cancelled() => {}
                    () = entrance.accept(socket) => {}
                }
                gateway.listening.open.fetch_sub(1, Relaxed);
            });
        }
    }
}

fn open(address: SocketAddr, listener: &str) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().with_context(|| format!("listeners[{listener}]: cannot bind {address}; is another process there?"))
}

struct Entrance {
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    broker: Option<BrokerId>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Entrance {
    async fn accept(self, socket: TcpListener) {
        loop {
            match socket.accept().await {
                Ok((tcp, peer)) => {
                    let slot = self.gateway.pace.turn(&self.gateway.rejects).await;
                    self.admit(tcp, peer, slot);
                }
                Err(e) => {
                    self.gateway.rejects.not_accepted(&e);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, tcp: TcpStream, peer: SocketAddr, slot: Option<OwnedSemaphorePermit>) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let room = self.gateway.descriptors.admit();
        let mut admitted = match room.and_then(|()| self.gateway.connections.admit_unknown()) {
            Ok(admitted) => admitted,
            Err(fault) => return self.gateway.rejects.connection(peer.ip(), &fault),
        };
        // Without it small answers would wait for the client's delayed acknowledgement. It fails only on a socket
        // that is already gone.
        let _ = tcp.set_nodelay(true);
        let (gateway, door, broker, stop) =
            (self.gateway.clone(), self.door.clone(), self.broker, self.stop.clone());
        self.tasks.spawn(async move {
            let (mut tcp, mut client) = (tcp, peer);
            let served = async {
                let placed = whose(&gateway, &door, &mut tcp, peer).await.and_then(|ip| {
                    client.set_ip(ip);
                    gateway.connections.place(&mut admitted, ip)
                });
                match placed {
                    Ok(()) => serve(gateway.clone(), door, tcp, client, broker, slot).await,
                    Err(fault) => {
                        // Before the connection closes: whoever sees it closed finds it counted.
                        gateway.rejects.connection(client.ip(), &fault);
                        Ok(())
                    }
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => gateway.drain.note(true),
                ended = served => {
                    gateway.drain.note(false);
                    if let Err(fault) = ended {
                        gateway.rejects.connection(client.ip(), &fault);
                    }
                }
            }
        });
    }
}

/// The client's address: the peer's, unless that is a load balancer, which must say it.
async fn whose(
    gateway: &Gateway,
    door: &Door,
    tcp: &mut TcpStream,
    peer: SocketAddr,
) -> Result<IpAddr, Fault> {
    if !door.balancers.as_ref().is_some_and(|balancers| balancers.trusts(peer.ip())) {
        return Ok(peer.ip());
    }
    let read = tokio::time::timeout(gateway.settings().handshake_max, proxy_header::read(tcp));
    match read.await.map_err(|_| HeaderError::Late)?? {
        Origin::Client(ip) => Ok(ip),
        Origin::Balancer => Ok(peer.ip()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::app::testing;
    use crate::facade::connections::Connections;
    use crate::reason::Reason;
    use crate::view::View;

    #[tokio::test]
    async fn a_connection_beyond_a_bound_is_closed_and_counted_under_that_bound() {
        for (max, per_ip, reason) in
            [(1, 9, Reason::TooManyConnections), (9, 1, Reason::TooManyConnectionsPerIp)]
        {
            let door = testing::core(View::default(), 1, 1).door.clone();
            let mut gateway = testing::gateway(View::default());
            Arc::get_mut(&mut gateway).expect("nobody else's yet").connections =
                Connections::new(max, per_ip);
            let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = socket.local_addr().expect("bound");
            let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
            Bound(vec![(socket, None)]).run(&gateway, &door, &tasks, (&stop, &stop));
            let _first = gateway.connections.admit(address.ip()).expect("there is room for one");
            let mut second = TcpStream::connect(address).await.expect("accepted by the kernel");
            assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0, "closed");
            assert_eq!(gateway.rejects.seen(), [(reason, 1)]);
            assert_eq!(gateway.connections.open(), 1);
            stop.cancel();
        }
    }
}
