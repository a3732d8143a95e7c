//! What went wrong, once in the log, as far as [`Lines`] lets it, and always in a counter.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;
use kafka::types::BrokerId;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::app::Gateway;
use crate::fleet::gossip::card::Unsound;
use crate::lines::{Lines, ROUND};
use crate::session::fault::Fault;

/// The counters, and which lines are written.
#[derive(Debug, Default)]
pub struct Rejects {
    counts: DashMap<&'static str, u64>,
    lines: Lines,
}

/// Says from time to time, until `stop`, and then once more, which lines were left out.
pub async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut running = true;
    while running {
        running = tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = sleep(ROUND) => true,
        };
        gateway.rejects.end_round();
    }
}

impl Rejects {
    /// Counts and logs the end of a client's connection.
    pub fn connection(&self, peer: IpAddr, fault: &Fault) {
        let reason = fault.reason();
        self.count(reason);
        match fault {
            Fault::Io(_) | Fault::Idle | Fault::Silent => {
                debug!(%peer, reason, error = %fault, "connection ended")
            }
            _ if self.lines.may(reason, Some(peer)) => {
                warn!(%peer, reason, error = %fault, "connection refused")
            }
            _ => {}
        }
    }

    /// A broker that no endpoint is configured for: it is left out of what clients are told.
    pub fn unmapped(&self, broker: BrokerId, listener: &str) {
        self.count("unmapped_broker");
        if self.lines.may("unmapped_broker", None) {
            warn!(
                broker = broker.0,
                listener, "no endpoint for this broker: widen `listeners[].brokers` to hold its id"
            );
        }
    }

    /// A client that says it is in a zone where neither a broker nor a gateway is.
    pub fn unknown_zone(&self, peer: IpAddr) {
        self.count("unknown_zone");
        if self.lines.may("unknown_zone", Some(peer)) {
            warn!(
                %peer,
                "a client names a zone without broker and gateway in client.id or client.rack; it is ignored"
            );
        }
    }

    /// A fetch on behalf that failed; the client is served otherwise.
    pub fn side_failed(&self, broker: BrokerId, error: &dyn Display) {
        self.count("fetch_on_behalf");
        if self.lines.may("fetch_on_behalf", None) {
            warn!(broker = broker.0, %error, "fetch on behalf failed");
        }
    }

    /// New connections that wait at a bound.
    pub fn waits(&self, reason: &'static str, bound: &'static str) {
        self.count(reason);
        if self.lines.may(reason, None) {
            warn!(reason, bound, "new connections wait: this bound is reached");
        }
    }

    /// A connection that could not be accepted.
    pub fn not_accepted(&self, error: &std::io::Error) {
        self.count("accept");
        if self.lines.may("accept", None) {
            warn!(%error, "cannot accept a connection");
        }
    }

    /// Somebody asked the admin port for more than its token opens.
    pub fn admin(&self, peer: IpAddr) {
        self.count("admin_token");
        if self.lines.may("admin_token", Some(peer)) {
            warn!(%peer, "admin page refused: no token, or a wrong one");
        }
    }

    /// A datagram of gossip that is not listened to.
    pub fn gossip(&self, peer: IpAddr, reason: &'static str) {
        self.count(reason);
        if self.lines.may(reason, Some(peer)) {
            warn!(%peer, reason, "gossip refused: who has none of `fleet.gossip.keys` is no gateway of this fleet");
        }
    }

    /// A datagram of gossip that could not be sent.
    pub fn gossip_unsent(&self, peer: IpAddr, error: &std::io::Error) {
        self.count("gossip_unsent");
        if self.lines.may("gossip_unsent", Some(peer)) {
            warn!(%peer, %error, "gossip: cannot send");
        }
    }

    /// Gossip can't be heard for the moment.
    pub fn gossip_unheard(&self, error: &std::io::Error) {
        self.count("gossip_unheard");
        if self.lines.may("gossip_unheard", None) {
            warn!(%error, "gossip: cannot receive");
        }
    }

    /// A gateway whose card can't be used.
    pub fn gossip_card(&self, gateway: &str, error: &Unsound) {
        self.count("gossip_card");
        if self.lines.may("gossip_card", None) {
            warn!(gateway, %error, "gossip: what this gateway says of itself can't be used; is it of another version?");
        }
    }

    /// All counts by reason.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.iter().map(|e| (*e.key(), *e.value())).collect()
    }

    fn count(&self, reason: &'static str) {
        *self.counts.entry(reason).or_default() += 1;
    }

    fn end_round(&self) {
        for left_out in self.lines.end_round() {
            let (reason, lines) = (left_out.kind, left_out.lines);
            match left_out.client {
                Some(peer) => warn!(%peer, reason, lines, "lines about this client were left out"),
                None => warn!(reason, lines, "lines were left out"),
            }
        }
    }
}
