//! Whether this gateway should be sent clients, and what is missing if not. Other gateways and load balancers ask.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::Gateway;
use crate::view::BrokerState;

/// How long after it was due an answer of the cluster is waited for: every broker may take some seconds to refuse.
const LATE_MAX: Duration = Duration::from_secs(20);

/// How often the log is told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What keeps a gateway from being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is about to end.
    Draining,
    /// Some of its own endpoints are not bound: so many of so many are.
    Endpoints(usize, usize),
    /// The cluster has never answered.
    Cluster,
    /// Its last answer is too old by so much.
    Lately(Duration),
    /// No broker answers.
    Brokers,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("draining: this gateway is about to end"),
            Self::Endpoints(open, all) => write!(f, "endpoints: {open} of {all} are bound"),
            Self::Cluster => f.write_str("cluster: it has not answered yet"),
            Self::Lately(late) => {
                write!(f, "cluster: its metadata is {} s overdue", late.as_secs())
            }
            Self::Brokers => f.write_str("brokers: none answers"),
        }
    }
}

/// What readiness is decided by.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The drain has begun.
    pub draining: bool,
    /// Endpoints that are bound, and that should be.
    pub endpoints: (usize, usize),
    /// When the cluster is to have answered again; `None` before its first answer.
    pub due: Option<Instant>,
    /// Brokers that answer.
    pub live: usize,
}

/// Everything that is missing; nothing: ready.
pub fn missing(facts: Facts, now: Instant) -> Vec<Missing> {
    let (open, all) = facts.endpoints;
    let cluster = match facts.due {
        None => Some(Missing::Cluster),
        Some(due) => {
            let late = now.saturating_duration_since(due);
            (late > LATE_MAX).then_some(Missing::Lately(late))
        }
    };
    let checks = [
        facts.draining.then_some(Missing::Draining),
        (open < all && !facts.draining).then_some(Missing::Endpoints(open, all)),
        cluster,
        (facts.live == 0 && facts.due.is_some()).then_some(Missing::Brokers),
    ];
    checks.into_iter().flatten().collect()
}

/// Says in the log when this gateway becomes ready, or stops being so, until `stop`.
pub async fn watch(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut before = None;
    while !stop.is_cancelled() {
        let missing = of(&gateway);
        let now = missing.is_empty();
        if before.replace(now) != Some(now) {
            match now {
                true => info!("ready"),
                false => warn!(missing = %Listed(&missing), "not ready"),
            }
        }
        stop.run_until_cancelled(sleep(LOOK_EVERY)).await;
    }
}

struct Listed<'a>(&'a [Missing]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("; "))
    }
}

/// What this gateway lacks now.
pub fn of(gateway: &Gateway) -> Vec<Missing> {
    let view = gateway.cluster.view();
    let facts = Facts {
        draining: gateway.drain.begun().is_some(),
        endpoints: gateway.listening.counts(),
        due: gateway.cluster.due().filter(|_| view.is_ready()),
        live: view.brokers.values().filter(|b| b.state == BrokerState::Live).count(),
    };
    missing(facts, Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_and_nothing_else() {
        let now = Instant::now();
        let fine = Facts { draining: false, endpoints: (4, 4), due: Some(now), live: 1 };
        let soon = now + LATE_MAX + Duration::from_secs(9);
        let table = [
            (fine, now, vec![]),
            (Facts { due: Some(now + Duration::from_secs(3)), ..fine }, now, vec![]),
            (Facts { draining: true, endpoints: (0, 4), ..fine }, now, vec![Missing::Draining]),
            (Facts { endpoints: (3, 4), ..fine }, now, vec![Missing::Endpoints(3, 4)]),
            (Facts { due: None, live: 0, ..fine }, now, vec![Missing::Cluster]),
            (fine, now + LATE_MAX, vec![]),
            (fine, soon, vec![Missing::Lately(soon - now)]),
            (Facts { live: 0, ..fine }, soon, vec![Missing::Lately(soon - now), Missing::Brokers]),
        ];
        for (facts, at, wanted) in table {
            assert_eq!(missing(facts, at), wanted, "{facts:?}");
        }
    }
}
