//! From an accepted socket to a session: TLS, the broker it is for, the connection to that broker.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kafka::client::{AuthError, OpenError, Sasl, Security, Session as Granted, Stream};
use kafka::types::BrokerId;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::{Door, Gateway};
use crate::session::Session;
use crate::session::core::Core;
use crate::session::fault::Fault;
use crate::session::gulp::Gulp;
use crate::session::renew::Renewal;
use crate::session::stream::ClientStream;
use crate::view::View;

/// How long a client waits for a gateway that has just started and knows no broker yet.
const FIRST_VIEW_WAIT: Duration = Duration::from_secs(10);
/// How long to look for a broker that the view doesn't know: one that has just joined.
const JOIN_WAIT: Duration = Duration::from_secs(1);
/// How long one broker may take to accept a connection before another is tried.
const DIAL_WAIT: Duration = Duration::from_secs(2);
/// The same where it also has to believe who the client is.
const IDENTIFY_WAIT: Duration = Duration::from_secs(5);

/// Serves one client from its accepted socket to its end. `handshake` is its place among those that are not at their
/// broker yet.
///
/// # Errors
/// Why the connection had to be ended.
pub async fn serve(
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    tcp: TcpStream,
    client: SocketAddr,
    port_broker: Option<BrokerId>,
    handshake: Option<OwnedSemaphorePermit>,
) -> Result<(), Fault> {
    let mut leave = gateway.drain.leave();
    let opening = Box::pin(open(gateway, door, tcp, client.ip(), port_broker));
    let session = tokio::select! {
        biased;
        () = poll_fn(|cx| leave.poll(cx)) => return Ok(()),
        session = opening => session?,
    };
    drop(handshake);
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
    let identity = door.identities.as_ref().map(|map| map.of(client.certificates())).transpose()?;
    let (own, upstream, granted) = reach(&gateway, endpoint, identity.as_ref()).await?;
    let mut core = Core::new(gateway, door, endpoint, own, peer);
    core.identified = identity.is_some();
    core.open_account();
    let mut session = Session::new(core, client, upstream);
    session.renewal = identity.map(|sasl| Box::new(Renewal::new(sasl, granted)));
    Ok(session)
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
/// stay pinned to a dead broker's address for up to half an hour.
///
/// A client whose certificate says who it is gets a connection on which that is proved already.
async fn reach(
    gateway: &Gateway,
    endpoint: Option<BrokerId>,
    identity: Option<&Sasl>,
) -> Result<(BrokerId, Stream, Granted), Fault> {
    let no_view = || Fault::Upstream("the cluster has not answered yet".to_owned());
    let mut view = gateway.cluster.ready(FIRST_VIEW_WAIT).await.ok_or_else(no_view)?;
    if let Some(id) = endpoint {
        if !view.brokers.contains_key(&id) {
            view = gateway.cluster.find(id, JOIN_WAIT).await;
        }
        if view.is_live(id) {
            match dial(gateway, &view, id, identity).await {
                Ok((stream, granted)) => return Ok((id, stream, granted)),
                Err(NotReached::Refused(why)) => return Err(Fault::Identity(why)),
                Err(NotReached::Down(_)) => gateway.cluster.nudge(),
            }
        }
    }
    let mut reasons = Vec::new();
    for id in view.candidates(endpoint, &gateway.zone) {
        match dial(gateway, &view, id, identity).await {
            Ok((stream, granted)) => return Ok((id, stream, granted)),
            Err(NotReached::Refused(why)) => return Err(Fault::Identity(why)),
            Err(NotReached::Down(why)) => reasons.push(why),
        }
    }
    Err(Fault::Upstream(if reasons.is_empty() {
        "no broker is alive".to_owned()
    } else {
        reasons.join("; ")
    }))
}

/// Why one broker does not serve this client.
enum NotReached {
    /// It may be down; another one may do.
    Down(String),
    /// It does not believe the client's identity, and no other one will.
    Refused(String),
}

async fn dial(
    gateway: &Gateway,
    view: &View,
    id: BrokerId,
    identity: Option<&Sasl>,
) -> Result<(Stream, Granted), NotReached> {
    let b = view.brokers.get(&id).ok_or_else(|| NotReached::Down("unknown broker".to_owned()))?;
    let tls = gateway.client_tls.as_ref();
    let Some(sasl) = identity else {
        let dialled = kafka::client::dial(&b.host, b.port, tls, DIAL_WAIT).await;
        return dialled
            .map(|stream| (stream, Granted::default()))
            .map_err(|e| NotReached::Down(e.to_string()));
    };
    let security = Security { tls: tls.cloned(), sasl: Some(sasl.clone()) };
    let opened = kafka::client::open_session(&security, &b.host, b.port, IDENTIFY_WAIT).await;
    opened.map_err(|e| match &e {
        OpenError::Dial(_) => NotReached::Down(e.to_string()),
        OpenError::Auth { source: AuthError::Timeout { .. } | AuthError::Exchange { .. }, .. } => {
            NotReached::Down(e.to_string())
        }
        OpenError::Auth { .. } => NotReached::Refused(e.to_string()),
    })
}
