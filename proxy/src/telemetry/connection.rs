//! The traced requests of one connection, wherever they are: being decided or answered here, with the broker, or with
//! their answer on its way.

use std::collections::VecDeque;
use std::time::SystemTime;

use config::Zone;
use kafka::api::{self, Answer, Handling};
use kafka::header::RequestHead;
use kafka::types::BrokerId;
use opentelemetry::KeyValue;

use crate::metrics::Served;
use crate::session::core::{Core, Due};
use crate::session::fault::Fault;
use crate::telemetry::sampling::Dice;
use crate::telemetry::trace::{Asked, Trace};

/// They.
#[derive(Debug, Default)]
pub struct Traces {
    /// Chooses among requests.
    pub dice: Dice,
    /// The request that is being decided, or answered here.
    here: Option<Box<Trace>>,
    /// Those that went to the broker, in their order.
    due: VecDeque<Box<Trace>>,
    /// The one whose answer is passing.
    passing: Option<Box<Trace>>,
}

impl Traces {
    /// The request that is being decided or answered here, if it is traced.
    pub fn here(&mut self) -> Option<&mut Trace> {
        self.here.as_deref_mut()
    }

    /// When a step begins; none of a request that isn't traced.
    pub fn mark(&self) -> Option<SystemTime> {
        self.here.as_ref().map(|_| SystemTime::now())
    }

    /// A step that began at `mark` has ended. What it has to say is asked only if somebody listens.
    pub fn step(
        &mut self,
        name: &'static str,
        mark: Option<SystemTime>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) {
        if let (Some(trace), Some(since)) = (self.here(), mark) {
            trace.step(name, since, attributes());
        }
    }

    /// The tier was asked at `mark` and had its answer of `bytes` put together at `until`.
    pub fn tier(&mut self, mark: Option<SystemTime>, until: SystemTime, bytes: usize) {
        if let (Some(trace), Some(since)) = (self.here(), mark) {
            trace.tier((since, until), bytes);
        }
    }

    /// Says what becomes of the request.
    pub fn decided(&mut self, decision: &'static str) {
        if let Some(trace) = self.here() {
            trace.set("tidegate.decision", decision);
        }
    }

    /// Says where a Fetch is served from, and why from there.
    pub fn served(&mut self, served: Served) {
        if let Some(trace) = self.here() {
            let (from, reason) = served.labels();
            trace.set("tidegate.served.from", from);
            trace.set("tidegate.served.reason", reason);
        }
    }

    /// The request goes to the broker, and an answer will come. Whether it is traced.
    pub fn went(&mut self, key: i16, answer: Answer) -> bool {
        let Some(mut trace) = self.here.take() else { return false };
        trace.set("tidegate.decision", decision(key, answer));
        trace.went = Some(SystemTime::now());
        self.due.push_back(trace);
        true
    }

    /// The request goes to the broker, which will not answer.
    pub fn went_for_good(&mut self, key: i16) {
        if let Some(mut trace) = self.here.take() {
            trace.set("tidegate.decision", decision(key, Answer::Pass));
            trace.answered();
        }
    }

    /// The answer of the first request that the broker has begins to come; it is this long.
    pub fn comes(&mut self, broker: BrokerId, zone: Option<&Zone>, bytes: usize) {
        self.passing = self.due.pop_front();
        if let Some(trace) = &mut self.passing {
            if let Some(went) = trace.went {
                trace.asked((went, SystemTime::now()), &Asked { broker, zone, bytes: Some(bytes) });
            }
            trace.set("tidegate.answer.bytes", bytes as i64);
        }
    }

    /// The answer's last byte is on its way.
    pub fn passed(&mut self) {
        if let Some(trace) = self.passing.take() {
            trace.answered();
        }
    }

    /// The request has been answered here, unless it went on to the broker.
    pub fn done(&mut self, result: &Result<(), Fault>) {
        match (self.here.take(), result) {
            (None, _) => {}
            (Some(trace), Ok(())) => trace.answered(),
            (Some(trace), Err(fault)) => trace.failed(fault.reason().label()),
        }
    }

    /// Whether an answer of a traced request is passing.
    pub fn is_passing(&self) -> bool {
        self.passing.is_some()
    }
}

/// What is done with a request that goes on to the broker.
fn decision(key: i16, answer: Answer) -> &'static str {
    match (key, answer) {
        (api::FETCH, _) => "forward",
        (api::JOIN_GROUP | api::CONSUMER_GROUP_HEARTBEAT, _) => "rewrite",
        (_, Answer::Pass) => "forward",
        _ => "rewrite",
    }
}

impl Core {
    /// Begins the trace of a request of `bytes` that chance has chosen, if its API is one that the gateway reads or answers.
    pub fn begin_trace(&mut self, head: &RequestHead<'_>, bytes: usize) {
        let Some(queue) = &self.gateway.telemetry.traces else { return };
        let Some(api) = api::lookup(head.key).filter(|a| a.handling != Handling::Forward) else { return };
        let mut attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("tidegate.api", api.name),
            KeyValue::new("tidegate.api.version", i64::from(head.version)),
            KeyValue::new("tidegate.request.bytes", bytes as i64),
            KeyValue::new("tidegate.client.zone", self.zone.to_string()),
            KeyValue::new("tidegate.gateway.zone", self.gateway.zone.to_string()),
            KeyValue::new("tidegate.broker.id", i64::from(self.own.0)),
            KeyValue::new("tidegate.listener", self.door.name.clone()),
        ];
        attributes.extend(self.gateway.cluster.view().zone_of(self.own).map(broker_zone));
        attributes.extend(operation(head.key).map(|o| KeyValue::new("messaging.operation.type", o)));
        if self.gateway.settings().client_ids {
            attributes.extend(head.client_id.map(|id| KeyValue::new("messaging.client.id", id.to_owned())));
        }
        self.traces.here = Some(Trace::begin(queue.clone(), api.name, attributes));
    }

    /// Notes a question to a broker that was asked at `mark` and brought this many bytes, if anything.
    pub fn trace_asked(&mut self, broker: BrokerId, mark: Option<SystemTime>, bytes: Option<usize>) {
        if mark.is_some() {
            self.trace_asked_until(broker, mark, SystemTime::now(), bytes);
        }
    }

    /// The same of one that ended earlier.
    pub fn trace_asked_until(
        &mut self,
        broker: BrokerId,
        mark: Option<SystemTime>,
        until: SystemTime,
        bytes: Option<usize>,
    ) {
        if let (Some(since), Some(trace)) = (mark, self.traces.here()) {
            let view = self.gateway.cluster.view();
            trace.asked((since, until), &Asked { broker, zone: view.zone_of(broker), bytes });
        }
    }

    /// Counts a Fetch by where it is served, and notes that.
    pub fn served(&mut self, served: Served) {
        self.gateway.counters.served(served);
        self.traces.served(served);
    }

    /// Notes that the answer of the first request due begins to come.
    pub fn trace_answer(&mut self, due: Due, bytes: usize) {
        if due.traced {
            let view = self.gateway.cluster.view();
            self.traces.comes(self.own, view.zone_of(self.own), bytes);
        }
    }
}

fn broker_zone(zone: &Zone) -> KeyValue {
    KeyValue::new("tidegate.broker.zone", zone.to_string())
}

/// OpenTelemetry's own word for what this API does with messages.
fn operation(key: i16) -> Option<&'static str> {
    match key {
        api::PRODUCE => Some("send"),
        api::FETCH | api::SHARE_FETCH => Some("receive"),
        api::SHARE_ACKNOWLEDGE => Some("settle"),
        _ => None,
    }
}
