//! Requests, from the client to the broker: what each frame's front decides.

use kafka::api::{self, Handling};
use kafka::fetch::request::{self as fetch, FetchRequest};
use kafka::header::{LENGTH_PREFIX, Peek, RequestHead, frame_len, framed, peek_request};
use kafka::offsets::{self, Request};
use kafka::patch::{api_versions, rack};
use kafka::trim;
use kafka::wire::WireError;

use crate::ledger::{Leg, OPAQUE};
use crate::session::core::{Core, Rest};
use crate::session::fault::Fault;
use crate::session::lane::Step;
use crate::session::sasl::SaslV0;
use crate::steer;
use crate::tier;

/// Requests that are read whole are at most this long; a longer one is passed on unread.
const HOLD_MAX: usize = 256 * 1024;

/// The facts of a request's front, owned so that the buffer can be changed.
#[derive(Clone, Copy)]
struct Front {
    whole: usize,
    key: i16,
    version: i16,
}

impl Core {
    /// Decides what happens to the bytes at the front of `bytes`.
    ///
    /// # Errors
    /// Bytes that are no Kafka request.
    pub fn request(&mut self, bytes: &mut [u8]) -> Result<Step, Fault> {
        if self.outbound.left > 0 {
            let n = self.outbound.left.min(bytes.len());
            self.outbound.left -= n;
            return Ok(self.pass(self.outbound.key, n));
        }
        if self.holding || self.shaking_hands {
            return Ok(Step::Stop);
        }
        if let Some(state) = self.sasl
            && let Some(step) = self.sasl_token(state, bytes)?
        {
            return Ok(step);
        }
        let (limit, generation, sampling) = {
            let settings = self.gateway.settings();
            (settings.frame_max, settings.generation, settings.sampling)
        };
        let head = match peek_request(bytes, limit).map_err(|e| malformed(bytes, e))? {
            Peek::NeedMore(n) => return Ok(Step::NeedMore(n)),
            Peek::Ready(head) => head,
        };
        let front = Front { whole: LENGTH_PREFIX + head.payload_len, key: head.key, version: head.version };
        // Anew if the rules have changed since.
        if self.rule.is_none() || self.generation != generation {
            let rack = self.rack.take();
            self.settle_zone(head.client_id, rack.as_deref());
            self.rack = rack;
        }
        self.authenticating = matches!(head.key, api::SASL_HANDSHAKE | api::SASL_AUTHENTICATE);
        if self.authenticating
            && let Some(steering) = &mut self.steering
        {
            steering.memory.forget_rights();
        }
        self.refuse_unknown_version(head)?;
        if self.identified && self.authenticating {
            return self.sasl_beside_certificate(front, bytes.len());
        }
        let steered = self.is_steered();
        let tiered = self.gateway.tier.is_configured();
        let held = wants_whole(front, steered, tiered) && front.whole <= HOLD_MAX;
        if held && bytes.len() < front.whole {
            return Ok(Step::NeedMore(front.whole));
        }
        if sampling.hits(&mut self.traces.dice) {
            self.begin_trace(&head, front.whole);
        }
        match held {
            true => self.whole(front, head.correlation_id, &mut bytes[..front.whole]),
            false => {
                match head.answered {
                    true => self.expect(Some(head.correlation_id), head.key, head.version),
                    false => self.traces.went_for_good(head.key),
                }
                Ok(self.forward(front, bytes.len()))
            }
        }
    }

    /// The broker knows this client already: its answer would be one about us.
    fn sasl_beside_certificate(&self, front: Front, there: usize) -> Result<Step, Fault> {
        match (front.whole > HOLD_MAX, there < front.whole) {
            (true, _) => Err(Fault::SaslBesideCertificate),
            (false, true) => Ok(Step::NeedMore(front.whole)),
            (false, false) => {
                self.count(Leg::ClientToGateway, front.key, front.whole);
                Ok(Step::Hold(front.whole))
            }
        }
    }

    /// A newer version than we can walk, of an API whose answers carry addresses, would leak them. No client that
    /// heeds our ApiVersions answer sends one.
    fn refuse_unknown_version(&self, head: RequestHead<'_>) -> Result<(), Fault> {
        let Some(api) = api::lookup(head.key).filter(|a| a.handling != Handling::Forward) else {
            return Ok(());
        };
        match api.understood {
            Some(max) if head.version > max && head.key != api::API_VERSIONS => {
                Err(Fault::Version { api: api.name, version: head.version })
            }
            _ => Ok(()),
        }
    }

    /// Lets the frame go on as it is; `there` bytes of it and of what follows are in hand.
    fn forward(&mut self, front: Front, there: usize) -> Step {
        let n = front.whole.min(there);
        self.outbound = Rest { key: front.key, left: front.whole - n };
        self.pass(front.key, n)
    }

    fn pass(&mut self, key: i16, n: usize) -> Step {
        self.outbound.key = key;
        self.count(Leg::ClientToGateway, key, n);
        self.count(Leg::GatewayToBroker, key, n);
        Step::Forward(n)
    }

    fn replace(&self, front: Front, payload: Vec<u8>) -> Step {
        let frame = framed(&payload);
        self.count(Leg::ClientToGateway, front.key, front.whole);
        self.count(Leg::GatewayToBroker, front.key, frame.len());
        Step::Replace(front.whole, frame)
    }

    /// A frame that is there from end to end.
    fn whole(
        &mut self,
        front: Front,
        correlation_id: kafka::types::CorrelationId,
        frame: &mut [u8],
    ) -> Result<Step, Fault> {
        let payload = &mut frame[LENGTH_PREFIX..];
        let goes_on = match front.key {
            api::FETCH => self.fetch(front, payload)?,
            api::LIST_OFFSETS | api::OFFSET_FOR_LEADER_EPOCH => self.offsets(front, payload)?,
            api::DELETE_RECORDS => self.trims(front, payload)?,
            _ => true,
        };
        if !goes_on {
            self.count(Leg::ClientToGateway, front.key, front.whole);
            return Ok(Step::Hold(front.whole));
        }
        let replaced = match front.key {
            api::JOIN_GROUP => rack::set_join_group_rack(payload, front.version, self.zone.as_str()),
            api::CONSUMER_GROUP_HEARTBEAT => {
                rack::set_heartbeat_rack(payload, front.version, self.zone.as_str())
            }
            api::API_VERSIONS => {
                self.api_versions(front, payload)?;
                None
            }
            api::SASL_HANDSHAKE => {
                (self.sasl, self.shaking_hands) = (SaslV0::after_handshake(payload), true);
                None
            }
            _ => None,
        };
        self.expect(Some(correlation_id), front.key, front.version);
        Ok(match replaced {
            Some(payload) => self.replace(front, payload),
            None => self.pass(front.key, front.whole),
        })
    }

    /// Whether a Fetch goes on to the broker (after small changes in place); otherwise it is answered here.
    fn fetch(&mut self, front: Front, payload: &mut [u8]) -> Result<bool, Fault> {
        let request = FetchRequest::parse(payload, front.version).map_err(|source| Fault::Malformed {
            api: "Fetch",
            version: front.version,
            source,
        })?;
        if !request.rack.is_empty() && self.rule == Some(config::Rule::Gateway) {
            self.settle_zone(None, Some(request.rack));
            self.rack.get_or_insert_with(|| request.rack.into());
        }
        let forward = steer::forwards(self, &request);
        let clears = forward
            && request.session == fetch::Session::Open
            && self.steering.as_ref().is_some_and(|s| s.memory.never_continues());
        if let Some(at) = request.session_at().filter(|_| clears) {
            fetch::clear_session(payload, at);
        }
        Ok(forward)
    }

    /// Whether a question about offsets goes on to the broker; otherwise the leaders are asked.
    fn offsets(&self, front: Front, payload: &[u8]) -> Result<bool, Fault> {
        let request = Request::parse(payload, front.key, front.version).map_err(|source| {
            Fault::Malformed { api: api::name_of(front.key), version: front.version, source }
        })?;
        Ok(request.is_none_or(|r| steer::offsets::forwards(self, &r)))
    }

    /// Whether a DeleteRecords goes on to the broker as it is.
    fn trims(&self, front: Front, payload: &[u8]) -> Result<bool, Fault> {
        let malformed = |source| Fault::Malformed { api: "DeleteRecords", version: front.version, source };
        let trims = trim::request(payload, front.version).map_err(malformed)?;
        Ok(!tier::trim::concerns(self, &trims))
    }

    /// A too new ApiVersions becomes one that no broker knows, so that the answer has the layout of v0 whatever the
    /// broker knows (KIP-511); where another broker stands in, it is the one named (KIP-1242).
    fn api_versions(&mut self, front: Front, payload: &mut [u8]) -> Result<(), Fault> {
        let understood = api::lookup(api::API_VERSIONS).and_then(|a| a.understood).unwrap_or(0);
        if front.version > understood {
            payload[2..4].copy_from_slice(&i16::MAX.to_be_bytes());
            return Ok(());
        }
        if self.is_stand_in() {
            api_versions::patch_request_node_id(payload, front.version, self.own)
                .map_err(|source| Fault::Malformed { api: "ApiVersions", version: front.version, source })?;
        }
        Ok(())
    }

    /// A SASL token without a header; `None` when the exchange is over.
    fn sasl_token(&mut self, state: SaslV0, bytes: &[u8]) -> Result<Option<Step>, Fault> {
        let len =
            match frame_len(bytes, 0, self.gateway.settings().frame_max).map_err(|e| malformed(bytes, e))? {
                Peek::NeedMore(n) => return Ok(Some(Step::NeedMore(n))),
                Peek::Ready(len) => len,
            };
        if len > 0 && bytes.len() == LENGTH_PREFIX && state == SaslV0::Open {
            return Ok(Some(Step::NeedMore(LENGTH_PREFIX + 1)));
        }
        let first = if len > 0 { bytes.get(LENGTH_PREFIX).copied() } else { None };
        self.sasl = state.token(first);
        if self.sasl.is_none() {
            // GSSAPI's last token gets no answer (`SaslServer.evaluateResponse` returns null).
            if state == SaslV0::Open && self.due.back().is_some_and(|d| d.correlation_id.is_none()) {
                self.due.pop_back();
            }
            return Ok(None);
        }
        self.expect(None, OPAQUE, 0);
        let front = Front { whole: LENGTH_PREFIX + len, key: OPAQUE, version: 0 };
        Ok(Some(self.forward(front, bytes.len())))
    }
}

/// Whether this request is read from end to end before it goes anywhere.
fn wants_whole(front: Front, steered: bool, tiered: bool) -> bool {
    match front.key {
        api::FETCH => (fetch::VERSION_MIN..=fetch::VERSION_MAX).contains(&front.version),
        api::JOIN_GROUP | api::CONSUMER_GROUP_HEARTBEAT | api::API_VERSIONS => true,
        api::LIST_OFFSETS | api::OFFSET_FOR_LEADER_EPOCH => {
            (steered || tiered) && offsets::reads(front.key, front.version)
        }
        api::DELETE_RECORDS => tiered && front.version <= trim::VERSION_MAX,
        api::SASL_HANDSHAKE => front.version == 0,
        _ => false,
    }
}

fn malformed(front: &[u8], e: WireError) -> Fault {
    match e {
        WireError::Length { at: 0, value } => Fault::of_length(front, value),
        source => Fault::Malformed { api: "request header", version: 0, source },
    }
}
