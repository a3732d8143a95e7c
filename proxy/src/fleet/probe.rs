//! Asks the other gateways' admin ports whether they live.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::fleet::{Fleet, Peer};

/// Between two rounds of probes.
const EVERY: Duration = Duration::from_secs(1);
/// A gateway that takes longer to answer counts as dead for this round.
const PATIENCE: Duration = Duration::from_secs(1);
/// Rounds without an answer before clients are no longer sent there: one lost packet is no death.
const MISSES_MAX: u32 = 2;

/// Probes every peer once a second until `stop`.
pub async fn run(fleet: Fleet, stop: CancellationToken) {
    let mut misses = vec![0u32; fleet.peers.len()];
    loop {
        let mut round = tokio::task::JoinSet::new();
        for (i, peer) in fleet.peers.iter().enumerate() {
            let (host, port) = peer.admin.clone();
            round.spawn(async move { (i, answers(&host, port).await) });
        }
        while let Some(Ok((i, ok))) = round.join_next().await {
            misses[i] = if ok { 0 } else { misses[i].saturating_add(1) };
            note(&fleet.peers[i], misses[i] < MISSES_MAX);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn note(peer: &Peer, alive: bool) {
    if peer.alive.swap(alive, Relaxed) != alive {
        info!(gateway = %peer.id, zone = %peer.zone, alive, "gateway");
    }
}

async fn answers(host: &str, port: u16) -> bool {
    let asked = async {
        let tcp = TcpStream::connect((host, port)).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.ok()?;
        let request = hyper::Request::get("/readyz").header("host", host).body(Empty::<Bytes>::new()).ok()?;
        let answer = async { sender.send_request(request).await.ok().map(|a| a.status().is_success()) };
        tokio::pin!(answer);
        // The admin port closes after each answer, so the connection may end in the same moment the answer is there.
        tokio::select! { biased; answer = &mut answer => answer, _ = connection => answer.await }
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten().unwrap_or(false)
}
