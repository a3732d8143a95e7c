//! Asks the other gateways' admin ports whether they live.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http_body_util::Empty;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::app::Gateway;
use crate::fleet::Peer;

/// Between two rounds of probes.
const EVERY: Duration = Duration::from_secs(1);
/// A gateway that takes longer to answer counts as dead for this round.
const PATIENCE: Duration = Duration::from_secs(1);
/// Rounds without an answer before clients are no longer sent there: one lost packet is no death.
const MISSES_MAX: u32 = 2;

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It wants clients.
    Ready,
    /// It says itself that it wants none: it is about to end, or has no cluster.
    NotReady,
    /// Nothing.
    Nothing,
}

/// Probes every peer once a second until `stop`.
pub async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut misses = HashMap::<(String, u16), u32>::new();
    loop {
        // One file's peers to a round: a reload may change them at any time.
        let peers = gateway.settings().fleet.peers();
        misses.retain(|admin, _| peers.iter().any(|p| p.admin.as_ref() == Some(admin)));
        for (admin, said) in round(&peers).await {
            let missed = misses.entry(admin.clone()).or_default();
            *missed = misses_after(*missed, said);
            let alive = *missed < MISSES_MAX;
            peers.iter().filter(|p| p.admin.as_ref() == Some(&admin)).for_each(|p| note(p, alive));
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Asks each once, side by side.
async fn round(peers: &[Peer]) -> Vec<((String, u16), Said)> {
    let admins: BTreeSet<_> = peers.iter().filter_map(|p| p.admin.clone()).collect();
    let mut round = tokio::task::JoinSet::new();
    for admin in admins {
        round.spawn(async move {
            let said = ask(&admin.0, admin.1).await;
            (admin, said)
        });
    }
    let mut out = Vec::new();
    while let Some(Ok(answer)) = round.join_next().await {
        out.push(answer);
    }
    out
}

/// A gateway's own word counts at once.
fn misses_after(before: u32, said: Said) -> u32 {
    match said {
        Said::Ready => 0,
        Said::NotReady => MISSES_MAX,
        Said::Nothing => before.saturating_add(1),
    }
}

fn note(peer: &Peer, alive: bool) {
    if peer.alive.swap(alive, Relaxed) != alive {
        info!(gateway = %peer.id, zone = %peer.zone, alive, "gateway");
    }
}

async fn ask(host: &str, port: u16) -> Said {
    let asked = async {
        let tcp = TcpStream::connect((host, port)).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.ok()?;
        let request = hyper::Request::get("/readyz").header("host", host).body(Empty::<Bytes>::new()).ok()?;
        let answer = async { sender.send_request(request).await.ok().map(|a| a.status()) };
        tokio::pin!(answer);
        // The admin port closes after each answer, so the connection may end in the same moment the answer is there.
        tokio::select! { biased; answer = &mut answer => answer, _ = connection => answer.await }
    };
    match tokio::time::timeout(PATIENCE, asked).await.ok().flatten() {
        Some(status) if status.is_success() => Said::Ready,
        Some(StatusCode::SERVICE_UNAVAILABLE) => Said::NotReady,
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lost_answer_is_no_death_but_a_gateways_own_word_counts_at_once() {
        let after = |said: &[Said]| said.iter().fold(0, |n, s| misses_after(n, *s)) >= MISSES_MAX;
        assert!(!after(&[Said::Nothing]));
        assert!(after(&[Said::Nothing, Said::Nothing]));
        assert!(!after(&[Said::Nothing, Said::Ready, Said::Nothing]));
        assert!(after(&[Said::Ready, Said::NotReady]));
        assert!(!after(&[Said::NotReady, Said::Ready]), "and it is back as soon as it says so");
    }
}
