//! The trace of one request: a span for the request, and one for each step that it took.
//!
//! Nobody hands a Kafka gateway a context to go on with, and nobody takes one from it: a trace begins and ends here, as
//! one piece. So spans are put together where they happen and go to the exporter as they are (decision 0009).

use std::sync::LazyLock;
use std::time::SystemTime;

use config::Zone;
use kafka::types::BrokerId;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

use crate::telemetry::spans::Queue;

/// Most steps of a request that get a span: a long poll over several brokers takes hundreds.
const STEPS_MAX: usize = 48;

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("tidegate").with_version(env!("CARGO_PKG_VERSION")).build()
});

/// A request that is traced. Ends when it is dropped.
#[derive(Debug)]
pub struct Trace {
    queue: Queue,
    /// The request's span, and then its steps'.
    spans: Vec<SpanData>,
    left_out: usize,
    answered: bool,
    /// When the request went to the broker, if it did.
    pub went: Option<SystemTime>,
}

impl Trace {
    /// Begins now.
    pub fn begin(queue: Queue, name: &'static str, attributes: Vec<KeyValue>) -> Box<Self> {
        let (trace, now) = (RandomIdGenerator::default().new_trace_id(), SystemTime::now());
        let context = |span| SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE);
        let root = context(RandomIdGenerator::default().new_span_id());
        let spans = vec![span_data(root, SpanId::INVALID, name, SpanKind::Server, (now, now), attributes)];
        Box::new(Self { queue, spans, left_out: 0, answered: false, went: None })
    }

    /// Says something of the request; the last word on each thing counts.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        let (attributes, value) = (&mut self.spans[0].attributes, value.into());
        match attributes.iter_mut().find(|a| a.key.as_str() == key) {
            Some(attribute) => attribute.value = value,
            None => attributes.push(KeyValue::new(key, value)),
        }
    }

    /// A step that took from `since` until now.
    pub fn step(&mut self, name: &'static str, since: SystemTime, attributes: Vec<KeyValue>) {
        self.add(name, SpanKind::Internal, (since, SystemTime::now()), attributes);
    }

    /// A question to a broker.
    pub fn asked(&mut self, (since, until): (SystemTime, SystemTime), of: &Asked<'_>) {
        let attributes = vec![
            KeyValue::new("tidegate.broker.id", i64::from(of.broker.0)),
            KeyValue::new("tidegate.broker.zone", of.zone.map_or_else(String::new, ToString::to_string)),
            KeyValue::new("tidegate.bytes", of.bytes.map_or(-1, |n| n as i64)),
        ];
        self.add("ask", SpanKind::Client, (since, until), attributes);
        if of.bytes.is_none()
            && let Some(step) = self.spans.last_mut().filter(|s| s.span_kind == SpanKind::Client)
        {
            step.status = Status::error("no answer");
        }
    }

    /// A question to the tier.
    pub fn tier(&mut self, time: (SystemTime, SystemTime), bytes: usize) {
        self.add("tier", SpanKind::Internal, time, vec![KeyValue::new("tidegate.bytes", bytes as i64)]);
    }

    fn add(
        &mut self,
        name: &'static str,
        kind: SpanKind,
        time: (SystemTime, SystemTime),
        attributes: Vec<KeyValue>,
    ) {
        if self.spans.len() > STEPS_MAX {
            self.left_out += 1;
            return;
        }
        let root = &self.spans[0].span_context;
        let id = RandomIdGenerator::default().new_span_id();
        let context = SpanContext::new(root.trace_id(), id, TraceFlags::SAMPLED, false, TraceState::NONE);
        let step = span_data(context, root.span_id(), name, kind, time, attributes);
        self.spans.push(step);
    }

    /// The client has been answered, or wants no answer.
    pub fn answered(mut self) {
        self.answered = true;
    }

    /// Why the client wasn't answered.
    pub fn failed(mut self, reason: &'static str) {
        self.set("error.type", reason);
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if self.left_out > 0 {
            self.set("tidegate.steps_left_out", self.left_out as i64);
        }
        let root = &mut self.spans[0];
        root.end_time = SystemTime::now();
        if !self.answered {
            root.status = Status::error("the connection ended before the answer");
        }
        self.queue.put(std::mem::take(&mut self.spans));
    }
}

/// A question to a broker, and how long the answer was.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Whom.
    pub broker: BrokerId,
    /// Where it is, if that is known.
    pub zone: Option<&'a Zone>,
    /// Bytes of the answer; none if there was none.
    pub bytes: Option<usize>,
}

fn span_data(
    span_context: SpanContext,
    parent_span_id: SpanId,
    name: &'static str,
    span_kind: SpanKind,
    (start_time, end_time): (SystemTime, SystemTime),
    attributes: Vec<KeyValue>,
) -> SpanData {
    SpanData {
        span_context,
        parent_span_id,
        parent_span_is_remote: false,
        span_kind,
        name: name.into(),
        start_time,
        end_time,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: SCOPE.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::spans;

    pub(crate) fn span() -> SpanData {
        let now = SystemTime::now();
        span_data(SpanContext::NONE, SpanId::INVALID, "Fetch", SpanKind::Server, (now, now), Vec::new())
    }

    #[tokio::test]
    async fn a_trace_is_one_tree_and_its_steps_are_bounded() {
        let (queue, mut received) = spans::queue(Arc::default());
        let mut trace = Trace::begin(queue, "Fetch", vec![KeyValue::new("tidegate.decision", "look")]);
        trace.set("tidegate.decision", "legs");
        for _ in 0..STEPS_MAX + 2 {
            trace.step("plan", SystemTime::now(), Vec::new());
        }
        trace.answered();
        let spans = received.recv().await.expect("a trace");
        assert_eq!(spans.len(), STEPS_MAX + 1);
        let (root, steps) = spans.split_first().expect("spans");
        let (trace, id) = (root.span_context.trace_id(), root.span_context.span_id());
        assert!(root.span_context.is_valid() && root.span_context.is_sampled());
        assert!(steps.iter().all(|s| s.parent_span_id == id && s.span_context.trace_id() == trace));
        let said = [KeyValue::new("tidegate.decision", "legs"), KeyValue::new("tidegate.steps_left_out", 2)];
        assert_eq!((root.attributes.as_slice(), &root.status), (&said[..], &Status::Unset));
    }

    #[tokio::test]
    async fn a_request_that_was_never_answered_says_so() {
        let (queue, mut received) = spans::queue(Arc::default());
        drop(Trace::begin(queue.clone(), "Fetch", Vec::new()));
        Trace::begin(queue, "Fetch", Vec::new()).failed("upstream");
        for said in [vec![], vec![KeyValue::new("error.type", "upstream")]] {
            let root = received.recv().await.expect("a trace").remove(0);
            assert!(matches!(root.status, Status::Error { .. }));
            assert_eq!(root.attributes, said);
        }
    }
}
