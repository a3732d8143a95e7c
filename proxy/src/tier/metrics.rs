//! The tier's metrics, beside the data path's. Labels are topics that a rule of the file names, never partitions.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use crate::app::Gateway;
use crate::tier::report::{self, TierStatus, TopicStatus};

/// One number per topic.
type PerTopic = fn(&TopicStatus) -> u64;
/// One number of each layer of the cache.
type Layers = [(&'static str, fn(&TierStatus) -> u64); 2];

/// Gauges by topic.
const GAUGES: [(&str, &str, PerTopic); 6] = [
    ("tidegate_tier_lag_seconds", "Age of the oldest record that could be in the tier and is not", |t| {
        t.lag_seconds
    }),
    ("tidegate_tier_lag_bytes", "Bytes that could be in the tier and are not, estimated", |t| t.lag_bytes),
    ("tidegate_tier_lag_offsets", "Offsets that could be in the tier and are not", |t| t.lag_offsets),
    ("tidegate_tier_bytes", "Bytes in the tier", |t| t.bytes),
    ("tidegate_tier_segments", "Segments in the tier", |t| t.segments),
    ("tidegate_tier_in_trouble", "1 while a partition's offloading fails", |t| {
        u64::from(t.trouble.is_some())
    }),
];

/// Counters by topic.
const COUNTERS: [(&str, &str, PerTopic); 3] = [
    (
        "tidegate_tier_gaps",
        "Ranges that brokers dropped before they were uploaded: raise the topic's retention",
        |t| t.gaps,
    ),
    (
        "tidegate_tier_damaged",
        "Reads that failed because what the store gave is not what was put there: see `tidegate tier verify`",
        |t| t.damaged,
    ),
    ("tidegate_tier_divergences", "Times that a leader's log took another turn", |t| t.divergences),
];

/// Counters of the cache, by layer.
const CACHE: [(&str, &str, Layers); 3] = [
    ("tidegate_cache_hits", "Blocks found near", [("memory", |t| t.memory_hits), ("disk", |t| t.disk_hits)]),
    (
        "tidegate_cache_misses",
        "Blocks not found near",
        [("memory", |t| t.memory_misses), ("disk", |t| t.disk_misses)],
    ),
    (
        "tidegate_cache_errors",
        "Blocks that could not be kept, or came back damaged",
        [("memory", |_| 0), ("disk", |t| t.disk_errors)],
    ),
];

/// Registers them.
pub fn register(meter: &Meter, gateway: &Arc<Gateway>) {
    for (name, what, number) in GAUGES {
        let g = gateway.clone();
        let gauge = meter.u64_observable_gauge(name).with_description(what);
        gauge.with_callback(move |o| each(&g, |t| o.observe(number(t), &topic(t)))).build();
    }
    let g = gateway.clone();
    let headroom = meter.i64_observable_gauge("tidegate_tier_retention_headroom_seconds");
    let what =
        "Time until brokers' own retention would overtake the upload: alarm when it falls below an hour";
    let observe = move |o: &dyn AsyncInstrument<i64>| {
        each(&g, |t| t.headroom_seconds.into_iter().for_each(|n| o.observe(n, &topic(t))));
    };
    headroom.with_description(what).with_callback(observe).build();
    for (name, what, number) in COUNTERS {
        let g = gateway.clone();
        let counter = meter.u64_observable_counter(name).with_description(what);
        counter.with_callback(move |o| each(&g, |t| o.observe(number(t), &topic(t)))).build();
    }
    let g = gateway.clone();
    let requests = meter.u64_observable_counter("tidegate_store_requests");
    let requests =
        requests.with_description("Requests that reached the object store, by operation and outcome");
    requests
        .with_callback(move |o| {
            for (op, outcome, n) in g.tier.get().iter().flat_map(|ready| ready.counts.requests()) {
                o.observe(n, &[KeyValue::new("op", op), KeyValue::new("outcome", outcome)]);
            }
        })
        .build();
    let g = gateway.clone();
    let bytes = meter.u64_observable_counter("tidegate_store_bytes");
    bytes
        .with_description("Bytes of objects that went to or came from the store, by operation")
        .with_callback(move |o| {
            for (op, n) in g.tier.get().iter().flat_map(|ready| ready.counts.bytes()) {
                o.observe(n, &[KeyValue::new("op", op)]);
            }
        })
        .build();
    for (name, what, layers) in CACHE {
        let g = gateway.clone();
        let observe = move |o: &dyn AsyncInstrument<u64>| {
            let tier = report::of(&g);
            for (layer, number) in layers {
                tier.iter().for_each(|t| o.observe(number(t), &[KeyValue::new("layer", layer)]));
            }
        };
        meter.u64_observable_counter(name).with_description(what).with_callback(observe).build();
    }
    let g = gateway.clone();
    let ahead = meter.u64_observable_counter("tidegate_read_ahead_blocks");
    ahead
        .with_description("Blocks fetched before somebody asked")
        .with_callback(move |o| report::of(&g).iter().for_each(|t| o.observe(t.read_ahead, &[])))
        .build();
}

fn topic(t: &TopicStatus) -> [KeyValue; 1] {
    [KeyValue::new("topic", t.topic.clone())]
}

fn each(gateway: &Gateway, mut f: impl FnMut(&TopicStatus)) {
    for t in report::of(gateway).iter().flat_map(|tier| &tier.topics) {
        f(t);
    }
}
