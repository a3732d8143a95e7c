//! Asks each broker once a second whether it still answers, over a connection of its own.
//!
//! A broker that is killed leaves the metadata after the controller's session timeout (9 s by default), one that is
//! stopped keeps accepting connections in its kernel's backlog. Both are known here within about five seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka::client::{AuthError, ConnectError, Connection, Dialer, OpenError};
use kafka::types::BrokerId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::view::handle::ClusterHandle;
use crate::view::{BrokerState, View};

/// Between two pings of a broker.
const EVERY: Duration = Duration::from_secs(1);
/// A ping unanswered for this long is a miss. Two misses make a broker suspect: one may be our own want of breath.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Between a first miss and the next ping.
const AGAIN: Duration = Duration::from_millis(100);

/// Keeps one pinging task per broker address, until `stop`.
pub async fn run(
    handle: ClusterHandle,
    dialer: Dialer,
    news: mpsc::Sender<(BrokerId, bool)>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut pingers: BTreeMap<BrokerId, (Arc<str>, u16, CancellationToken)> = BTreeMap::new();
    loop {
        let view = handle.view();
        pingers.retain(|id, (host, port, token)| {
            let same = address(&view, *id).is_some_and(|(h, p)| h == *host && p == *port);
            if !same {
                token.cancel();
            }
            same
        });
        for id in view.brokers.keys() {
            let Some((host, port)) = address(&view, *id) else { continue };
            pingers.entry(*id).or_insert_with(|| {
                let token = stop.child_token();
                let pinger =
                    Pinger { id: *id, host: host.clone(), port, dialer: dialer.clone(), news: news.clone() };
                tasks.spawn(pinger.run(token.clone()));
                (host, port, token)
            });
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn address(view: &View, id: BrokerId) -> Option<(Arc<str>, u16)> {
    let b = view.brokers.get(&id).filter(|b| b.state != BrokerState::Absent)?;
    Some((b.host.clone(), b.port))
}

struct Pinger {
    id: BrokerId,
    host: Arc<str>,
    port: u16,
    dialer: Dialer,
    news: mpsc::Sender<(BrokerId, bool)>,
}

impl Pinger {
    async fn run(self, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.ping_for_ever() => {}
        }
    }

    async fn ping_for_ever(&self) {
        let (mut connection, mut misses) = (None, 0u32);
        loop {
            misses = if self.ping(&mut connection).await { 0 } else { misses.saturating_add(1) };
            // The watcher is gone only when the gateway stops.
            if misses != 1 && self.news.send((self.id, misses > 0)).await.is_err() {
                return;
            }
            tokio::time::sleep(if misses == 1 { AGAIN } else { EVERY }).await;
        }
    }

    /// Pings over the connection in `slot`, or over a new one: brokers end connections for reasons of their own (idle,
    /// re-authentication due), which says nothing about their health.
    async fn ping(&self, slot: &mut Option<Connection>) -> bool {
        let ping = async {
            if let Some(mut old) = slot.take()
                && answers(&mut old).await
            {
                return (true, Some(old));
            }
            match Connection::connect(&self.dialer, &self.host, self.port).await {
                Ok(mut fresh) => (answers(&mut fresh).await, Some(fresh)),
                // A broker that refuses us is alive: our password may be out of date, clients' are not.
                Err(e) => (is_refusal(&e), None),
            }
        };
        let (alive, connection) = tokio::time::timeout(PATIENCE, ping).await.unwrap_or_default();
        *slot = connection.filter(|_| alive);
        alive
    }
}

fn is_refusal(error: &ConnectError) -> bool {
    let ConnectError::Open(OpenError::Auth { source, .. }) = error else { return false };
    !matches!(source, AuthError::Timeout { .. } | AuthError::Exchange { .. })
}

/// The cheapest question there is: ApiVersions v0, which every broker answers.
async fn answers(connection: &mut Connection) -> bool {
    connection.call(kafka::api::API_VERSIONS, 0, &[]).await.is_ok()
}
