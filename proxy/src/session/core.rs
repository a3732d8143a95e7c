//! What a session knows and decides: pure of sockets. Bytes come in, [`Step`]s come out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use config::{ClientFacts, Rule, Zone};
use kafka::api::Answer;
use kafka::fetch::walk::Walker;
use kafka::patch::share_walk;
use kafka::types::{BrokerId, CorrelationId};

use crate::app::{Door, Gateway};
use crate::ledger::{Account, Leg};
use crate::session::sasl::SaslV0;
use crate::steer::Steering;
use crate::telemetry::connection::Traces;

/// Requests a client may have under way on one connection; further ones stay unread in its socket.
pub const IN_FLIGHT_MAX: usize = 1024;

/// An answer that is due, in the order of the requests.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The correlation id it must carry; none for SASL tokens without a header.
    pub correlation_id: Option<CorrelationId>,
    /// The request's API key.
    pub key: i16,
    /// The request's version.
    pub version: i16,
    /// What happens to the answer.
    pub answer: Answer,
    /// Whether the request is traced.
    pub traced: bool,
}

/// The bytes of a frame that are still to come and go on unread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest {
    /// The frame's API key.
    pub key: i16,
    /// Bytes still to come.
    pub left: usize,
}

/// What the next bytes from the broker are.
#[derive(Debug, Default)]
pub enum Inbound {
    /// The front of a frame.
    #[default]
    Front,
    /// The rest of a frame that passes.
    Passing(Rest),
    /// A Fetch answer that is walked as it passes; this many bytes of it are still to come.
    Fetch(Box<Walker>, Due, usize),
    /// The same of a ShareFetch answer.
    Share(Box<share_walk::Walker>, Due, usize),
}

/// What is known of the session.
#[derive(Debug)]
pub struct Core {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// The listener the client came in by.
    pub door: Arc<Door>,
    /// The broker whose endpoint the client dialled; `None` for the bootstrap address.
    pub endpoint: Option<BrokerId>,
    /// The broker at the other end. Not the endpoint's when that one is down and another stands in for it.
    pub own: BrokerId,
    /// The client's address.
    pub peer: IpAddr,
    /// The client's zone.
    pub zone: Zone,
    /// Which rule said so; `None` before the first request.
    pub rule: Option<Rule>,
    /// The settings by which the zone was settled, by number.
    pub generation: u64,
    /// The rack that the client has named.
    pub rack: Option<Box<str>>,
    /// Whether the client named a zone that nothing is in, and that was counted.
    pub zone_ignored: bool,
    /// Where this session's bytes are counted.
    pub account: Arc<Account>,
    /// Answers due.
    pub due: VecDeque<Due>,
    /// The rest of the request that is passing.
    pub outbound: Rest,
    /// What comes next from the broker.
    pub inbound: Inbound,
    /// The API of the last answer that came by.
    pub answering: i16,
    /// Whether the broker has answered anything yet.
    pub answered: bool,
    /// Set while the answer to a SaslHandshake v0 is due: it says whether tokens come next, or requests.
    pub shaking_hands: bool,
    /// Set while SASL tokens pass without Kafka's header, after SaslHandshake v0.
    pub sasl: Option<SaslV0>,
    /// Whether the client's last request was one by which it proves who it is.
    pub authenticating: bool,
    /// Whether the gateway has authenticated the connection to the broker, by the client's certificate.
    pub identified: bool,
    /// Set while new requests are held back, so that this identity can be proved again.
    pub holding: bool,
    /// What steering remembers; made when the first consumer Fetch comes.
    pub steering: Option<Box<Steering>>,
    /// The requests that are traced.
    pub traces: Traces,
}

impl Core {
    /// A session of a client at `peer` that dialled `endpoint` and whose upstream is `own`. Its zone is the gateway's until
    /// its first request says more.
    pub fn new(
        gateway: Arc<Gateway>,
        door: Arc<Door>,
        endpoint: Option<BrokerId>,
        own: BrokerId,
        peer: IpAddr,
    ) -> Self {
        let zone = gateway.zone.clone();
        let account = gateway.ledger.account(&zone, &gateway.unknown_zone);
        Self {
            gateway,
            door,
            endpoint,
            own,
            peer,
            zone,
            rule: None,
            generation: 0,
            rack: None,
            zone_ignored: false,
            account,
            due: VecDeque::new(),
            outbound: Rest::default(),
            inbound: Inbound::default(),
            answering: kafka::api::API_VERSIONS,
            answered: false,
            shaking_hands: false,
            sasl: None,
            authenticating: false,
            identified: false,
            holding: false,
            steering: None,
            traces: Traces::default(),
        }
    }

    /// Whether the broker's silence must not be waited out: it serves this client as a follower, or it has never answered
    /// on this connection, as a stopped process for which the kernel accepts connections.
    pub fn wants_living_broker(&self) -> bool {
        !self.answered || self.steering.as_ref().is_some_and(|s| s.follows)
    }

    /// Whether another broker stands in for the one the client dialled.
    pub fn is_stand_in(&self) -> bool {
        self.endpoint.is_some_and(|e| e != self.own)
    }

    /// Whether the broker at the other end isn't the leader that the client may take it for: a follower that it was pointed
    /// to, or one that stands in.
    pub fn is_steered(&self) -> bool {
        self.is_stand_in() || self.steering.as_ref().is_some_and(|s| s.follows)
    }

    /// Counts `n` bytes of an API that went over `leg`.
    pub fn count(&self, leg: Leg, key: i16, n: usize) {
        self.account.add(leg, key, n);
    }

    /// Works out the client's zone by what is known now, and opens the account that goes with it.
    pub fn settle_zone(&mut self, client_id: Option<&str>, rack: Option<&str>) {
        self.generation = self.gateway.settings().generation;
        let facts = ClientFacts {
            listener_zone: self.door.zone.as_ref(),
            client_id,
            ip: self.peer,
            rack,
            gateway_zone: &self.gateway.zone,
        };
        let (zone, rule, ignored) = self.gateway.client_zone(facts);
        // Looked at again with each fetch, because a broker may join in that zone; counted once.
        if ignored && !self.zone_ignored {
            self.gateway.rejects.unknown_zone(self.peer);
        }
        self.zone_ignored |= ignored;
        if self.rule.is_some() && (&zone, Some(rule)) == (&self.zone, self.rule) {
            return;
        }
        self.gateway.clients.moved(self.rule.map(|r| (self.zone.clone(), r)), Some((zone.clone(), rule)));
        (self.zone, self.rule) = (zone, Some(rule));
        self.open_account();
    }

    /// Points the counters at the account of this session's zones.
    pub fn open_account(&mut self) {
        let view = self.gateway.cluster.view();
        let broker = view.zone_of(self.own).cloned().unwrap_or_else(|| self.gateway.unknown_zone.clone());
        self.account = self.gateway.ledger.account(&self.zone, &broker);
    }

    /// Notes that an answer will come.
    pub fn expect(&mut self, correlation_id: Option<CorrelationId>, key: i16, version: i16) {
        let answer = kafka::api::lookup(key).map_or(Answer::Pass, |api| api.answer);
        let traced = self.traces.went(key, answer);
        self.due.push_back(Due { correlation_id, key, version, answer, traced });
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(rule) = self.rule {
            self.gateway.clients.moved(Some((self.zone.clone(), rule)), None);
        }
    }
}
