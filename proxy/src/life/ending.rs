//! The end of a gateway, step by step: ask, wait, deadline, and say what was still open.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::app::Gateway;
use crate::life::Orders;
use crate::life::drain::Spread;

/// How long tasks may take to end once they are told to stop at once.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// Between two looks at whether anybody is still connected.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Looks at nobody in a row after which nobody is waited for: clients come back within their backoff of a second.
const EMPTY_LOOKS: u32 = 20;

/// All tasks of a gateway, by how they end.
pub struct Ending {
    gateway: Arc<Gateway>,
    orders: Orders,
    /// Those that run to the very end: the view, health, the admin port.
    pub tasks: TaskTracker,
    /// Listeners, and clients' connections: these end one by one in a drain.
    pub clients: TaskTracker,
    /// What the tier does: this ends between two steps.
    pub work: TaskTracker,
    /// Cancelled when listeners close.
    pub closing: CancellationToken,
}

impl Ending {
    /// For tasks that are yet to be spawned.
    pub fn new(gateway: Arc<Gateway>, orders: Orders) -> Self {
        let (tasks, clients, work) = Default::default();
        Self { gateway, orders, tasks, clients, work, closing: CancellationToken::new() }
    }

    /// Waits for an order to end, and carries it out.
    pub async fn run(self) {
        tokio::select! {
            biased;
            () = self.orders.stop.cancelled() => info!("stopping at once"),
            () = self.drained() => {}
        }
        self.orders.stop.cancel();
        let all = [&self.tasks, &self.clients, &self.work];
        all.iter().for_each(|tracker| {
            tracker.close();
        });
        let ends = async {
            for tracker in all {
                tracker.wait().await;
            }
        };
        if timeout(STOP_WAIT, ends).await.is_err() {
            let left = all.iter().map(|t| t.len()).sum::<usize>();
            info!(left, "tasks that did not stop in time are left");
        }
        let (ended, cut) = self.gateway.drain.counts();
        info!(ended, cut, "stopped: connections that ended in good order, and that were cut");
    }

    /// One connection after another, until none is left or the time is over.
    async fn drained(&self) {
        self.orders.drain.cancelled().await;
        let (began, spread) = (Instant::now(), self.begin());
        self.time_to_close(began, spread).await;
        self.closing.cancel();
        self.clients.close();
        self.work.close();
        let ends = async {
            tokio::join!(self.clients.wait(), self.work.wait());
        };
        if timeout_at(began + spread.deadline, ends).await.is_err() {
            let (connections, work) = (self.gateway.connections.open(), self.work.len());
            info!(connections, work, "the drain's time is over: what is left is cut");
        }
    }

    /// Listeners stay open for those who know no other address, until it is time, or until nobody has been there for a while.
    async fn time_to_close(&self, began: Instant, spread: Spread) {
        sleep(spread.notice).await;
        let mut empty = 0;
        while began.elapsed() < spread.close && empty < EMPTY_LOOKS {
            sleep(LOOK_EVERY).await;
            empty = if self.gateway.connections.open() == 0 { empty + 1 } else { 0 };
        }
    }

    /// From here on /readyz says no, clients are told other gateways, and every connection has its turn.
    fn begin(&self) -> Spread {
        let settings = self.gateway.settings();
        settings.fleet.leaving.store(true, Relaxed);
        let others = settings.fleet.living_peers();
        let spread = Spread::of(settings.drain, others);
        self.gateway.drain.begin(spread);
        let (connections, over) = (self.gateway.connections.open(), spread.deadline);
        info!(connections, others, ?over, "draining");
        spread
    }
}
