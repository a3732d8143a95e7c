//! The connections of the admin port. Who opens many, or says nothing, must keep nobody else from asking whether the gateway lives: Kubernetes would
//! restart it, and other gateways would send no clients. So none waits behind another: what is beyond a bound is closed.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Admin;
use crate::facade::connections::Connections;

/// Connections at once: a fleet's gateways may all ask in the same moment.
const AT_ONCE: u32 = 256;
/// Those of one address among them: answers take milliseconds, so this is enough for all who look after a gateway from there.
const AT_ONCE_PER_IP: u32 = 16;
/// How long it may take to ask.
const ASKED_WITHIN: Duration = Duration::from_secs(2);
/// How long all of it may take: a client that takes nothing of its answer is cut.
const DONE_WITHIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept: the socket stays ready, so without one this would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`.
pub async fn run(socket: TcpListener, admin: Arc<Admin>, tasks: TaskTracker, stop: CancellationToken) {
    let room = Connections::new(AT_ONCE, AT_ONCE_PER_IP);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let Ok((tcp, peer)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(admitted) = room.admit(peer.ip()) else {
            admin.gateway.rejects.admin_crowd(peer.ip());
            continue;
        };
        let (admin, stop) = (admin.clone(), stop.clone());
        tasks.spawn(async move {
            let _admitted = admitted;
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = answer(tcp, peer.ip(), admin) => {}
            }
        });
    }
}

/// One question, one answer, and the end.
async fn answer(tcp: TcpStream, peer: IpAddr, admin: Arc<Admin>) {
    let service = hyper::service::service_fn(move |request| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(admin.answer(&request, peer)) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let http = http.timer(TokioTimer::new()).header_read_timeout(ASKED_WITHIN).keep_alive(false);
    // However it ends, whoever asked has noticed.
    let _ended = timeout(DONE_WITHIN, http.serve_connection(TokioIo::new(tcp), service)).await;
}
