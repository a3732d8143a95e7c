//! From an accepted socket to a session: TLS, the broker it is for, the connection to that broker.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kafka::client::Stream;
use kafka::types::BrokerId;
use tokio::net::TcpStream;

use crate::app::{Door, Gateway};
use crate::session::Session;
use crate::session::core::Core;
use crate::session::fault::Fault;
use crate::session::gulp::Gulp;
use crate::session::stream::ClientStream;
use crate::view::View;

/// How long a client waits for a gateway that has just started and knows no broker yet.
const FIRST_VIEW_WAIT: Duration = Duration::from_secs(10);
/// How long to look for a broker that the view doesn't know: one that has just joined.
const JOIN_WAIT: Duration = Duration::from_secs(1);
/// How long one broker may take to accept a connection before another is tried.
const DIAL_WAIT: Duration = Duration::from_secs(2);

/// Serves one client from its accepted socket to its end.
///
/// # Errors
/// Why the connection had to be ended.
pub async fn serve(
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    tcp: TcpStream,
    peer: SocketAddr,
    port_broker: Option<BrokerId>,
) -> Result<(), Fault> {
    let mut leave = gateway.drain.leave();
    let opening = Box::pin(open(gateway, door, tcp, peer.ip().to_canonical(), port_broker));
    let session = tokio::select! {
        biased;
        () = poll_fn(|cx| leave.poll(cx)) => return Ok(()),
        session = opening => session?,
    };
    session.leaving(leave).run().await
}

async fn open(
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    tcp: TcpStream,
    peer: IpAddr,
    port_broker: Option<BrokerId>,
) -> Result<Session, Fault> {
    let (client, endpoint) = accept(&gateway, &door, tcp, port_broker).await?;
    let (own, upstream) = reach(&gateway, endpoint).await?;
    let mut core = Core::new(gateway, door, endpoint, own, peer);
    core.open_account();
    Ok(Session::new(core, client, upstream))
}

/// The TLS handshake, if this listener has one, and the broker whose endpoint was dialled: by port, or by the
/// server name the client asked for.
async fn accept(
    gateway: &Gateway,
    door: &Door,
    tcp: TcpStream,
    port_broker: Option<BrokerId>,
) -> Result<(ClientStream, Option<BrokerId>), Fault> {
    let Some(acceptor) = door.acceptor() else { return Ok((ClientStream::Plain(tcp), port_broker)) };
    let handshake = tokio::time::timeout(gateway.settings().handshake_max, acceptor.accept(Gulp::new(tcp)));
    let tls = handshake.await.map_err(|_| Fault::Handshake)?.map_err(Fault::Tls)?;
    let name = tls.get_ref().1.server_name();
    let by_name = name.and_then(|n| door.endpoints.brokers.broker_of_sni(n)).map(BrokerId);
    Ok((ClientStream::Tls(Box::new(tls)), port_broker.or(by_name)))
}

/// Connects to the endpoint's broker. If it is down another one stands in for it, so that its endpoint lives: clients
/// stay pinned to a dead broker's address for up to half an hour (clients.md section 6, rule 2).
async fn reach(gateway: &Gateway, endpoint: Option<BrokerId>) -> Result<(BrokerId, Stream), Fault> {
    let no_view = || Fault::Upstream("the cluster has not answered yet".to_owned());
    let mut view = gateway.cluster.ready(FIRST_VIEW_WAIT).await.ok_or_else(no_view)?;
    if let Some(id) = endpoint {
        if !view.brokers.contains_key(&id) {
            view = gateway.cluster.find(id, JOIN_WAIT).await;
        }
        if view.is_live(id) {
            match dial(gateway, &view, id).await {
                Ok(stream) => return Ok((id, stream)),
                Err(_) => gateway.cluster.nudge(),
            }
        }
    }
    let mut reasons = Vec::new();
    for id in view.candidates(endpoint, &gateway.zone) {
        match dial(gateway, &view, id).await {
            Ok(stream) => return Ok((id, stream)),
            Err(e) => reasons.push(e),
        }
    }
    Err(Fault::Upstream(if reasons.is_empty() {
        "no broker is alive".to_owned()
    } else {
        reasons.join("; ")
    }))
}

async fn dial(gateway: &Gateway, view: &View, id: BrokerId) -> Result<Stream, String> {
    let b = view.brokers.get(&id).ok_or("unknown broker")?;
    let tls = gateway.client_tls.as_ref();
    kafka::client::dial(&b.host, b.port, tls, DIAL_WAIT).await.map_err(|e| e.to_string())
}
