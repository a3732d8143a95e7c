//! What went wrong, once in the log, as far as [`Lines`] lets it, and always in a counter.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kafka::types::BrokerId;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::app::Gateway;
use crate::fleet::gossip::card::Unsound;
use crate::fleet::gossip::life::End;
use crate::lines::{Lines, ROUND};
use crate::reason::Reason;
use crate::session::fault::Fault;

/// The counters, and which lines are written.
#[derive(Debug)]
pub struct Rejects {
    /// By the number of the reason.
    counts: Vec<AtomicU64>,
    lines: Lines,
}

impl Default for Rejects {
    fn default() -> Self {
        Self { counts: Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect(), lines: Lines::default() }
    }
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
        if matches!(fault, Fault::Io(_) | Fault::Idle | Fault::Silent) {
            self.count(reason);
            debug!(%peer, reason = reason.label(), error = %fault, "connection ended");
        } else if self.notes(reason, Some(peer)) {
            warn!(%peer, reason = reason.label(), error = %fault, "connection refused");
        }
    }

    /// A broker that no endpoint is configured for: it is left out of what clients are told.
    pub fn unmapped(&self, broker: BrokerId, listener: &str) {
        if self.notes(Reason::UnmappedBroker, None) {
            warn!(
                broker = broker.0,
                listener, "no endpoint for this broker: widen `listeners[].brokers` to hold its id"
            );
        }
    }

    /// A client that says it is in a zone where neither a broker nor a gateway is.
    pub fn unknown_zone(&self, peer: IpAddr) {
        if self.notes(Reason::UnknownZone, Some(peer)) {
            warn!(
                %peer,
                "a client names a zone without broker and gateway in client.id or client.rack; it is ignored"
            );
        }
    }

    /// A fetch on behalf that failed; the client is served otherwise.
    pub fn side_failed(&self, broker: BrokerId, error: &dyn Display) {
        if self.notes(Reason::FetchOnBehalf, None) {
            warn!(broker = broker.0, %error, "fetch on behalf failed");
        }
    }

    /// New connections that wait at a bound.
    pub fn waits(&self, reason: Reason, bound: &'static str) {
        if self.notes(reason, None) {
            warn!(reason = reason.label(), bound, "new connections wait: this bound is reached");
        }
    }

    /// An answer that waits for room among those that are held for clients.
    pub fn answer_waits(&self) {
        if self.notes(Reason::InFlightBytes, None) {
            warn!("answers held for clients wait for room: `limits.in_flight_bytes` is reached");
        }
    }

    /// A connection that could not be accepted.
    pub fn not_accepted(&self, error: &std::io::Error) {
        if self.notes(Reason::Accept, None) {
            warn!(%error, "cannot accept a connection");
        }
    }

    /// Somebody asked the admin port for more than its token opens.
    pub fn admin(&self, peer: IpAddr) {
        if self.notes(Reason::AdminToken, Some(peer)) {
            warn!(%peer, "admin page refused: no token, or a wrong one");
        }
    }

    /// A connection to the admin port beyond those that it takes at once.
    pub fn admin_crowd(&self, peer: IpAddr) {
        if self.notes(Reason::AdminConnections, Some(peer)) {
            warn!(%peer, "admin page refused: too many connections at once to the admin port");
        }
    }

    /// A datagram of gossip that is not listened to.
    pub fn gossip(&self, peer: IpAddr, reason: Reason) {
        if self.notes(reason, Some(peer)) {
            let reason = reason.label();
            warn!(%peer, reason, "gossip refused: who has none of `fleet.gossip.keys` is no gateway of this fleet");
        }
    }

    /// A datagram of gossip that could not be sent.
    pub fn gossip_unsent(&self, peer: IpAddr, error: &std::io::Error) {
        if self.notes(Reason::GossipUnsent, Some(peer)) {
            warn!(%peer, %error, "gossip: cannot send");
        }
    }

    /// Gossip can't be heard for the moment.
    pub fn gossip_unheard(&self, error: &std::io::Error) {
        if self.notes(Reason::GossipUnheard, None) {
            warn!(%error, "gossip: cannot receive");
        }
    }

    /// A datagram of gossip that lists too many processes, in so many bytes.
    pub fn gossip_crowd(&self, peer: IpAddr, list: usize) {
        if self.notes(Reason::GossipCrowded, Some(peer)) {
            warn!(%peer, list, "gossip refused: it lists too many processes; does a gateway start again and again?");
        }
    }

    /// Gossip has ended. It pauses before it begins again, so each time is worth a line.
    pub fn gossip_ended(&self, end: &End) {
        self.count(end.reason());
        error!(error = %end, "gossip has ended and begins again: until others are heard, clients are told this gateway alone");
    }

    /// A gateway whose card can't be used.
    pub fn gossip_card(&self, gateway: &str, error: &Unsound) {
        if self.notes(Reason::GossipCard, None) {
            warn!(gateway, %error, "gossip: what this gateway says of itself can't be used; is it of another version?");
        }
    }

    /// All counts, of each reason there is.
    pub fn counts(&self) -> Vec<(Reason, u64)> {
        Reason::ALL.iter().copied().zip(self.counts.iter().map(|n| n.load(Relaxed))).collect()
    }

    /// What has happened: counts that are not 0.
    #[cfg(test)]
    pub fn seen(&self) -> Vec<(Reason, u64)> {
        self.counts().into_iter().filter(|(_, n)| *n > 0).collect()
    }

    /// Counts it, and whether a line is written.
    fn notes(&self, reason: Reason, client: Option<IpAddr>) -> bool {
        self.count(reason);
        self.lines.may(reason.label(), client)
    }

    fn count(&self, reason: Reason) {
        self.counts[reason as usize].fetch_add(1, Relaxed);
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
