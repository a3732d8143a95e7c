//! What went wrong, once in the log and always in a counter. Log lines are rate limited per kind: a flood of bad
//! connections must not fill a disk.

use std::fmt::Display;
use std::net::IpAddr;

use dashmap::DashMap;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use kafka::types::BrokerId;
use tracing::{debug, warn};

use crate::fleet::gossip::card::Unsound;
use crate::session::fault::Fault;

/// Lines of one kind per second; more are counted only.
const LINES_PER_SECOND: std::num::NonZeroU32 = std::num::NonZeroU32::new(10).expect("ten");

/// The counters and limiters.
#[derive(Debug, Default)]
pub struct Rejects {
    counts: DashMap<&'static str, u64>,
    limits: DashMap<&'static str, DefaultDirectRateLimiter>,
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
            _ if self.may_log(reason) => warn!(%peer, reason, error = %fault, "connection refused"),
            _ => {}
        }
    }

    /// A broker that no endpoint is configured for: it is left out of what clients are told.
    pub fn unmapped(&self, broker: BrokerId, listener: &str) {
        self.count("unmapped_broker");
        if self.may_log("unmapped_broker") {
            warn!(
                broker = broker.0,
                listener, "no endpoint for this broker: widen `listeners[].brokers` to hold its id"
            );
        }
    }

    /// A client that says it is in a zone where neither a broker nor a gateway is.
    pub fn unknown_zone(&self) {
        self.count("unknown_zone");
        if self.may_log("unknown_zone") {
            warn!(
                "a client names a zone without broker and gateway in client.id or client.rack; it is ignored"
            );
        }
    }

    /// A fetch on behalf that failed; the client is served otherwise.
    pub fn side_failed(&self, broker: BrokerId, error: &dyn Display) {
        self.count("fetch_on_behalf");
        if self.may_log("fetch_on_behalf") {
            warn!(broker = broker.0, %error, "fetch on behalf failed");
        }
    }

    /// New connections that wait at a bound.
    pub fn waits(&self, reason: &'static str, bound: &'static str) {
        self.count(reason);
        if self.may_log(reason) {
            warn!(reason, "new connections wait: `{bound}` is reached");
        }
    }

    /// A connection that could not be accepted.
    pub fn not_accepted(&self, error: &std::io::Error) {
        self.count("accept");
        if self.may_log("accept") {
            warn!(%error, "cannot accept a connection");
        }
    }

    /// Somebody asked the admin port for more than its token opens.
    pub fn admin(&self, peer: IpAddr) {
        self.count("admin_token");
        if self.may_log("admin_token") {
            warn!(%peer, "admin page refused: no token, or a wrong one");
        }
    }

    /// A datagram of gossip that is not listened to.
    pub fn gossip(&self, peer: IpAddr, reason: &'static str) {
        self.count(reason);
        if self.may_log(reason) {
            warn!(%peer, reason, "gossip refused: who has none of `fleet.gossip.keys` is no gateway of this fleet");
        }
    }

    /// A datagram of gossip that could not be sent.
    pub fn gossip_unsent(&self, peer: IpAddr, error: &std::io::Error) {
        self.count("gossip_unsent");
        if self.may_log("gossip_unsent") {
            warn!(%peer, %error, "gossip: cannot send");
        }
    }

    /// Gossip can't be heard for the moment.
    pub fn gossip_unheard(&self, error: &std::io::Error) {
        self.count("gossip_unheard");
        if self.may_log("gossip_unheard") {
            warn!(%error, "gossip: cannot receive");
        }
    }

    /// A gateway whose card can't be used.
    pub fn gossip_card(&self, gateway: &str, error: &Unsound) {
        self.count("gossip_card");
        if self.may_log("gossip_card") {
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

    fn may_log(&self, reason: &'static str) -> bool {
        let limit = self
            .limits
            .entry(reason)
            .or_insert_with(|| RateLimiter::direct(Quota::per_second(LINES_PER_SECOND)));
        limit.check().is_ok()
    }
}
