use std::sync::Arc;

use kafka::api::PRODUCE;
use opentelemetry::Value;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc::Receiver;

use super::{OFFSET_COMMIT, answer, core, down, produce, request, up};
use crate::life::settings::Settings;
use crate::session::core::Core;
use crate::telemetry::sampling::Sampling;
use crate::telemetry::spans;

/// A session of a gateway that traces this part of its requests, and where their traces go.
fn traced(ratio: f64) -> (Core, Receiver<Vec<SpanData>>) {
    let mut core = core();
    let (queue, received) = spans::queue(Arc::default());
    Arc::get_mut(&mut core.gateway).expect("nobody else has it").telemetry.traces = Some(queue);
    let settings = Settings { sampling: Sampling::of(ratio), ..Settings::clone(&core.gateway.settings()) };
    core.gateway.change(settings);
    (core, received)
}

fn said(root: &SpanData, key: &str) -> Option<Value> {
    root.attributes.iter().find(|a| a.key.as_str() == key).map(|a| a.value.clone())
}

#[test]
fn requests_that_overlap_are_traced_each_with_its_own_answer_and_only_those_we_look_at() {
    let (mut core, mut received) = traced(1.0);
    let asked = [
        request(PRODUCE, 3, 1, &produce(-1, &[9; 5_000])),
        request(OFFSET_COMMIT, 8, 2, b"x"),
        request(PRODUCE, 3, 3, &produce(0, &[9; 10])),
        request(PRODUCE, 3, 4, &produce(-1, &[9; 20])),
    ];
    up(&mut core, &asked.concat(), &[]).expect("requests");
    let told = [
        answer(PRODUCE, 3, 1, b"first"),
        answer(OFFSET_COMMIT, 8, 2, b"not looked at"),
        answer(PRODUCE, 3, 4, b"the last one"),
    ];
    down(&mut core, &told.concat(), &[]).expect("answers");
    // The one without acks is over before the first is answered.
    for (request, answer) in [(2, None), (0, Some(0)), (3, Some(2))] {
        let trace = received.try_recv().expect("a trace");
        let root = &trace[0];
        assert_eq!((root.name.as_ref(), &root.status), ("Produce", &Status::Unset));
        let bytes = |frame: &Vec<u8>| Value::I64(frame.len() as i64);
        assert_eq!(said(root, "tidegate.request.bytes"), Some(bytes(&asked[request])));
        assert_eq!(said(root, "tidegate.answer.bytes"), answer.map(|n: usize| bytes(&told[n])));
        assert_eq!(trace.len(), if answer.is_some() { 2 } else { 1 }, "the question to the broker");
    }
    assert!(received.try_recv().is_err());
}

#[test]
fn a_session_that_ends_leaves_no_trace_open_and_one_that_is_not_sampled_none_at_all() {
    for (ratio, traces) in [(1.0, 2), (0.0, 0)] {
        let (mut core, mut received) = traced(ratio);
        let asked = request(PRODUCE, 3, 1, &produce(-1, b"x"));
        up(&mut core, &asked.repeat(2), &[]).expect("requests");
        drop(core);
        for _ in 0..traces {
            let trace = received.try_recv().expect("a trace");
            assert!(matches!(trace[0].status, Status::Error { .. }), "{trace:?}");
        }
        assert!(received.try_recv().is_err());
    }
}
